//! When a failed message is tried again, and when it is given up.
//!
//! The wait doubles with every failure up to a cap, and is spread by up to 20 % so that messages
//! that failed together do not come back together. The spread is a hash of the message id and
//! the failure count: the same message always waits the same time, on every machine and in every
//! release. Nothing here reads a clock or draws a random number.

use std::time::Duration;
use xxhash_rust::xxh3::xxh3_64_with_seed;

/// The widest spread, in thousandths of the wait.
const JITTER: u64 = 200;

/// Exponential backoff with reproducible jitter, and the limits after which a message is dead.
///
/// The default waits 1 s after the first failure and never more than 5 min, and gives a message
/// up after 10 failures or 5 lost attempts.
///
/// ```
/// # use surehand::RetryPolicy;
/// use std::time::Duration;
///
/// let policy = RetryPolicy::default().first_delay(Duration::from_millis(200)).max_failures(4);
/// assert!(policy.delay(1, [7; 16]) <= Duration::from_millis(240));
/// ```
#[derive(Clone, Debug)]
#[must_use]
pub struct RetryPolicy {
    first_millis: u64,
    longest_millis: u64,
    max_failures: u32,
    crash_limit: u32,
}

impl Default for RetryPolicy {
    fn default() -> Self {
        Self { first_millis: 1_000, longest_millis: 300_000, max_failures: 10, crash_limit: 5 }
    }
}

impl RetryPolicy {
    /// Sets the wait after the first failure, rounded up to a millisecond.
    ///
    /// Zero is allowed and means that every retry is immediate.
    pub fn first_delay(mut self, delay: Duration) -> Self {
        // Rounding down would turn a short wait into none at all, however often it doubles.
        self.first_millis = whole_millis(delay.saturating_add(Duration::from_nanos(999_999)));
        self
    }

    /// Sets the wait that is never exceeded, rounded down to a millisecond.
    pub fn longest_delay(mut self, delay: Duration) -> Self {
        self.longest_millis = whole_millis(delay);
        self
    }

    /// Sets the failure after which a message is given up; 0 counts as 1.
    pub fn max_failures(mut self, failures: u32) -> Self {
        self.max_failures = failures.max(1);
        self
    }

    /// Sets how many attempts may end without an answer, lost with their process or left open,
    /// before a message is given up; 0 counts as 1.
    pub fn crash_limit(mut self, attempts: u32) -> Self {
        self.crash_limit = attempts.max(1);
        self
    }

    /// How many failures a message has before it is given up.
    pub fn failures_allowed(&self) -> u32 {
        self.max_failures
    }

    /// How many lost attempts a message has before it is given up.
    pub fn crashes_allowed(&self) -> u32 {
        self.crash_limit
    }

    /// The wait that [`delay`](Self::delay) never exceeds.
    pub fn longest(&self) -> Duration {
        Duration::from_millis(self.longest_millis)
    }

    /// How long message `id` waits after it has failed `failures` times; nothing after none.
    pub fn delay(&self, failures: u32, id: [u8; 16]) -> Duration {
        let Some(doublings) = failures.checked_sub(1) else { return Duration::ZERO };
        let factor = 1_u64.checked_shl(doublings).unwrap_or(u64::MAX);
        // The cap comes before the jitter too: messages that wait the longest stay spread.
        let plain = self.first_millis.saturating_mul(factor).min(self.longest_millis);
        let hash = xxh3_64_with_seed(&id, u64::from(failures));
        let thousandths = 1_000 - JITTER + hash % (2 * JITTER + 1);
        Duration::from_millis(scaled(plain, thousandths).min(self.longest_millis))
    }
}

/// `millis * thousandths / 1000`, rounded to nearest so that a wait of 1 ms stays one.
fn scaled(millis: u64, thousandths: u64) -> u64 {
    let scaled = (u128::from(millis) * u128::from(thousandths) + 500) / 1_000;
    u64::try_from(scaled).unwrap_or(u64::MAX)
}

fn whole_millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn millis(first: u64, longest: u64) -> RetryPolicy {
        RetryPolicy::default()
            .first_delay(Duration::from_millis(first))
            .longest_delay(Duration::from_millis(longest))
    }

    /// The shortest and the longest wait, in milliseconds, by an independent route.
    fn bounds(first: u64, longest: u64, failures: u32) -> (u128, u128) {
        let (mut plain, longest) = (u128::from(first), u128::from(longest));
        for _ in 1..failures {
            plain = longest.min(plain * 2);
        }
        let plain = plain.min(longest);
        (plain * 4 / 5, longest.min(plain * 6 / 5 + 1))
    }

    proptest! {
        #[test]
        fn delays_stay_within_growing_bounds(
            first in prop_oneof![0..5_000u64, any::<u64>()],
            longest in prop_oneof![0..600_000u64, any::<u64>()],
            failures in 1..200u32,
            id: [u8; 16],
        ) {
            let policy = millis(first, longest);
            let (low, high) = bounds(first, longest, failures);
            let delay = policy.delay(failures, id);
            prop_assert!(low <= delay.as_millis() && delay.as_millis() <= high, "{delay:?}");
            prop_assert!(delay <= policy.longest());
            prop_assert_eq!(delay, policy.clone().delay(failures, id));

            let (next_low, next_high) = bounds(first, longest, failures + 1);
            prop_assert!(low <= next_low && high <= next_high);
        }

        #[test]
        fn no_input_overflows(first: Duration, longest: Duration, failures: u32, id: [u8; 16]) {
            let policy = RetryPolicy::default().first_delay(first).longest_delay(longest);
            prop_assert!(policy.delay(failures, id) <= longest);
        }
    }

    #[test]
    fn the_jitter_is_pinned_for_good() {
        let policy = RetryPolicy::default();
        let id = *b"0123456789abcdef";
        let delays = [0, 1, 2, 5, 10, 12].map(|failures| policy.delay(failures, id).as_millis());
        assert_eq!(delays, [0, 905, 1_812, 17_648, 300_000, 286_200]);
    }

    #[test]
    fn messages_that_fail_together_do_not_return_together() {
        for failures in [1, 5, 40] {
            let policy = RetryPolicy::default();
            let mut delays: Vec<_> = (0..100).map(|n| policy.delay(failures, [n; 16])).collect();
            delays.sort_unstable();
            delays.dedup();
            // At the cap the upper half of the spread is cut off.
            assert!(delays.len() > 35, "after {failures} failures: {delays:?}");
        }
    }

    #[test]
    fn settings_are_rounded_towards_caution() {
        let policy = RetryPolicy::default().first_delay(Duration::from_nanos(1)).max_failures(0);
        assert_eq!(policy.delay(1, [0; 16]), Duration::from_millis(1));
        assert_eq!(policy.failures_allowed(), 1);
        assert_eq!(policy.crash_limit(0).crashes_allowed(), 1);
        assert_eq!(millis(0, 1_000).delay(9, [0; 16]), Duration::ZERO);
        let capped = RetryPolicy::default().longest_delay(Duration::from_micros(1_999));
        assert_eq!(capped.longest(), Duration::from_millis(1));
    }
}
