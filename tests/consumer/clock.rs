//! A clock that stands still until a test moves it.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::time::Duration;
use surehand::clock::{Clock, Now};

/// Noon of some day.
pub(crate) const NOON: i64 = 1_700_000_000_000;

#[derive(Debug)]
pub(crate) struct Held {
    wall_ms: AtomicI64,
    tick_ms: AtomicU64,
}

impl Held {
    pub(crate) fn at_noon() -> Arc<Self> {
        Arc::new(Self { wall_ms: AtomicI64::new(NOON), tick_ms: AtomicU64::new(0) })
    }

    pub(crate) fn set_wall(&self, wall_ms: i64) {
        self.wall_ms.store(wall_ms, Ordering::SeqCst);
    }

    pub(crate) fn pass(&self, time: Duration) {
        let millis = u64::try_from(time.as_millis()).unwrap();
        self.tick_ms.fetch_add(millis, Ordering::SeqCst);
    }
}

impl Clock for Held {
    fn now(&self) -> Now {
        let tick = Duration::from_millis(self.tick_ms.load(Ordering::SeqCst));
        Now { wall_ms: self.wall_ms.load(Ordering::SeqCst), tick }
    }
}
