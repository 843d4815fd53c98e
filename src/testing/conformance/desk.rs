//! The relay's end: it hands messages to the transport, and keeps what comes back.

use super::board::{Answered, Board, Handed, Said, What};
use super::witness::Witness;
use crate::clock::{Clock, Entropy, System};
use crate::failure;
use crate::handoff::{Hello, Outcome, Request, Ticket};
use crate::id::{Fingerprint, Incarnation, MessageId, StoreId, SubscriptionId};
use crate::message::{Envelope, Message, Parts, fingerprint};
use crate::transport::{Event, Greeter, Settler, Sink, Transport};
use crate::watermark::Ranges;
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicI64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError, mpsc};
use std::thread;

/// A relay of which everything is known.
pub(super) struct Desk {
    transport: Mutex<Option<Arc<dyn Transport>>>,
    board: Arc<Board>,
    witness: Arc<Witness>,
    hello: Hello,
    next: AtomicI64,
    handed: AtomicUsize,
}

impl Desk {
    pub(super) fn new(
        transport: Arc<dyn Transport>,
        board: Arc<Board>,
        witness: Arc<Witness>,
    ) -> Self {
        let hello = Hello {
            store: StoreId::from_bytes(random()),
            subscription: SubscriptionId::from_bytes(random()),
            incarnation: Incarnation { epoch: 5, nonce: i64::from_le_bytes(random()) },
        };
        Self {
            transport: Mutex::new(Some(transport)),
            board,
            witness,
            hello,
            next: AtomicI64::new(1),
            handed: AtomicUsize::new(0),
        }
    }

    /// How this relay greets.
    pub(super) fn greeting(&self) -> Hello {
        self.hello
    }

    /// What travels of a message, at the next place.
    pub(super) fn envelope(&self, message: Message) -> Envelope {
        let seq = self.next.fetch_add(1, Ordering::Relaxed);
        let created_at_ms = System.now().wall_ms;
        let headers = message.headers_json();
        let Message { topic, key, content_type, payload, .. } = message;
        let parts = Parts { topic: topic.into(), key, headers, content_type, payload };
        let envelope = Envelope {
            seq,
            id: MessageId::at(created_at_ms, random()),
            revision: 0,
            fingerprint: Fingerprint(0),
            attempt: 1,
            after: 0,
            created_at_ms,
            parts,
        };
        Envelope { fingerprint: fingerprint(envelope.id, &envelope.parts), ..envelope }
    }

    /// Hands messages over, with nothing stated.
    pub(super) fn deliver(&self, envelopes: Vec<Envelope>) -> Result<Handed, String> {
        self.deliver_stating(Ranges::new(), envelopes)
    }

    /// Hands messages over, and says which places are settled.
    pub(super) fn deliver_stating(
        &self,
        settled: Ranges,
        envelopes: Vec<Envelope>,
    ) -> Result<Handed, String> {
        self.deliver_as(self.hello.incarnation, settled, envelopes)
    }

    /// The same, as another incarnation.
    pub(super) fn deliver_as(
        &self,
        incarnation: Incarnation,
        settled: Ranges,
        envelopes: Vec<Envelope>,
    ) -> Result<Handed, String> {
        let handed = self.handed.fetch_add(1, Ordering::Relaxed);
        let Hello { store, subscription, .. } = self.hello;
        let number = u64::try_from(handed).unwrap_or(u64::MAX);
        let tickets = envelopes.iter().map(Envelope::ticket).collect();
        self.board.note(|seen| seen.sent.insert(handed, tickets));
        let (messages, states) = (envelopes.len(), !settled.is_empty());
        let settler = Settler::new(incarnation, number, messages, states, self.sink(handed));
        let request = Request { store, subscription, incarnation, settled, envelopes };
        self.call("deliver", move |transport| transport.deliver(request, settler))?;
        Ok(handed)
    }

    /// Greets.
    pub(super) fn greet(&self, hello: Hello) -> Result<Handed, String> {
        let handed = self.handed.fetch_add(1, Ordering::Relaxed);
        let number = u64::try_from(handed).unwrap_or(u64::MAX);
        let greeter = Greeter::new(hello.incarnation, number, self.sink(handed));
        self.call("hello", move |transport| transport.hello(hello, greeter))?;
        Ok(handed)
    }

