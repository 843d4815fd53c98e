//! The relay's share of the write lock while others write too.
//!
//! SQLite's busy handler is not fair and sleeps longer with every try: 1 ms, then 2, then 5.
//! Whoever meets a taken lock once waits for a millisecond, and whoever meets it twice for three.
//! So beside others a relay aims at less than a millisecond at a time, leaves the lock alone for
//! longer than that afterwards, and takes a fifth of the time at the most. It saves its share up
//! for a moment, so that a message that comes alone goes at once.
//!
//! Who brings many messages at a time holds the lock for longer than that: beside such a producer a
//! relay takes as many at a time as it brought, and half of the time; with less it falls behind. A
//! host of small commits waits for both of them then.

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

/// Somebody who wrote so lately will write again.
const LATELY: Duration = Duration::from_millis(100);
/// A cycle with fewer messages than this follows the others' own commits and crowds nobody.
const CROWDING: usize = 32;
/// Who brings so many is a producer: inserting them takes about as long as a short hold.
const MANY: usize = 256;
/// Free time for each unit of held time.
const FREE_PER_HELD: u32 = 4;
const FREE_PER_HELD_BESIDE_PRODUCER: u32 = 1;
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
    fn is_long(&self) -> bool {
        self.worked > SHORT
    }
}

#[derive(Clone, Copy, Debug)]
pub(super) struct Share {
    /// Until when others are taken to write.
    others_until: Duration,
    /// How many messages a producer brought between two looks, and until when that counts.
    brought: (usize, Duration),
    /// When all that was held will have been paid for with free time.
    paid_at: Duration,
    /// When whoever met the lock will have had it.
    rested_at: Duration,
    /// How many messages a cycle may carry, so that it is short.
    most: usize,
}

impl Share {
    pub(super) fn new() -> Self {
        Self {
            others_until: Duration::ZERO,
            brought: (0, Duration::ZERO),
            paid_at: Duration::ZERO,
            rested_at: Duration::ZERO,
            most: MOST,
        }
    }

    /// Somebody else has committed, and so many messages have come since the last look.
    pub(super) fn others_wrote(&mut self, now: Duration, messages: usize) {
        self.others_until = now + LATELY;
        if messages >= MANY {
            self.brought = (messages, now + LATELY);
        }
    }

    /// Whether nobody else writes.
    pub(super) fn is_alone(&self, now: Duration) -> bool {
        now >= self.others_until
    }

    /// Whether one of those who write brings many messages at a time.
    fn is_beside_producer(&self, now: Duration) -> bool {
        now < self.brought.1
    }

    /// The lock was held by a cycle, and there may be more to delete.
    pub(super) fn held(&mut self, held: &Held, deletes: bool) {
        let crowds = held.messages >= CROWDING || held.is_long() || deletes;
        if self.is_alone(held.from) || !crowds {
            return;
        }
        let whole = held.to.saturating_sub(held.from);
        let from = held.to.saturating_sub(PAID_FOR).max(held.from);
        let is_beside_producer = self.is_beside_producer(held.from);
        let free = if is_beside_producer { FREE_PER_HELD_BESIDE_PRODUCER } else { FREE_PER_HELD };
        // After a small cycle more gathers meanwhile, for the same sync.
        if !is_beside_producer || held.messages < MANY {
            self.rested_at = held.to + REST;
        }
        self.paid_at = self.paid_at.max(from) + whole.min(PAID_FOR) * (free + 1);
        if held.messages < FEWEST {
            return;
        }
        // Down fast, up slowly: a cycle that was long may have met a slow disk, or be too large.
        let most =
            if held.is_long() { held.messages * 3 / 4 } else { self.most.min(held.messages) + 8 };
        self.most = most.max(FEWEST);
    }

    /// When the lock may be taken again.
    pub(super) fn free_at(&self) -> Duration {
        self.paid_at.saturating_sub(SAVED * (FREE_PER_HELD + 1)).max(self.rested_at)
    }

