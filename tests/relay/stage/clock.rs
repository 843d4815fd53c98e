//! The machine's clock with hands to turn: both times go on by themselves, and jump when told.

use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;
use surehand::clock::{Clock, Now, System};

#[derive(Debug, Default)]
pub(crate) struct Hands {
    wall_ms: AtomicI64,
    tick_ms: AtomicI64,
}

impl Hands {
    /// Somebody sets the wall clock; no time passes.
    pub(crate) fn jump(&self, by_ms: i64) {
        self.wall_ms.fetch_add(by_ms, Ordering::SeqCst);
    }

    /// Time passes, at once.
    pub(crate) fn pass(&self, time: Duration) {
        let by_ms = i64::try_from(time.as_millis()).unwrap();
        self.wall_ms.fetch_add(by_ms, Ordering::SeqCst);
        self.tick_ms.fetch_add(by_ms, Ordering::SeqCst);
    }
}

impl Clock for Hands {
    fn now(&self) -> Now {
        let Now { wall_ms, tick } = System.now();
        let passed = u64::try_from(self.tick_ms.load(Ordering::SeqCst)).unwrap();
        Now {
            wall_ms: wall_ms + self.wall_ms.load(Ordering::SeqCst),
            tick: tick + Duration::from_millis(passed),
        }
    }
}
