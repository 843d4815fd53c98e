//! How answers come back: tagged with their attempt, from any thread, at any time.

use super::{Outcome, Ticket, Welcome};
use crate::id::Incarnation;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::time::Duration;

/// Where answers go: the relay's queue.
pub(crate) type Sink = Arc<dyn Fn(Event) + Send + Sync>;

/// Something a transport has to say.
#[derive(Debug)]
pub(crate) enum Event {
    /// The number tells an old answer from one to what was asked last.
    Welcome {
        incarnation: Incarnation,
        greeting: u64,
        welcome: Welcome,
    },
    Answers(Vec<Answer>),
    Confirmed(Incarnation, u64),
    Closed {
        incarnation: Incarnation,
        request: u64,
        unreachable: Option<Unreachable>,
    },
    /// The destination is gone for good, and why that is believed.
    Gone(Incarnation, String),
    Fenced(Incarnation),
    Rewound(Incarnation, String),
}

/// Nobody is there.
#[derive(Debug)]
pub(crate) struct Unreachable {
    pub(crate) why: String,
    /// How long the destination asked to be left alone.
    pub(crate) rest: Option<Duration>,
}

/// What became of one attempt.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) incarnation: Incarnation,
    pub(crate) ticket: Ticket,
    pub(crate) outcome: Outcome,
}

/// Answers a [`Hello`](super::Hello). Dropped without an answer, the relay asks again.
#[must_use = "without an answer nothing is delivered"]
pub struct Greeter {
    incarnation: Incarnation,
    greeting: u64,
    sink: Sink,
}

impl Greeter {
    pub(crate) fn new(incarnation: Incarnation, greeting: u64, sink: Sink) -> Self {
        Self { incarnation, greeting, sink }
    }

    /// Passes the other side's answer on.
    pub fn welcome(self, welcome: Welcome) {
        let Self { incarnation, greeting, sink } = self;
        sink(Event::Welcome { incarnation, greeting, welcome });
    }
}

impl fmt::Debug for Greeter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Greeter").field("incarnation", &self.incarnation).finish_non_exhaustive()
    }
}

/// Answers the messages of one request. Clones share the request; when the last is dropped, what
/// has no answer yet is unknown and is delivered again.
#[derive(Clone)]
#[must_use = "dropped, it says that nobody knows what became of the messages"]
pub struct Settler(Arc<Open>);

struct Open {
    incarnation: Incarnation,
    request: u64,
    unanswered: AtomicI64,
    unconfirmed: AtomicBool,
    sink: Sink,
}

impl Settler {
    pub(crate) fn new(
        incarnation: Incarnation,
        request: u64,
        messages: usize,
        states_something: bool,
        sink: Sink,
    ) -> Self {
        let unanswered = AtomicI64::new(i64::try_from(messages).unwrap_or(i64::MAX));
        let unconfirmed = AtomicBool::new(states_something);
        Self(Arc::new(Open { incarnation, request, unanswered, unconfirmed, sink }))
    }

    /// Answers one message.
    pub fn settle(&self, ticket: Ticket, outcome: Outcome) {
        self.settle_all([(ticket, outcome)]);
    }

    /// Answers several messages at once.
    pub fn settle_all(&self, outcomes: impl IntoIterator<Item = (Ticket, Outcome)>) {
        let incarnation = self.0.incarnation;
        let answers: Vec<Answer> = outcomes
            .into_iter()
            .map(|(ticket, outcome)| Answer { incarnation, ticket, outcome })
            .collect();
        let count = i64::try_from(answers.len()).unwrap_or(i64::MAX);
        self.0.unanswered.fetch_sub(count, Ordering::Relaxed);
        if count > 0 {
            (self.0.sink)(Event::Answers(answers));
        }
    }

    /// The statement of the request was merged, durably.
    pub fn confirm(&self) {
        self.0.unconfirmed.store(false, Ordering::Relaxed);
        (self.0.sink)(Event::Confirmed(self.0.incarnation, self.0.request));
    }

    /// Nobody is there: the subscription backs off, and no message is blamed.
    pub fn unreachable(&self, why: impl Into<String>) {
        self.close(Some(Unreachable { why: why.into(), rest: None }));
    }

    /// The same, and the destination asked to be left alone for so long: an hour at the most, after
    /// which it is tried with one message.
    pub fn unreachable_for(&self, why: impl Into<String>, rest: Duration) {
        self.close(Some(Unreachable { why: why.into(), rest: Some(rest) }));
    }

    /// The destination is gone, and says that it will not come back. The subscription is paused
    /// until a person [resumes](crate::Operator::resume) it; no message is blamed, and none lost.
    pub fn gone(&self, why: impl Into<String>) {
        self.0.answered();
        (self.0.sink)(Event::Gone(self.0.incarnation, why.into()));
    }

    /// The other side listens to another incarnation.
    pub fn fenced(&self) {
        self.0.answered();
        (self.0.sink)(Event::Fenced(self.0.incarnation));
    }

    /// The other side knows another message at a place of this request: the producer's store went
    /// back in time.
    pub fn rewound(&self, detail: impl Into<String>) {
        self.0.answered();
        (self.0.sink)(Event::Rewound(self.0.incarnation, detail.into()));
    }

    fn close(&self, unreachable: Option<Unreachable>) {
        self.0.answered();
        let Open { incarnation, request, .. } = *self.0;
        (self.0.sink)(Event::Closed { incarnation, request, unreachable });
    }
}

impl Open {
    fn answered(&self) {
        self.unanswered.store(0, Ordering::Relaxed);
        self.unconfirmed.store(false, Ordering::Relaxed);
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        if *self.unanswered.get_mut() > 0 || *self.unconfirmed.get_mut() {
            let Self { incarnation, request, .. } = *self;
            (self.sink)(Event::Closed { incarnation, request, unreachable: None });
        }
    }
}

impl fmt::Debug for Settler {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Settler").field("request", &self.0.request).finish_non_exhaustive()
    }
}
