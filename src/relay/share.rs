//! The relay's share of the write lock while others write too.
//!
//! SQLite's busy handler is not fair and sleeps longer with every try: 1 ms, then 2, then 5.
//! Whoever meets a taken lock once waits for a millisecond, and whoever meets it twice for three.
//! So beside others a relay aims at less than a millisecond at a time, leaves the lock alone for
//! longer than that afterwards, and takes a fifth of the time at the most. It saves its share up
//! for a moment, so that a message that comes alone goes at once.

use std::time::Duration;

/// How long a cycle held the lock, and what for.
#[derive(Clone, Copy, Debug)]
pub(super) struct Held {
    pub(super) from: Duration,
    pub(super) to: Duration,
    /// How much of it grows with the messages: the rest is emptying the log of older ones, which
    /// has its own bound, and the disk's, which takes as long for one.
    pub(super) worked: Duration,
    /// How many messages it sent.
    pub(super) messages: usize,
}

/// Free time for each unit of held time.
const FREE_PER_HELD: u32 = 4;
/// How much held time can be saved up.
const SAVED: Duration = Duration::from_millis(5);
/// Whoever met the lock has slept and tried again by then.
const REST: Duration = Duration::from_micros(1_200);
/// With no more work than this under it, the lock is free again when the one who met it has slept,
/// on a disk that syncs in half a millisecond.
const SHORT: Duration = Duration::from_micros(400);
/// Who held the lock for longer was stopped meanwhile, or the disk hung: paid for with four times
/// as much, that would be a second outage.
const PAID_FOR: Duration = Duration::from_millis(100);
/// However slow the disk is: what one cycle may carry at least.
const FEWEST: usize = 32;
const MOST: usize = 1 << 16;

impl Held {
    /// Whether somebody who met the lock may have met it twice.
    pub(super) fn is_long(&self) -> bool {
        self.worked > SHORT
    }
}

#[derive(Clone, Copy, Debug)]
pub(super) struct Share {
    /// When all that was held will have been paid for with free time.
    paid_at: Duration,
    /// When whoever met the lock will have had it.
    rested_at: Duration,
    /// How many messages a cycle may carry, so that it is short.
    most: usize,
}

impl Share {
    pub(super) fn new() -> Self {
        Self { paid_at: Duration::ZERO, rested_at: Duration::ZERO, most: MOST }
    }

    /// The lock was held, and somebody else writes too.
    pub(super) fn held(&mut self, held: &Held) {
        let whole = held.to.saturating_sub(held.from);
        let from = held.to.saturating_sub(PAID_FOR).max(held.from);
        self.paid_at = self.paid_at.max(from) + whole.min(PAID_FOR) * (FREE_PER_HELD + 1);
        self.rested_at = held.to + REST;
        if held.messages < FEWEST {
            return;
        }
        // Down fast, up slowly: a cycle that was long may have met a slow disk, or be too large.
        let most =
            if held.is_long() { held.messages * 3 / 4 } else { self.most.min(held.messages) + 8 };
        self.most = most.max(FEWEST);
    }

    /// Nobody else writes.
    pub(super) fn alone(&mut self) {
        self.most = MOST;
    }

    /// When the lock may be taken again.
    pub(super) fn free_at(&self) -> Duration {
        self.paid_at.saturating_sub(SAVED * (FREE_PER_HELD + 1)).max(self.rested_at)
    }

    /// How many messages the next cycle may carry.
    pub(super) fn most(&self) -> usize {
        self.most
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);

    fn held(from: Duration, time: Duration, messages: usize) -> Held {
        Held { from, to: from + time, worked: time, messages }
    }

    #[test]
    fn a_short_hold_after_a_rest_delays_for_as_long_as_one_sleeps_who_met_it() {
        let mut share = Share::new();
        share.held(&held(1_000 * MS, MS, 100));
        assert_eq!(share.free_at(), 1_001 * MS + REST);
    }

    #[test]
    fn at_full_speed_the_lock_is_held_a_fifth_of_the_time() {
        let mut share = Share::new();
        let (start, mut now, mut whole) = (1_000 * MS, 1_000 * MS, Duration::ZERO);
        for _ in 0..1_000 {
            now = now.max(share.free_at());
            share.held(&held(now, MS, 100));
            now += MS;
            whole += MS;
        }
        let part = whole.as_secs_f64() / (now - start).as_secs_f64();
        assert!((0.19..0.21).contains(&part), "{part}");
    }

    #[test]
    fn beside_others_a_cycle_carries_what_fits_into_a_short_hold() {
        let per_message = Duration::from_micros(2);
        let mut share = Share::new();
        let mut now = 1_000 * MS;
        for _ in 0..200 {
            let messages = share.most().min(1_024);
            let worked = MS / 10 + per_message * u32::try_from(messages).unwrap();
            share.held(&Held { from: now, to: now + worked + MS, worked, messages });
            now += 10 * MS;
        }
        // 0.1 ms for itself, and 2 us for each message: 150 make up 0.4 ms.
        assert!((112..=158).contains(&share.most()), "{}", share.most());
        share.held(&held(now, 100 * MS, 32));
        assert_eq!(share.most(), FEWEST, "a slow disk alone stops nobody");
        share.alone();
        assert_eq!(share.most(), MOST);
    }

    #[test]
    fn a_process_that_was_stopped_with_the_lock_does_not_rest_for_hours() {
        let mut share = Share::new();
        let hour = 3_600_000 * MS;
        share.held(&held(1_000 * MS, hour, 100));
        let ended = 1_000 * MS + hour;
        assert!(share.free_at() > ended && share.free_at() < ended + 500 * MS);
    }

    #[test]
    fn what_a_cycle_may_carry_does_not_depend_on_older_messages_or_the_disk() {
        let mut share = Share::new();
        for messages in [100, 0] {
            let (from, to) = (1_000 * MS, 1_004 * MS);
            share.held(&Held { from, to, worked: MS / 10, messages });
            assert_eq!(share.most(), 108);
        }
    }
}
