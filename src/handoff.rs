//! What a relay and a consumer say to each other.
//!
//! A relay opens with a [`Hello`], which the consumer answers with a [`Welcome`]. Then it sends
//! [`Request`]s, each with a statement of what is settled; every message of a request is answered
//! with an [`Outcome`], in any order, at any time. `docs/protocol.md` has the rules.

use crate::failure::Failure;
use crate::id::{Incarnation, MessageId, Seq, StoreId, SubscriptionId};
use crate::message::Envelope;
use crate::watermark::Ranges;
use std::collections::HashMap;

/// A relay has opened a subscription and asks to be the one that is listened to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Hello {
    /// Whose messages.
    pub store: StoreId,
    /// Over which subscription.
    pub subscription: SubscriptionId,
    /// Which opening of it.
    pub incarnation: Incarnation,
}

/// The answer to a [`Hello`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub enum Welcome {
    /// The incarnation is registered; nobody else is listened to.
    Registered {
        /// The largest place the consumer has applied, or was told to be settled.
        high: Seq,
        /// Everything up to here the consumer was told to be settled. Whatever it may have lost
        /// lies after it; nothing at or before it has to be delivered again.
        settled_to: Seq,
    },
    /// Another incarnation is registered: a later one, or a copy's.
    Refused {
        /// The registered one.
        registered: Incarnation,
    },
    /// There is no inbox at the other end that could compare: a function, a broker.
    Stranger,
}

/// Messages to deliver, and what is settled.
#[derive(Debug)]
pub struct Request {
    /// Whose messages.
    pub store: StoreId,
    /// Over which subscription.
    pub subscription: SubscriptionId,
    /// Which opening of it; one that is not registered is not listened to.
    pub incarnation: Incarnation,
    /// Settled places the consumer may not know of yet. Merged before the messages are looked at.
    pub settled: Ranges,
    /// The messages, in order of their places. May be empty: then only the statement counts.
    pub envelopes: Vec<Envelope>,
}

impl Hello {
    /// A request of this opening.
    pub(crate) fn request(self, settled: Ranges, envelopes: Vec<Envelope>) -> Request {
        let Self { store, subscription, incarnation } = self;
        Request { store, subscription, incarnation, settled, envelopes }
    }
}

/// Messages by key, each with those that have to come after it; one without a key stands alone.
pub(crate) fn lines(envelopes: Vec<Envelope>) -> Vec<Vec<Envelope>> {
    let mut keyed: HashMap<String, Vec<Envelope>> = HashMap::new();
    let mut lines = Vec::new();
    for envelope in envelopes {
        match envelope.key() {
            Some(key) => keyed.entry(key.to_string()).or_default().push(envelope),
            None => lines.push(vec![envelope]),
        }
    }
    lines.extend(keyed.into_values());
    lines
}

/// Which attempt at which message an answer is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Ticket {
    /// The message's place.
    pub seq: Seq,
    /// The message.
    pub id: MessageId,
    /// The attempt, as the envelope said it.
    pub attempt: u32,
}

impl Envelope {
    /// What an answer to this envelope must name.
    #[must_use]
    pub fn ticket(&self) -> Ticket {
        Ticket { seq: self.seq, id: self.id, attempt: self.attempt }
    }
}

/// What became of one attempt.
#[derive(Debug)]
#[non_exhaustive]
#[must_use = "without an outcome the message is delivered again"]
pub enum Outcome {
    /// The effect is durable, from this attempt or an earlier one.
    Applied(Applied),
    /// The handler refused it.
    Failed(Failure),
    /// It must not be tried again as it is; a person has to look at it.
    Refused {
        /// Why, in a word or two: `conflict`, `stale`, `unhandled`.
        reason: &'static str,
        /// Why, in a sentence.
        detail: String,
    },
    /// An earlier message of its key has to come first.
    Blocked,
    /// Nobody knows, and nobody will: the same as no answer within the timeout.
    Unknown,
}

/// A durable effect.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Applied {
    /// Which revision of the message took effect; none when only its being settled is known.
    pub revision: Option<i64>,
    /// The effect is from an earlier attempt.
    pub duplicate: bool,
    /// What the handler answered, as JSON.
    pub reply: Option<Vec<u8>>,
}

impl Outcome {
    /// The effect is durable, and nothing more is to be said: what a transport answers that ends
    /// elsewhere than in an inbox of ours.
    pub fn delivered() -> Self {
        Self::Applied(Applied::default())
    }
}
