//! Time and randomness that come from the test alone.

use super::dice::Dice;
use crate::clock::{Clock, Entropy, Now};
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// When every world begins: some day of 2026, milliseconds since 1970.
const BEGINNING_MS: i64 = 1_790_000_000_000;

/// A clock that stands still until it is moved.
#[derive(Debug, Default)]
pub(crate) struct ManualClock {
    micros: AtomicU64,
}

impl ManualClock {
    /// Begins when so much time has passed.
    pub(crate) fn starting_at(passed: Duration) -> Self {
        let clock = Self::default();
        clock.move_to(passed);
        clock
    }

    pub(crate) fn passed(&self) -> Duration {
        Duration::from_micros(self.micros.load(Ordering::Relaxed))
    }

    /// Forward to this moment, if it is still to come.
    pub(crate) fn move_to(&self, passed: Duration) {
        let micros = u64::try_from(passed.as_micros()).unwrap_or(u64::MAX);
        self.micros.fetch_max(micros, Ordering::Relaxed);
    }
}

impl Clock for ManualClock {
    fn now(&self) -> Now {
        let tick = self.passed();
        let since = i64::try_from(tick.as_millis()).unwrap_or(i64::MAX);
        Now { wall_ms: BEGINNING_MS.saturating_add(since), tick }
    }
}

/// The clock of one machine: time passes as in the world, and its wall may be wrong.
#[derive(Debug)]
pub(crate) struct MachineClock {
    world: Arc<ManualClock>,
    off_ms: AtomicI64,
}

impl MachineClock {
    pub(crate) fn new(world: Arc<ManualClock>, off_ms: i64) -> Self {
        Self { world, off_ms: AtomicI64::new(off_ms) }
    }

    /// Somebody sets it.
    pub(crate) fn jump(&self, by_ms: i64) {
        self.off_ms.fetch_add(by_ms, Ordering::Relaxed);
    }

    /// Somebody sets it right.
    pub(crate) fn correct(&self) {
        self.off_ms.store(0, Ordering::Relaxed);
    }
}

impl Clock for MachineClock {
    fn now(&self) -> Now {
        let now = self.world.now();
        let off_ms = self.off_ms.load(Ordering::Relaxed);
        Now { wall_ms: now.wall_ms.saturating_add(off_ms), ..now }
    }
}

/// Random bytes, the same from the same seed.
#[derive(Debug)]
pub(crate) struct SeededEntropy(Mutex<Dice>);

impl SeededEntropy {
    pub(crate) fn new(seed: u64) -> Self {
        Self(Mutex::new(Dice::new(seed)))
    }
}

impl Entropy for SeededEntropy {
    fn fill(&self, buffer: &mut [u8]) {
        let mut dice = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        for chunk in buffer.chunks_mut(8) {
            let bytes = dice.next().to_le_bytes();
            chunk.copy_from_slice(&bytes[..chunk.len()]);
        }
    }
}
