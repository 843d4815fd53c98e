//! A destination, as its user describes it.

use super::settings::Settings;
use crate::clock::millis;
use crate::retry::RetryPolicy;
use crate::topics::Topics;
use crate::transport::Transport;
use std::time::Duration;

/// Where a new subscription begins.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Start {
    /// With the oldest message the log still has.
    #[default]
    Beginning,
    /// With the next message that is committed.
    Now,
}

/// What the outbox's user wants of one destination: a name, topics, timeouts.
///
/// ```
/// use std::time::Duration;
/// use surehand::{RetryPolicy, Subscription};
///
/// let billing = Subscription::new("billing")
///     .topics(["order.*", "refund.>"])
///     .ack_timeout(Duration::from_secs(5))
///     .retry(RetryPolicy::default().max_failures(4));
/// ```
#[derive(Clone, Debug)]
#[must_use]
pub struct Subscription {
    pub(super) name: String,
    topics: Option<Vec<String>>,
    pub(super) start: Start,
    ack_timeout: Duration,
    retry: RetryPolicy,
    batch: usize,
    window: usize,
    max_exceptions: usize,
}

impl Subscription {
    /// A subscription of this name; its position is kept under the name in the outbox's database.
    pub fn new(name: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            topics: None,
            start: Start::Beginning,
            ack_timeout: Duration::from_secs(30),
            retry: RetryPolicy::default(),
            batch: 256,
            window: 1024,
            max_exceptions: 10_000,
        }
    }

    /// Takes these topics: words joined by dots, `*` for any one word, `>` at the end for one or
    /// more of any. Without this: the topics the transport takes. Changed topics count
    /// for what is read after the change.
    pub fn topics(mut self, patterns: impl IntoIterator<Item = impl Into<String>>) -> Self {
        self.topics = Some(patterns.into_iter().map(Into::into).collect());
        self
    }

    /// Where it begins if it is new. With no subscription nothing leaves the log, and the first one
    /// starts at the beginning unless told otherwise.
    pub fn start(mut self, start: Start) -> Self {
        self.start = start;
        self
    }

    /// A message that is not answered for so long is delivered again: 30 s unless told otherwise;
    /// one millisecond at least.
    pub fn ack_timeout(mut self, timeout: Duration) -> Self {
        self.ack_timeout = timeout;
        self
    }

    /// When a failed message is tried again, and when it becomes a dead letter.
    pub fn retry(mut self, policy: RetryPolicy) -> Self {
        self.retry = policy;
        self
    }

    /// How many messages travel in one request at the most: 256 unless told otherwise.
    pub fn batch(mut self, messages: usize) -> Self {
        self.batch = messages.max(1);
        self
    }

    /// How many messages may be under way or wait in memory: 1,024 unless told otherwise. After a
    /// crash up to so many are delivered again.
    pub fn window(mut self, messages: usize) -> Self {
        self.window = messages.max(1);
        self
    }

    /// How many messages may wait, be parked or dead: 10,000 unless told otherwise. At the bound
    /// the position stops, and says so.
    pub fn max_exceptions(mut self, messages: usize) -> Self {
        self.max_exceptions = messages.max(1);
        self
    }

    pub(super) fn chosen_topics(&self, offered: Vec<String>) -> Topics {
        Topics::new(self.topics.clone().unwrap_or(offered))
    }

    pub(super) fn settings(&self, transport: &dyn Transport) -> Settings {
        const MEBIBYTE: usize = 1024 * 1024;
        Settings {
            name: self.name.clone(),
            ack_timeout_ms: millis(self.ack_timeout).max(1),
            retry: self.retry.clone(),
            batch: self.batch,
            batch_bytes: MEBIBYTE,
            window: self.window,
            window_bytes: 8 * MEBIBYTE,
            capacity: transport.capacity().max(1),
            max_exceptions: self.max_exceptions,
            remembers: transport.remembers(),
        }
    }
}
