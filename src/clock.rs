//! The door for time and randomness.
//!
//! Nothing else in the crate reads a clock or asks for random bytes, so that a simulation drives
//! everything from one seed. Two times, never mixed: the wall, which people and other machines
//! understand and which jumps, and the tick, which only grows.

#![expect(
    clippy::disallowed_methods,
    reason = "this is the door they are disallowed elsewhere for"
)]

use std::fmt;
use std::sync::OnceLock;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// Milliseconds since the start of 1970 (UTC): what is stored. Jumps when somebody sets the clock.
pub type WallMs = i64;

/// Both times, read at one moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Now {
    /// Milliseconds since the start of 1970 (UTC).
    pub wall_ms: WallMs,
    /// Time since some fixed moment of this process; never goes back.
    pub tick: Duration,
}

/// Where time comes from.
pub trait Clock: Send + Sync + fmt::Debug {
    /// Both times, now.
    fn now(&self) -> Now;
}

/// Where randomness comes from.
pub trait Entropy: Send + Sync + fmt::Debug {
    /// Fills the buffer with random bytes.
    fn fill(&self, buffer: &mut [u8]);
}

/// The machine's own clock and randomness.
#[derive(Clone, Copy, Debug, Default)]
pub struct System;

impl Clock for System {
    fn now(&self) -> Now {
        static START: OnceLock<Instant> = OnceLock::new();
        let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Now {
            wall_ms: i64::try_from(since_epoch.as_millis()).unwrap_or(i64::MAX),
            tick: START.get_or_init(Instant::now).elapsed(),
        }
    }
}

impl Entropy for System {
    /// # Panics
    ///
    /// When the system has no randomness to give: without it no id can be promised to be unique.
    fn fill(&self, buffer: &mut [u8]) {
        getrandom::fill(buffer).expect("the system's random source answers");
    }
}

/// Sleeps, where there is nobody to wake the thread: waiting for another program's lock.
pub(crate) fn nap(time: Duration) {
    std::thread::sleep(time);
}

/// Milliseconds since 1970 of a system time; times before 1970 count as 1970.
pub(crate) fn wall_ms(time: SystemTime) -> WallMs {
    let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}

/// A duration in whole milliseconds, as the database stores it. `Duration::MAX` and its like count
/// as some millions of years, so that a moment after one still is a number.
pub(crate) fn millis(duration: Duration) -> i64 {
    const LONGEST: i64 = i64::MAX / 4;
    i64::try_from(duration.as_millis()).unwrap_or(LONGEST).min(LONGEST)
}
