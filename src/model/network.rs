//! What is on its way, in no order: it may be late, lost or doubled.

use super::scope::{Number, number_of};
use crate::handoff::Welcome;
use crate::id::{Fingerprint, Incarnation, MessageId, Seq};
use crate::message::Envelope;
use crate::watermark::Ranges;
use std::fmt;
use std::hash::{Hash, Hasher};

/// A message as it travels.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Sent {
    pub(super) seq: Seq,
    pub(super) number: Number,
    pub(super) revision: i64,
    pub(super) attempt: u32,
    pub(super) after: Seq,
}

impl Sent {
    pub(super) fn of(envelope: &Envelope) -> Self {
        Self {
            seq: envelope.seq,
            number: number_of(envelope.id),
            revision: envelope.revision,
            attempt: envelope.attempt,
            after: envelope.after,
        }
    }
}

/// What the consumer says to one of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Verdict {
    Applied(Option<i64>),
    Failed,
    Refused,
    Blocked,
}

#[derive(Clone, PartialEq)]
pub(super) enum Packet {
    /// The number tells one greeting of an incarnation from the next; only the relay knows it.
    Hello(Incarnation, u8),
    Welcome(Incarnation, u8, Welcome),
    Request {
        incarnation: Incarnation,
        request: u64,
        statement: Ranges,
        sent: Vec<Sent>,
    },
    Answer {
        incarnation: Incarnation,
        request: u64,
        verdicts: Vec<(Sent, Verdict)>,
        confirmed: bool,
    },
    Fenced(Incarnation),
    Rewound(Incarnation),
}

impl Packet {
    /// Whose it is, and the request it belongs to.
    pub(super) fn request(&self) -> Option<(Incarnation, u64)> {
        match self {
            Self::Request { incarnation, request, .. }
            | Self::Answer { incarnation, request, .. } => Some((*incarnation, *request)),
            _ => None,
        }
    }

    pub(super) fn incarnation(&self) -> Incarnation {
        match self {
            Self::Hello(incarnation, _)
            | Self::Welcome(incarnation, ..)
            | Self::Fenced(incarnation)
            | Self::Rewound(incarnation)
            | Self::Request { incarnation, .. }
            | Self::Answer { incarnation, .. } => *incarnation,
        }
    }
}

impl Hash for Packet {
    fn hash<H: Hasher>(&self, state: &mut H) {
        std::mem::discriminant(self).hash(state);
        self.incarnation().hash(state);
        match self {
            Self::Hello(_, greeting) => greeting.hash(state),
            Self::Fenced(_) | Self::Rewound(_) => {}
            Self::Welcome(_, greeting, Welcome::Registered { high, settled_to }) => {
                (greeting, high, settled_to).hash(state);
            }
            Self::Welcome(_, greeting, Welcome::Refused { registered }) => {
                (greeting, registered).hash(state);
            }
            Self::Welcome(_, _, Welcome::Stranger) => {}
            Self::Request { request, statement, sent, .. } => {
                (request, statement, sent).hash(state)
            }
            Self::Answer { request, verdicts, confirmed, .. } => {
                (request, verdicts, confirmed).hash(state)
            }
        }
    }
}

impl fmt::Debug for Sent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { seq, number, revision, attempt, after } = self;
        write!(f, "message {number} at {seq} (attempt {attempt}")?;
        if *after != 0 {
            write!(f, ", after {after}")?;
        }
        if *revision != 0 {
            write!(f, ", revision {revision}")?;
        }
        write!(f, ")")
    }
}

impl fmt::Debug for Packet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let epoch = self.incarnation().epoch;
        match self {
            Self::Hello(_, greeting) => write!(f, "hello {greeting} of epoch {epoch}"),
            Self::Welcome(_, greeting, welcome) => {
                write!(f, "{welcome:?} to hello {greeting} of epoch {epoch}")
            }
            Self::Fenced(_) => write!(f, "fenced, for epoch {epoch}"),
            Self::Rewound(_) => write!(f, "rewound, for epoch {epoch}"),
            Self::Request { request, statement, sent, .. } => {
                let settled: Vec<_> = statement.iter().collect();
                write!(f, "request {request} of epoch {epoch}, settled {settled:?}, {sent:?}")
            }
            Self::Answer { request, verdicts, confirmed, .. } => {
                let and = if *confirmed { ", confirmed" } else { "" };
                write!(f, "answer to request {request} of epoch {epoch}: {verdicts:?}{and}")
            }
        }
    }
}

/// The checksum of a message's content; each revision has other content.
pub(super) fn content_of(id: MessageId, revision: i64) -> Fingerprint {
    Fingerprint(i64::from(number_of(id)) * 100 + revision)
}
