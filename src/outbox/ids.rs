//! Ids for new messages: drawn once in a millisecond, and counted on from there.

use crate::clock::{Now, WallMs};
use crate::database::Database;
use crate::id::MessageId;
use std::sync::{Mutex, PoisonError};

/// Makes ids as RFC 9562 has it in section 6.2, method 2: asking the system for random bytes each
/// time would cost a third of an insert.
#[derive(Debug, Default)]
pub(super) struct Ids(Mutex<Drawn>);

#[derive(Clone, Copy, Debug, Default)]
struct Drawn {
    wall_ms: WallMs,
    random: u128,
    /// How many were made of it.
    count: u32,
}

impl Ids {
    pub(super) fn next(&self, database: &Database, now: Now) -> MessageId {
        self.next_of(now, || database.random())
    }

    fn next_of(&self, now: Now, draw: impl Fn() -> [u8; 10]) -> MessageId {
        let mut drawn = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if drawn.wall_ms != now.wall_ms || drawn.count == 0 {
            let mut bytes = [0; 16];
            bytes[6..].copy_from_slice(&draw());
            let random = u128::from_be_bytes(bytes);
            *drawn = Drawn { wall_ms: now.wall_ms, random, count: 0 };
        }
        // A process that was forked has the same number and the same count, but not in the same
        // nanosecond.
        let offset = u64::from(now.tick.subsec_nanos()) << 32 | u64::from(drawn.count);
        drawn.count = drawn.count.wrapping_add(1);
        let bytes = drawn.random.wrapping_add(offset.into()).to_be_bytes();
        let mut random = [0; 10];
        random.copy_from_slice(&bytes[6..]);
        MessageId::at(now.wall_ms, random)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::cell::Cell;
    use std::collections::HashSet;
    use std::time::Duration;

    /// Bytes that carry into the variant's place when they are counted on, another each time.
    fn draw_of(draws: &Cell<u8>) -> [u8; 10] {
        draws.set(draws.get() + 1);
        [draws.get(), 0, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xfe]
    }

    fn at(wall_ms: WallMs, nanos: u64) -> Now {
        Now { wall_ms, tick: Duration::from_nanos(nanos) }
    }

    #[test]
    fn ids_of_one_millisecond_count_on_and_are_drawn_anew_in_another() {
        let (ids, draws) = (Ids::default(), Cell::new(0));
        let next = |now| ids.next_of(now, || draw_of(&draws));
        let of_one: Vec<_> = (0..1_000).map(|number| next(at(7, number / 10))).collect();
        assert_eq!(draws.get(), 1);
        assert_eq!(of_one.iter().collect::<HashSet<_>>().len(), 1_000);
        for id in of_one {
            let bytes = id.as_bytes();
            assert_eq!((bytes[6] >> 4, bytes[8] >> 6), (7, 2), "a UUIDv7, whatever is carried");
        }
        next(at(8, 0));
        next(at(7, 0));
        assert_eq!(draws.get(), 3, "a clock that was set back does not lead back");
    }

    #[test]
    fn a_process_that_was_forked_makes_other_ids() {
        let (parent, draws) = (Ids::default(), Cell::new(0));
        parent.next_of(at(7, 100), || draw_of(&draws));
        let child = Ids(Mutex::new(*parent.0.lock().unwrap()));
        let next = |ids: &Ids, nanos| ids.next_of(at(7, nanos), || unreachable!("it was drawn"));
        assert_ne!(next(&parent, 200), next(&child, 300));
    }
}
