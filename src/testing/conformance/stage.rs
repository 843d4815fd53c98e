//! One transport between its two ends, made anew for each check.

use super::background::Background;
pub(super) use super::board::word;
use super::board::{Answered, Board, Handed, Seen, What};
use super::consumer::{Consumer, Plan};
use super::desk::Desk;
pub(super) use super::desk::{named, titled};
use super::home::Home;
use super::witness::Witness;
use super::{End, Ends};
use crate::failure::Failure;
use crate::handoff::{Hello, Outcome, Welcome};
use crate::id::{MessageId, Seq};
use crate::inbox::{Effect, Inbox};
use crate::limits;
use crate::message::{Envelope, Message};
use crate::outbox::Outbox;
use crate::watermark::Ranges;
use std::sync::Arc;
use std::time::Duration;

/// What most messages are about.
pub(super) const TOPIC: &str = "conformance";
/// What is wrong with an answer that nobody asked for.
pub(super) const STRANGE: &str = "no such attempt is in its request";
/// What no consumer takes that names its topics.
pub(super) const NOBODYS: &str = "conformance.nobody";

/// Everything the consumer takes.
pub(super) fn topics() -> [String; 4] {
    let odd = ["conformance.gr\u{fc}n.\u{1f980}", "Conformance/a b?c=d&e#f%20+"].map(String::from);
    let [unicode, capital] = odd;
    [TOPIC.into(), unicode, capital, "t".repeat(limits::TOPIC_BYTES)]
}

/// Why a promise was not seen to be kept.
#[derive(Debug)]
pub(super) enum Not {
    Broken(String),
    Skipped(String),
}

pub(super) type Checked = Result<(), Not>;

impl From<String> for Not {
    fn from(why: String) -> Self {
        Self::Broken(why)
    }
}

pub(super) fn broken<T>(why: impl Into<String>) -> Result<T, Not> {
    Err(Not::Broken(why.into()))
}

pub(super) fn skipped<T>(why: impl Into<String>) -> Result<T, Not> {
    Err(Not::Skipped(why.into()))
}

/// Breaks the promise, unless this is so.
pub(super) fn held(is_so: bool, why: impl FnOnce() -> String) -> Checked {
    if is_so { Ok(()) } else { broken(why()) }
}

/// A transport, a relay's end of it, and a consumer's.
pub(super) struct Stage {
    pub(super) desk: Desk,
    pub(super) board: Arc<Board>,
    pub(super) consumer: Consumer,
    /// Whether what the consumer gets was prepared for it.
    pub(super) prepares: bool,
    pub(super) background: Background,
    witness: Arc<Witness>,
    home: Option<Home>,
}

impl Stage {
    /// Makes all of it. What fails here is the ground's, not the transport's.
    pub(super) fn set(end: &End, beginning: &[u8], patience: Duration) -> Result<Self, String> {
        let board = Arc::new(Board::new(patience));
        let consumer = Consumer::new(Arc::clone(&board));
        let background = Background::start().map_err(|error| error.to_string())?;
        let entered = background.handle().enter();
        let (transport, witness, home) = match &end.ends {
            Ends::Function(make) => {
                let witness = Witness::Calls(Arc::clone(&board));
                (make(consumer.clone()), witness, None)
            }
            Ends::Inbox(make) => {
                let home = Home::beginning_with(beginning).map_err(|error| error.to_string())?;
                let (witness, inbox) = store(&home, &consumer, end.prepares)
                    .map_err(|error| format!("the consumer's store fails: {error}"))?;
                (make(inbox), witness, Some(home))
            }
        };
        drop(entered);
        let witness = Arc::new(witness);
        let desk = Desk::new(transport, Arc::clone(&board), Arc::clone(&witness));
        let prepares = end.prepares;
        Ok(Self { desk, board, consumer, prepares, background, witness, home })
    }

    /// Greets, as every relay does before it delivers.
    pub(super) fn greet(&self) -> Checked {
        self.welcome(self.desk.greeting()).map(drop)
    }

    /// Greets as somebody, and gives back what that was answered with.
    pub(super) fn welcome(&self, hello: Hello) -> Result<Welcome, Not> {
        let handed = self.desk.greet(hello)?;
        let welcome = |seen: &Seen| {
            let welcome = seen.about(handed).find_map(|what| match what {
                What::Welcome(welcome) => Some(Ok(*welcome)),
                _ => None,
            });
            welcome.or_else(|| seen.is_gone(handed).then_some(Err("is let go of")))
        };
        let why = match self.board.wait(welcome) {
            Some(Ok(welcome)) => return Ok(welcome),
            Some(Err(why)) => why,
            None => "is kept",
        };
        broken(format!("a hello is not answered: the greeter {why}"))
    }

    /// An inbox at the other end; without one, the check has nothing to look at.
    pub(super) fn home(&self) -> Result<&Home, Not> {
        self.home.as_ref().map_or_else(|| skipped("no inbox at its end"), Ok)
    }

    pub(super) fn ends_in_inbox(&self) -> bool {
        self.home.is_some()
    }

    /// Whether the transport says that its other end remembers.
    pub(super) fn remembers(&self) -> Result<bool, Not> {
        Ok(self.desk.call("remembers", |transport| transport.remembers())?)
    }

    /// What travels of a message about nothing in particular.
    pub(super) fn plain(&self) -> Envelope {
        self.desk.envelope(Message::new(TOPIC))
    }

