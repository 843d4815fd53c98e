//! A transport that delivers nothing: it hands every request to the test, which answers as it
//! likes.

use super::{PATIENCE, millis};
use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::Duration;
use surehand::transport::{Applied, Greeter, Hello, Outcome, Request, Settler, Ticket, Welcome};
use surehand::{Envelope, Failure, MessageId, Ranges, Transport};

/// The relay's end.
#[derive(Clone)]
pub(crate) struct Script {
    requests: Sender<(Request, Settler)>,
    remembers: bool,
    /// What a hello is answered with: the largest place this consumer has seen.
    high: Arc<AtomicI64>,
}

/// The test's end.
pub(crate) struct Mail {
    requests: Receiver<(Request, Settler)>,
    waiting: VecDeque<Letter>,
    pub(crate) high: Arc<AtomicI64>,
    /// What was stated to be settled, in all requests so far.
    pub(crate) stated: Ranges,
    /// Whether statements are confirmed when they come.
    pub(crate) confirms: bool,
}

/// One message of a request, to be answered.
pub(crate) struct Letter {
    pub(crate) envelope: Envelope,
    pub(crate) settler: Settler,
}

/// A transport that ends nowhere, without a memory.
pub(crate) fn scripted() -> (Script, Mail) {
    ends(false)
}

/// One that says that it ends in an inbox.
pub(crate) fn scripted_inbox() -> (Script, Mail) {
    ends(true)
}

fn ends(remembers: bool) -> (Script, Mail) {
    let (sender, requests) = channel();
    let high = Arc::new(AtomicI64::new(0));
    let script = Script { requests: sender, remembers, high: Arc::clone(&high) };
    let stated = Ranges::default();
    (script, Mail { requests, waiting: VecDeque::new(), high, stated, confirms: true })
}

impl Transport for Script {
    fn deliver(&self, request: Request, settler: Settler) {
        // A test that is over does not look any more.
        let _ = self.requests.send((request, settler));
    }

    fn hello(&self, hello: Hello, greeter: Greeter) {
        let high = self.high.load(Ordering::SeqCst);
        let registered = Welcome::Registered { high, settled_to: 0 };
        let _ = hello;
        greeter.welcome(if self.remembers { registered } else { Welcome::Stranger });
    }

    fn remembers(&self) -> bool {
        self.remembers
    }
}

impl Mail {
    fn take(&mut self, patience: Duration) -> bool {
        let Ok((request, settler)) = self.requests.recv_timeout(patience) else {
            return false;
        };
        for (first, last) in request.settled.iter() {
            self.stated.insert(first, last);
        }
        if !request.settled.is_empty() && self.confirms {
            settler.confirm();
        }
        for envelope in request.envelopes {
            self.waiting.push_back(Letter { envelope, settler: settler.clone() });
        }
        true
    }

    /// The next message, or nothing within that time.
    pub(crate) fn next_within(&mut self, time: Duration) -> Option<Letter> {
        while self.waiting.is_empty() && self.take(time) {}
        self.waiting.pop_front()
    }

    /// The next message.
    #[track_caller]
    pub(crate) fn next(&mut self) -> Letter {
        self.next_within(PATIENCE).expect("a message is delivered")
    }

    /// The next so many messages.
    #[track_caller]
    pub(crate) fn take_next(&mut self, letters: usize) -> Vec<Letter> {
        (0..letters).map(|_| self.next()).collect()
    }

    /// Nothing comes for a while.
    #[track_caller]
    pub(crate) fn stays_empty(&mut self) {
        if let Some(letter) = self.next_within(super::A_WHILE) {
            panic!("nothing was expected, and {letter:?} came");
        }
    }

    /// Acknowledges so many messages, and returns their numbers as they came.
    #[track_caller]
    pub(crate) fn acknowledge(&mut self, letters: usize) -> Vec<i64> {
        let mut numbers = Vec::new();
        for _ in 0..letters {
            // Without an inbox the next of a key comes after the answer.
            let letter = self.next();
            letter.ack();
            numbers.push(letter.number());
        }
        numbers
    }

    /// Takes statements until this place was stated.
    #[track_caller]
    pub(crate) fn is_told(&mut self, seq: i64) {
        while !self.stated.contains(seq) {
            assert!(self.take(PATIENCE), "nobody says that {seq} is settled");
        }
    }

    /// Whatever has come, or comes within a moment, is thrown away unanswered.
    pub(crate) fn throw_away(&mut self) {
        while self.take(millis(50)) {}
        self.waiting.clear();
    }
}

impl Letter {
    pub(crate) fn seq(&self) -> i64 {
        self.envelope.seq()
    }

    pub(crate) fn attempt(&self) -> u32 {
        self.envelope.attempt()
    }

    /// The number it was made with.
    pub(crate) fn number(&self) -> i64 {
        serde_json::from_slice(self.envelope.payload()).unwrap()
    }

    pub(crate) fn settle(&self, outcome: Outcome) {
        self.settler.settle(self.envelope.ticket(), outcome);
    }

    pub(crate) fn ack(&self) {
        let revision = Some(self.envelope.revision());
        self.settle(Outcome::Applied(Applied { revision, ..Applied::default() }));
    }

    pub(crate) fn nack(&self) {
        self.settle(Outcome::Failed(Failure::retry("no stock")));
    }

    pub(crate) fn refuse(&self) {
        self.settle(Outcome::Failed(Failure::permanent("no such customer")));
    }

    /// An acknowledgement of something nobody sent.
    pub(crate) fn ack_another(&self, seq: i64, id: MessageId) {
        let ticket = Ticket { seq, id, attempt: 1 };
        self.settler.settle(ticket, Outcome::delivered());
    }
}

impl std::fmt::Debug for Letter {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "message {} at attempt {}", self.number(), self.attempt())
    }
}
