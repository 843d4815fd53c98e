//! So many requests a second, and no more.

use crate::clock::Clock;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// Gives each request its turn, at even distances: a burst after a silence is no burst.
#[derive(Debug)]
pub(super) struct Pace {
    pub(super) per_second: u32,
    next: Mutex<Duration>,
    clock: Arc<dyn Clock>,
}

impl Pace {
    pub(super) fn new(per_second: u32, clock: Arc<dyn Clock>) -> Self {
        Self { per_second, next: Mutex::new(Duration::ZERO), clock }
    }

    /// Waits for the next turn.
    pub(super) async fn turn(&self) {
        let now = self.clock.now().tick;
        let turn = {
            let mut next = self.next.lock().unwrap_or_else(PoisonError::into_inner);
            let turn = (*next).max(now);
            *next = turn + Duration::from_secs(1) / self.per_second;
            turn
        };
        if turn > now {
            tokio::time::sleep(turn - now).await;
        }
    }
}