    /// The same, with a key, after another one of it or after none.
    pub(super) fn keyed(&self, key: &str, after: Seq) -> Envelope {
        Envelope { after, ..self.desk.envelope(Message::new(TOPIC).key(key)) }
    }

    pub(super) fn deliver(&self, envelopes: &[Envelope]) -> Result<Handed, Not> {
        Ok(self.desk.deliver(envelopes.to_vec())?)
    }

    /// Delivers a statement alone, and waits until it is confirmed.
    pub(super) fn state(&self, settled: Ranges) -> Checked {
        let handed = self.desk.deliver_stating(settled, Vec::new())?;
        self.confirmed(handed)
    }

    pub(super) fn confirmed(&self, handed: Handed) -> Checked {
        let confirmed = |what: &What| matches!(what, What::Confirmed);
        match self.board.wait(|seen| seen.about(handed).find(|what| confirmed(what)).cloned()) {
            Some(_) => Ok(()),
            None => broken("a statement was not confirmed"),
        }
    }

    /// The answer to one message. A wrong one, or none, breaks the promise.
    pub(super) fn answer(&self, handed: Handed, envelope: &Envelope) -> Result<Answered, Not> {
        let name = named(envelope);
        let answer = self.board.wait(|seen| {
            if let Some(ticket) = seen.foreign(handed) {
                return Some(Err(format!("an answer came for {}: {STRANGE}", titled(ticket))));
            }
            let ticket = envelope.ticket();
            let answer = seen.answers(handed).find(|answer| answer.ticket == ticket);
            let ended = |what: &&What| !matches!(what, What::Answer(_) | What::Confirmed);
            match (answer, seen.about(handed).find(ended)) {
                (Some(answer), _) => Some(Ok(answer.clone())),
                (None, Some(what)) => Some(Err(format!("{name} is not answered, but {what}"))),
                (None, None) => None,
            }
        });
        match answer {
            Some(answer) => Ok(answer?),
            None => broken(format!("{name} is not answered")),
        }
    }

    /// Waits until these messages took effect, as their answers say.
    pub(super) fn applied(&self, handed: Handed, envelopes: &[Envelope]) -> Checked {
        envelopes.iter().try_for_each(|envelope| {
            let answer = self.answer(handed, envelope)?;
            let applied = matches!(&*answer.outcome, Outcome::Applied(_));
            held(applied, || format!("{} came back as {}", named(envelope), word(&answer.outcome)))
        })
    }

    /// The failure that a message came back with.
    pub(super) fn failed(&self, handed: Handed, envelope: &Envelope) -> Result<Failure, Not> {
        let answer = self.answer(handed, envelope)?;
        match &*answer.outcome {
            Outcome::Failed(failure) => Ok(failure.again()),
            other => broken(format!("{} came back as {}", named(envelope), word(other))),
        }
    }

    /// Waits until the consumer has been given one of these messages.
    pub(super) fn begun(&self, envelopes: &[Envelope]) -> Checked {
        let is_one = |id| envelopes.iter().any(|envelope| envelope.id == id);
        let begun =
            |seen: &Seen| seen.calls.iter().any(|call| is_one(call.arrived.id)).then_some(());
        match self.board.wait(begun) {
            Some(()) => Ok(()),
            None => broken("nothing arrives"),
        }
    }

    /// Waits until nobody holds this settler or greeter any more.
    pub(super) fn gone(&self, handed: Handed, what: &str) -> Checked {
        match self.board.wait(|seen| seen.is_gone(handed).then_some(())) {
            Some(()) => Ok(()),
            None => broken(format!("{what} is kept for ever")),
        }
    }

    /// The messages whose effects are there for everybody to see, in order.
    pub(super) fn effects(&self) -> Vec<MessageId> {
        self.witness.effects()
    }

    /// Messages that fail in this way when they come.
    pub(super) fn fails(&self, envelope: &Envelope, failure: fn() -> Failure) {
        self.consumer.plan(envelope.id, Plan::Fails(failure));
    }
}

impl Drop for Stage {
    /// Nobody is held any more, so that whoever waits for a handler goes on.
    fn drop(&mut self) {
        self.consumer.gate().open();
        let _ = self.desk.let_go()();
    }
}

/// A consumer whose effects are messages of its own, and somebody who looks at them.
fn store(home: &Home, consumer: &Consumer, prepares: bool) -> crate::Result<(Witness, Inbox)> {
    let outbox = Outbox::open(home.database())?;
    let witness = Witness::of_store(home.database(), outbox.clone())?;
    let mut inbox = Inbox::open(home.database())?;
    for topic in topics() {
        let (outbox, prepared, consumer) = (outbox.clone(), consumer.clone(), consumer.clone());
        let apply = move |effect: &Effect<'_>| {
            let id = effect.envelope().id();
            outbox.enqueue(effect, Message::new("effect").id(id))?;
            consumer.take_blocking(effect.envelope())?;
            Ok(format!("{id} took effect"))
        };
        inbox = if prepares {
            let prepare = move |envelope: Envelope| {
                let plan = prepared.planned(envelope.id);
                async move {
                    match plan {
                        Some(Plan::IsNotPrepared(failure)) => Err(failure()),
                        _ => Ok(envelope.id),
                    }
                }
            };
            inbox.on_prepared(topic, prepare, move |effect, _: Vec<u8>, found: &MessageId| {
                if effect.envelope().id() != *found {
                    return Err(Failure::permanent("prepared for another message"));
                }
                apply(effect)
            })
        } else {
            inbox.on(topic, move |effect, _: Vec<u8>| apply(effect))
        };
    }
    Ok((witness, inbox))
}
