//! What is on its way between a relay and a consumer.

use crate::handoff::{Hello, Outcome, Request, Ticket, Welcome};
use crate::id::SubscriptionId;
use crate::transport::{Answer, Event, Greeter, Settler, Unreachable};
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// One thing on its way. Clones are copies of it, made by the network.
#[derive(Debug)]
pub(crate) enum Packet {
    Hello(Hello, Asking),
    Request(Arc<Request>, Asked),
    Welcome(Welcome, Asking),
    Outcome(Ticket, Outcome, Asked),
    /// The statement of the request was merged.
    Confirmed(Asked),
    Fenced(Asked),
    Rewound(String, Asked),
    Unreachable(String, Asked),
}

/// Who asked for a welcome; the first one that comes is taken.
#[derive(Clone, Debug)]
pub(crate) struct Asking(Arc<Mutex<Option<Greeter>>>);

/// Who asked for answers, and until when they are waited for. The relay learns that there will be
/// none when the last clone is gone.
#[derive(Clone, Debug)]
pub(crate) struct Asked {
    settler: Settler,
    pub(crate) subscription: SubscriptionId,
    pub(crate) deadline: Duration,
}

impl Asking {
    pub(crate) fn new(greeter: Greeter) -> Self {
        Self(Arc::new(Mutex::new(Some(greeter))))
    }

    fn welcome(&self, welcome: Welcome) {
        let greeter = self.0.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(greeter) = greeter {
            greeter.welcome(welcome);
        }
    }
}

impl Asked {
    pub(crate) fn new(settler: Settler, subscription: SubscriptionId, deadline: Duration) -> Self {
        Self { settler, subscription, deadline }
    }

    /// The one to answer to directly, where nothing goes wrong on the way.
    pub(crate) fn settler(&self) -> &Settler {
        &self.settler
    }
}

impl Packet {
    /// A second one of the same content.
    pub(crate) fn again(&self) -> Self {
        match self {
            Self::Hello(hello, asking) => Self::Hello(*hello, asking.clone()),
            Self::Request(request, asked) => Self::Request(Arc::clone(request), asked.clone()),
            Self::Welcome(welcome, asking) => Self::Welcome(*welcome, asking.clone()),
            Self::Outcome(ticket, outcome, asked) => {
                Self::Outcome(*ticket, outcome_again(outcome), asked.clone())
            }
            Self::Confirmed(asked) => Self::Confirmed(asked.clone()),
            Self::Fenced(asked) => Self::Fenced(asked.clone()),
            Self::Rewound(detail, asked) => Self::Rewound(detail.clone(), asked.clone()),
            Self::Unreachable(why, asked) => Self::Unreachable(why.clone(), asked.clone()),
        }
    }

    /// Who waits for what comes of it, if that is a request or an answer to one.
    pub(crate) fn asked(&self) -> Option<&Asked> {
        match self {
            Self::Hello(..) | Self::Welcome(..) => None,
            Self::Request(_, asked)
            | Self::Outcome(_, _, asked)
            | Self::Confirmed(asked)
            | Self::Fenced(asked)
            | Self::Rewound(_, asked)
            | Self::Unreachable(_, asked) => Some(asked),
        }
    }

    /// An answer reaches the one who asked.
    pub(crate) fn answer(self) {
        match self {
            Self::Welcome(welcome, asking) => asking.welcome(welcome),
            Self::Outcome(ticket, outcome, asked) => asked.settler.settle(ticket, outcome),
            Self::Confirmed(asked) => asked.settler.confirm(),
            Self::Fenced(asked) => asked.settler.fenced(),
            Self::Rewound(detail, asked) => asked.settler.rewound(detail),
            Self::Unreachable(why, asked) => asked.settler.unreachable(why),
            Self::Hello(..) | Self::Request(..) => {}
        }
    }

    /// What a consumer said to a request, as packets of their own.
    pub(crate) fn answers(said: Vec<Event>, asked: &Asked) -> Vec<Self> {
        let mut packets = Vec::new();
        for event in said {
            match event {
                Event::Answers(answers) => {
                    packets.extend(answers.into_iter().map(
                        |Answer { ticket, outcome, .. }| {
                            Self::Outcome(ticket, outcome, asked.clone())
                        },
                    ));
                }
                Event::Confirmed(..) => packets.push(Self::Confirmed(asked.clone())),
                Event::Fenced(_) => packets.push(Self::Fenced(asked.clone())),
                Event::Rewound(_, detail) => packets.push(Self::Rewound(detail, asked.clone())),
                Event::Closed { unreachable: Some(Unreachable { why, .. }), .. } => {
                    packets.push(Self::Unreachable(why, asked.clone()));
                }
                Event::Gone(_, why) => packets.push(Self::Unreachable(why, asked.clone())),
                // It has no more to say.
                Event::Closed { unreachable: None, .. } | Event::Welcome { .. } => {}
            }
        }
        packets
    }
}

fn outcome_again(outcome: &Outcome) -> Outcome {
    match outcome {
        Outcome::Applied(applied) => Outcome::Applied(applied.clone()),
        Outcome::Failed(failure) => Outcome::Failed(failure.again()),
        Outcome::Refused { reason, detail } => Outcome::Refused { reason, detail: detail.clone() },
        Outcome::Blocked => Outcome::Blocked,
        Outcome::Unknown => Outcome::Unknown,
    }
}

impl fmt::Display for Packet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Hello(hello, _) => write!(f, "hello of epoch {}", hello.incarnation.epoch),
            Self::Request(request, _) => {
                let Request { incarnation, envelopes, .. } = &**request;
                write!(f, "request of epoch {} with messages [", incarnation.epoch)?;
                for envelope in envelopes {
                    write!(f, " {}#{}", envelope.seq, envelope.attempt)?;
                }
                write!(f, " ] and {} settled ranges", request.settled.len())
            }
            Self::Welcome(welcome, _) => write!(f, "{welcome:?}"),
            Self::Outcome(Ticket { seq, attempt, .. }, outcome, _) => {
                write!(f, "message {seq}#{attempt}: ")?;
                match outcome {
                    Outcome::Applied(applied) if applied.duplicate => f.write_str("a duplicate"),
                    Outcome::Applied(_) => f.write_str("applied"),
                    Outcome::Failed(failure) => write!(f, "failed: {failure}"),
                    Outcome::Refused { reason, .. } => write!(f, "refused: {reason}"),
                    Outcome::Blocked => f.write_str("blocked"),
                    Outcome::Unknown => f.write_str("unknown"),
                }
            }
            Self::Confirmed(_) => f.write_str("the statement is merged"),
            Self::Fenced(_) => f.write_str("fenced"),
            Self::Rewound(detail, _) => write!(f, "rewound: {detail}"),
            Self::Unreachable(why, _) => write!(f, "unreachable: {why}"),
        }
    }
}
