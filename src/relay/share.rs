//! The relay's share of the write lock while others write too.
//!
//! SQLite's busy handler is not fair and sleeps longer with every try: whoever meets a taken lock
//! twice waits for long. So beside others a relay holds the lock for a fifth of the time at the
//! most. It saves its share up for a moment, so that a message that comes alone goes at once.

use std::time::Duration;

/// Free time for each unit of held time.
const FREE_PER_HELD: u32 = 4;
/// How much held time can be saved up.
const SAVED: Duration = Duration::from_millis(5);

#[derive(Clone, Copy, Debug)]
pub(super) struct Share {
    /// When all that was held will have been paid for with free time.
    paid_at: Duration,
}

impl Share {
    pub(super) fn new() -> Self {
        Self { paid_at: Duration::ZERO }
    }

    /// The lock was held from then to now, and somebody else writes too.
    pub(super) fn held(&mut self, from: Duration, now: Duration) {
        let cost = now.saturating_sub(from) * (FREE_PER_HELD + 1);
        self.paid_at = self.paid_at.max(from) + cost;
    }

    /// When the lock may be taken again.
    pub(super) fn free_at(&self) -> Duration {
        self.paid_at.saturating_sub(SAVED * (FREE_PER_HELD + 1))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);

    #[test]
    fn a_short_hold_after_a_rest_delays_nothing() {
        let mut share = Share::new();
        share.held(1_000 * MS, 1_001 * MS);
        assert!(share.free_at() <= 1_001 * MS);
    }

    #[test]
    fn at_full_speed_the_lock_is_held_a_fifth_of_the_time() {
        let mut share = Share::new();
        let (start, mut now, mut held) = (1_000 * MS, 1_000 * MS, Duration::ZERO);
        for _ in 0..1_000 {
            now = now.max(share.free_at());
            share.held(now, now + MS);
            now += MS;
            held += MS;
        }
        let part = held.as_secs_f64() / (now - start).as_secs_f64();
        assert!((0.19..0.21).contains(&part), "{part}");
    }
}