    /// How many messages the next cycle may carry.
    pub(super) fn most(&self, now: Duration) -> usize {
        if self.is_alone(now) {
            MOST
        } else if self.is_beside_producer(now) {
            self.most.max(self.brought.0)
        } else {
            self.most
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);

    fn held(from: Duration, time: Duration, messages: usize) -> Held {
        Held { from, to: from + time, worked: time, messages }
    }

    /// Somebody writes until the end, and brought so many messages a second after the beginning.
    fn beside(messages: usize) -> Share {
        let mut share = Share { most: 150, ..Share::new() };
        share.others_wrote(1_000 * MS, messages);
        Share { others_until: Duration::MAX, ..share }
    }

    #[test]
    fn a_short_hold_after_a_rest_delays_for_as_long_as_one_sleeps_who_met_it() {
        let mut share = beside(0);
        share.held(&held(1_000 * MS, MS, MANY), false);
        assert_eq!(share.free_at(), 1_001 * MS + REST);
    }

    /// The part of the time that is held at full speed.
    fn part_held(share: &mut Share) -> f64 {
        let (start, mut now, mut whole) = (1_000 * MS, 1_000 * MS, Duration::ZERO);
        for _ in 0..1_000 {
            now = now.max(share.free_at());
            if share.is_beside_producer(now) {
                share.others_wrote(now, 1_024);
            }
            share.held(&held(now, 2 * MS, 100), false);
            now += 2 * MS;
            whole += 2 * MS;
        }
        whole.as_secs_f64() / (now - start).as_secs_f64()
    }

    #[test]
    fn at_full_speed_the_lock_is_held_a_fifth_of_the_time() {
        let part = part_held(&mut beside(0));
        assert!((0.19..0.21).contains(&part), "{part}");
    }

    #[test]
    fn beside_a_producer_the_lock_is_held_half_of_the_time() {
        let part = part_held(&mut beside(1_024));
        assert!((0.49..0.52).contains(&part), "{part}");
    }

    #[test]
    fn beside_a_producer_a_cycle_carries_what_it_brought() {
        let mut share = Share { most: 150, ..Share::new() };
        let now = 1_000 * MS;
        assert_eq!(share.most(now), MOST, "nobody writes");
        share.others_wrote(now, MANY - 1);
        assert_eq!(share.most(now), 150, "that is few");
        share.others_wrote(now, 1_024);
        share.others_wrote(now, 1);
        assert_eq!(share.most(now), 1_024);
        let later = now + LATELY;
        share.others_wrote(later, 1);
        assert_eq!(share.most(later), 150, "the producer has gone");
        let alone = later + LATELY;
        assert_eq!(share.most(alone), MOST, "all have gone");
        share.held(&held(alone, 90 * MS, MOST), true);
        assert_eq!(share.free_at(), Duration::ZERO, "nobody has to be left time");
    }

    #[test]
    fn beside_a_producer_only_small_cycles_rest() {
        let now = 1_000 * MS;
        let free_after = |messages| {
            let mut share = beside(1_024);
            share.held(&held(now, MS, messages), false);
            share.free_at()
        };
        assert_eq!(free_after(MANY - 1), now + MS + REST);
        assert!(free_after(MANY) < now);
    }

    #[test]
    fn beside_others_a_cycle_carries_what_fits_into_a_short_hold() {
        let per_message = Duration::from_micros(2);
        let mut share = Share { most: MOST, ..beside(0) };
        let mut now = 1_000 * MS;
        for _ in 0..200 {
            let messages = share.most(now).min(1_024);
            let worked = MS / 10 + per_message * u32::try_from(messages).unwrap();
            share.held(&Held { from: now, to: now + worked + MS, worked, messages }, false);
            now += 10 * MS;
        }
        // 0.1 ms for itself, and 2 us for each message: 150 make up 0.4 ms.
        assert!((112..=158).contains(&share.most(now)), "{}", share.most(now));
        share.held(&held(now, 100 * MS, 32), false);
        assert_eq!(share.most(now), FEWEST, "a slow disk alone stops nobody");
    }

    #[test]
    fn who_follows_the_commits_of_others_crowds_nobody() {
        let mut share = beside(0);
        share.held(&held(1_000 * MS, MS / 10, 1), false);
        assert_eq!(share.free_at(), Duration::ZERO);
        share.held(&held(1_000 * MS, MS / 10, 1), true);
        assert!(share.free_at() > 1_000 * MS, "but who goes on deleting does");
        let mut share = beside(0);
        share.held(&held(1_000 * MS, MS, 1), false);
        assert!(share.free_at() > 1_000 * MS, "and who holds it for long");
    }

    #[test]
    fn a_process_that_was_stopped_with_the_lock_does_not_rest_for_hours() {
        let mut share = beside(0);
        let hour = 3_600_000 * MS;
        share.held(&held(1_000 * MS, hour, 100), false);
        let ended = 1_000 * MS + hour;
        assert!(share.free_at() > ended && share.free_at() < ended + 500 * MS);
    }

    #[test]
    fn what_a_cycle_may_carry_does_not_depend_on_older_messages_or_the_disk() {
        for messages in [100, 0] {
            let mut share = beside(0);
            let (from, to) = (1_000 * MS, 1_004 * MS);
            share.held(&Held { from, to, worked: MS / 10, messages }, true);
            assert_eq!(share.most(from), if messages == 0 { 150 } else { 108 });
        }
    }
}
