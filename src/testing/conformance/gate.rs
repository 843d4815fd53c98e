//! A gate at the consumer: closed, it holds every message until it is opened.

use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use tokio::sync::Notify;

/// Open until somebody closes it.
#[derive(Debug, Default)]
pub(super) struct Gate {
    closed: Mutex<bool>,
    opened: Condvar,
    told: Notify,
}

impl Gate {
    pub(super) fn close(&self) {
        *self.state() = true;
    }

    pub(super) fn open(&self) {
        *self.state() = false;
        self.opened.notify_all();
        self.told.notify_waiters();
    }

    /// Waits on a task.
    pub(super) async fn pass(&self) {
        loop {
            // Made before the look, so that an opening in between is not missed.
            let told = self.told.notified();
            if !*self.state() {
                return;
            }
            told.await;
        }
    }

    /// Waits on a thread.
    pub(super) fn pass_blocking(&self) {
        let closed = self.state();
        drop(self.opened.wait_while(closed, |closed| *closed));
    }

    fn state(&self) -> MutexGuard<'_, bool> {
        self.closed.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
