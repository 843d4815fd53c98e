//! What was seen at both ends of a transport, and waiting for it.

use super::arrived::Arrived;
use crate::clock::{Clock, System};
use crate::handoff::{Outcome, Ticket, Welcome};
use crate::id::MessageId;
use std::collections::{HashMap, HashSet};
use std::fmt;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// Everything that was seen, and a bell for whoever waits for more.
#[derive(Debug)]
pub(super) struct Board {
    seen: Mutex<Seen>,
    changed: Condvar,
    patience: Duration,
}

/// What was seen, in order.
#[derive(Debug, Default)]
pub(super) struct Seen {
    pub(super) said: Vec<Said>,
    pub(super) calls: Vec<Call>,
    /// The messages whose call ended well, in order.
    pub(super) done: Vec<MessageId>,
    /// What may be answered.
    pub(super) sent: HashMap<Handed, HashSet<Ticket>>,
}

/// Which of the things that were handed to the transport.
pub(super) type Handed = usize;

/// Something that came back.
#[derive(Clone, Debug)]
pub(super) struct Said {
    pub(super) about: Handed,
    pub(super) what: What,
}

#[derive(Clone, Debug)]
pub(super) enum What {
    Answer(Answered),
    Confirmed,
    Closed,
    Fenced,
    Rewound,
    Welcome(Welcome),
    /// The settler or the greeter was let go of.
    Gone,
}

/// An answer to one message.
#[derive(Clone, Debug)]
pub(super) struct Answered {
    pub(super) ticket: Ticket,
    pub(super) outcome: Arc<Outcome>,
    /// Whether the effect was there when the answer came, for everybody to see.
    pub(super) rests: bool,
}

/// One call of the consumer.
#[derive(Clone, Debug)]
pub(super) struct Call {
    pub(super) arrived: Arrived,
    /// Whether it ended well; none while it has not ended.
    pub(super) ended: Option<bool>,
    /// How many calls of its key had begun and not ended when it began.
    pub(super) beside: usize,
}

impl Board {
    pub(super) fn new(patience: Duration) -> Self {
        Self { seen: Mutex::default(), changed: Condvar::new(), patience }
    }

    pub(super) fn patience(&self) -> Duration {
        self.patience
    }

    /// Notes something, and wakes whoever waits.
    pub(super) fn note<T>(&self, note: impl FnOnce(&mut Seen) -> T) -> T {
        let noted = note(&mut self.seen());
        self.changed.notify_all();
        noted
    }

    /// Looks until there is something to see, or patience ends.
    pub(super) fn wait<T>(&self, mut look: impl FnMut(&Seen) -> Option<T>) -> Option<T> {
        let deadline = System.now().tick.saturating_add(self.patience);
        let mut seen = self.seen();
        loop {
            if let Some(found) = look(&seen) {
                return Some(found);
            }
            let left = deadline.checked_sub(System.now().tick)?;
            let waited = self.changed.wait_timeout(seen, left);
            seen = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    pub(super) fn look<T>(&self, look: impl FnOnce(&Seen) -> T) -> T {
        look(&self.seen())
    }

    fn seen(&self) -> MutexGuard<'_, Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Seen {
    /// What came back about this.
    pub(super) fn about(&self, handed: Handed) -> impl Iterator<Item = &What> {
        self.said.iter().filter(move |said| said.about == handed).map(|said| &said.what)
    }

    pub(super) fn answers(&self, handed: Handed) -> impl Iterator<Item = &Answered> {
        self.about(handed).filter_map(|what| match what {
            What::Answer(answered) => Some(answered),
            _ => None,
        })
    }

    /// An answer to what was not asked.
    pub(super) fn foreign(&self, handed: Handed) -> Option<Ticket> {
        let sent = self.sent.get(&handed);
        let is_foreign = |ticket: &Ticket| sent.is_none_or(|sent| !sent.contains(ticket));
        self.answers(handed).map(|answer| answer.ticket).find(is_foreign)
    }

    /// Whether nobody holds the settler, or the greeter, any more.
    pub(super) fn is_gone(&self, handed: Handed) -> bool {
        self.about(handed).any(|what| matches!(what, What::Gone))
    }
}

impl fmt::Display for What {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Answer(answered) => f.write_str(&word(&answered.outcome)),
            Self::Confirmed => f.write_str("a statement is confirmed"),
            Self::Closed => f.write_str("the request is closed without an answer"),
            Self::Fenced => f.write_str("it is fenced"),
            Self::Rewound => f.write_str("it is rewound"),
            Self::Welcome(welcome) => write!(f, "a hello is answered with {welcome:?}"),
            Self::Gone => f.write_str("its settler is let go of"),
        }
    }
}

/// An outcome, for people.
pub(super) fn word(outcome: &Outcome) -> String {
    match outcome {
        Outcome::Applied(applied) if applied.duplicate => "a duplicate".into(),
        Outcome::Applied(_) => "applied".into(),
        Outcome::Failed(failure) => format!("failed: {failure}"),
        Outcome::Refused { reason, .. } => format!("refused: {reason}"),
        Outcome::Blocked => "blocked".into(),
        Outcome::Unknown => "unknown".into(),
    }
}
