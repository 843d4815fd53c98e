//! What a lane is told once.

use crate::retry::RetryPolicy;

/// How one subscription is served.
#[derive(Clone, Debug)]
pub(crate) struct Settings {
    pub(crate) name: String,
    pub(crate) ack_timeout_ms: i64,
    pub(crate) retry: RetryPolicy,
    /// Messages a request carries at the most.
    pub(crate) batch: usize,
    /// Bytes of payload a request carries, but for the message that passes them.
    pub(crate) batch_bytes: usize,
    /// Messages and bytes of payload between the position and the end of what was read.
    pub(crate) window: usize,
    pub(crate) window_bytes: usize,
    /// Messages that may be under way, if the window has room for more.
    pub(crate) capacity: usize,
    pub(crate) max_exceptions: usize,
    /// The transport ends in an inbox, which checks `after` and merges statements.
    pub(crate) remembers: bool,
}

impl Settings {
    /// Messages that one cycle sends, in as many requests as that takes: with half of the window
    /// under way, the next half is got ready.
    pub(crate) fn most_at_once(&self) -> usize {
        self.batch.max(self.window / 2)
    }

    /// The same in bytes.
    pub(crate) fn most_bytes_at_once(&self) -> usize {
        self.batch_bytes.max(self.window_bytes / 2)
    }

    /// The longest wait that can have been written: what a jump of the clock is clamped to.
    pub(crate) fn longest_wait_ms(&self) -> i64 {
        crate::clock::millis(self.retry.longest())
    }
}