    /// Drops the transport, on a thread; what is returned waits until that is over.
    pub(super) fn let_go(&self) -> impl FnOnce() -> Result<(), String> + use<> {
        let transport = self.transport.lock().unwrap_or_else(PoisonError::into_inner).take();
        let patience = self.board.patience();
        let dropping = apart(move || drop(transport));
        move || dropping.recv_timeout(patience).unwrap_or(Err(None)).map_err(ended("dropping it"))
    }

    /// Calls the transport on a thread of its own, so that it may be waited for in vain.
    pub(super) fn call<T: Send + 'static>(
        &self,
        what: &str,
        call: impl FnOnce(&dyn Transport) -> T + Send + 'static,
    ) -> Result<T, String> {
        let transport = self.transport.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let transport = transport.ok_or("the transport is dropped already")?;
        let calling = apart(move || call(&*transport));
        let patience = self.board.patience();
        calling.recv_timeout(patience).unwrap_or(Err(None)).map_err(ended(what))
    }

    /// Hears what is said to one settler or greeter, and when that is let go of.
    fn sink(&self, about: Handed) -> Sink {
        let board = Arc::clone(&self.board);
        let ear = Ear { board, about, witness: Arc::clone(&self.witness) };
        Arc::new(move |event| ear.hear(event))
    }
}

type Ended<T> = Result<T, Option<String>>;

/// Runs something on a thread of its own. What it held is dropped before it is said to have ended.
fn apart<T: Send + 'static>(run: impl FnOnce() -> T + Send + 'static) -> mpsc::Receiver<Ended<T>> {
    let (done, ended) = mpsc::channel();
    thread::spawn(move || {
        let result = catch_unwind(AssertUnwindSafe(run));
        // Whoever waited in vain does not look any more.
        let _ = done.send(result.map_err(|panic| Some(failure::panic_text(&*panic))));
    });
    ended
}

fn ended(what: &str) -> impl FnOnce(Option<String>) -> String {
    move |panic| match panic {
        Some(text) => format!("{what} panicked: {text}"),
        None => format!("{what} does not return"),
    }
}

fn random<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    System.fill(&mut bytes);
    bytes
}

struct Ear {
    board: Arc<Board>,
    about: Handed,
    witness: Arc<Witness>,
}

impl Ear {
    fn hear(&self, event: Event) {
        match event {
            Event::Answers(answers) => {
                let is_applied = |outcome: &Outcome| matches!(outcome, Outcome::Applied(_));
                let applied = answers.iter().filter(|answer| is_applied(&answer.outcome));
                let seen = self.witness.sees(applied.map(|answer| answer.ticket.id).collect());
                for answer in answers {
                    let rests = !is_applied(&answer.outcome) || seen.contains(&answer.ticket.id);
                    let outcome = Arc::new(answer.outcome);
                    let ticket = answer.ticket;
                    self.note(What::Answer(Answered { ticket, outcome, rests }));
                }
            }
            Event::Welcome { welcome, .. } => self.note(What::Welcome(welcome)),
            Event::Confirmed(..) => self.note(What::Confirmed),
            Event::Closed { .. } | Event::Gone(..) => self.note(What::Closed),
            Event::Fenced(_) => self.note(What::Fenced),
            Event::Rewound(..) => self.note(What::Rewound),
        }
    }

    fn note(&self, what: What) {
        self.board.note(|seen| seen.said.push(Said { about: self.about, what }));
    }
}

impl Drop for Ear {
    fn drop(&mut self) {
        self.note(What::Gone);
    }
}

/// A message, for people.
pub(super) fn named(envelope: &Envelope) -> String {
    titled(envelope.ticket())
}

/// The same, by its ticket.
pub(super) fn titled(ticket: Ticket) -> String {
    let Ticket { seq, attempt, .. } = ticket;
    format!("message {seq} (attempt {attempt})")
}

impl fmt::Debug for Desk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Desk").field("hello", &self.hello).finish_non_exhaustive()
    }
}
