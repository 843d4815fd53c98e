//! Refusals: problem documents (RFC 9457), and how an [`Outcome`] becomes one and is read from one.

use crate::failure::Failure;
use crate::handoff::Outcome;
use serde::Deserialize;
use std::borrow::Cow;
use std::time::Duration;

/// A `type` is this and a name.
const TYPE: &str = "urn:surehand:problem:";

/// Why a request, or one event of it, was refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Problem {
    pub(crate) kind: Kind,
    pub(crate) detail: String,
    /// When to come again.
    pub(crate) after: Option<Duration>,
}

macro_rules! kinds {
    ($($(#[$doc:meta])* $kind:ident = $name:literal, $status:literal, $title:literal;)*) => {
        /// What kind of refusal it is: its name, its status, and its title.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub(crate) enum Kind {
            $($(#[$doc])* $kind,)*
        }

        impl Kind {
            #[cfg(test)]
            pub(crate) const ALL: &[Self] = &[$(Self::$kind,)*];

            fn parts(self) -> (&'static str, u16, &'static str) {
                match self {
                    $(Self::$kind => ($name, $status, $title),)*
                }
            }

            fn named(name: &str) -> Option<Self> {
                match name {
                    $($name => Some(Self::$kind),)*
                    _ => None,
                }
            }
        }
    };
}

kinds! {
    /// The handler failed: try again.
    Failed = "failed", 500, "The handler failed";
    /// The handler will never take it.
    Rejected = "rejected", 422, "The handler refuses it for good";
    /// Its id was applied with other content.
    Conflict = "conflict", 422, "This id was applied with other content";
    /// Nobody can know whether it was applied.
    Stale = "stale", 422, "It is older than the ids that are kept";
    /// Nothing takes its topic.
    Unhandled = "unhandled", 422, "Nothing takes messages of this type";
    /// An earlier one of its key has to come first.
    Blocked = "blocked", 409, "An earlier message of its key comes first";
    /// Another request with it is being worked on.
    InProgress = "in-progress", 409, "It is being processed";
    /// Another relay is listened to.
    Fenced = "fenced", 409, "Another relay is listened to";
    /// The sender's store went back in time.
    Rewound = "rewound", 409, "The sender's store went back in time";
    /// Not an event, or not one that is understood.
    Unreadable = "unreadable", 400, "The request cannot be understood";
    /// A header that has to be there is not.
    Missing = "missing", 400, "A header is missing";
    /// No signature, or a wrong one.
    Unsigned = "unsigned", 401, "The signature does not hold";
    /// Neither POST nor anything else this place knows.
    Method = "method", 405, "Only POST is understood";
    /// The body did not come in time.
    Slow = "slow", 408, "The body did not come in time";
    /// More than is taken.
    TooLarge = "too-large", 413, "The request is too large";
    /// Not a media type, or a content coding, that is understood.
    MediaType = "media-type", 415, "The content type or coding is not understood";
    /// As much as can be waits already.
    Busy = "busy", 503, "Too much is waiting";
    /// The database failed, or the service is going away: nothing is known.
    Unavailable = "unavailable", 503, "The service cannot take it now";
}

impl Kind {
    pub(crate) fn status(self) -> u16 {
        self.parts().1
    }
}

#[derive(Deserialize)]
struct Wire<'a> {
    #[serde(rename = "type", borrow)]
    kind: Cow<'a, str>,
    #[serde(default, borrow)]
    detail: Cow<'a, str>,
    #[serde(default)]
    after_ms: Option<u64>,
}

impl Problem {
    pub(crate) fn new(kind: Kind, detail: impl Into<String>) -> Self {
        Self { kind, detail: detail.into(), after: None }
    }

    pub(crate) fn after(mut self, after: Duration) -> Self {
        self.after = Some(after);
        self
    }

    /// The document.
    pub(crate) fn write(&self) -> Vec<u8> {
        let (name, status, title) = self.kind.parts();
        let mut document = serde_json::json!({
            "type": format!("{TYPE}{name}"),
            "title": title,
            "status": status,
            "detail": self.detail,
        });
        if let Some(after) = self.after {
            document["after_ms"] = u64::try_from(after.as_millis()).unwrap_or(u64::MAX).into();
        }
        document.to_string().into_bytes()
    }

    /// A document of ours; none for anybody else's.
    pub(crate) fn read(document: &[u8]) -> Option<Self> {
        let wire: Wire<'_> = serde_json::from_slice(document).ok()?;
        let kind = Kind::named(wire.kind.strip_prefix(TYPE)?)?;
        let after = wire.after_ms.map(Duration::from_millis);
        Some(Self { kind, detail: wire.detail.into_owned(), after })
    }

    /// The refusal that an outcome is; none if it is an effect.
    ///
    /// The other way round is [`outcome`](Self::outcome).
    pub(crate) fn of(outcome: &Outcome) -> Option<Self> {
        Some(match outcome {
            Outcome::Applied(_) => return None,
            Outcome::Failed(failure) => {
                let kind = if failure.is_permanent() { Kind::Rejected } else { Kind::Failed };
                Self { kind, detail: failure.text(), after: failure.delay() }
            }
            Outcome::Refused { reason, detail } => {
                Self::new(Kind::named(reason).unwrap_or(Kind::Rejected), detail.as_str())
            }
            Outcome::Blocked => Self::new(Kind::Blocked, "an earlier message was not applied"),
            Outcome::Unknown => Self::new(Kind::Unavailable, "nobody knows what became of it"),
        })
    }

    /// What it says of one message; none if it speaks of the whole request.
    pub(crate) fn outcome(self) -> Option<Outcome> {
        let Self { kind, detail, after } = self;
        let failed = |failure: Failure| {
            Outcome::Failed(match after {
                Some(after) => failure.after(after),
                None => failure,
            })
        };
        let refused = |reason, detail| Outcome::Refused { reason, detail };
        Some(match kind {
            Kind::Failed => failed(Failure::retry(detail)),
            Kind::InProgress => failed(Failure::retry("it is being processed")),
            Kind::Rejected => failed(Failure::permanent(detail)),
            Kind::Unreadable => refused("unreadable", detail),
            Kind::TooLarge => refused("too-large", detail),
            Kind::Conflict => refused("conflict", detail),
            Kind::Stale => refused("stale", detail),
            Kind::Unhandled => refused("unhandled", detail),
            Kind::Blocked => Outcome::Blocked,
            Kind::Unavailable => Outcome::Unknown,
            Kind::Fenced
            | Kind::Rewound
            | Kind::Missing
            | Kind::Unsigned
            | Kind::Method
            | Kind::Slow
            | Kind::MediaType
            | Kind::Busy => return None,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_comes_back() {
        for kind in Kind::ALL {
            for after in [None, Some(Duration::from_millis(1_500))] {
                let problem = Problem { kind: *kind, detail: "why \"so\"".into(), after };
                assert_eq!(Problem::read(&problem.write()), Some(problem));
            }
        }
    }

    #[test]
    fn what_somebody_else_says_is_not_taken_for_ours() {
        for document in [
            &b"{\"type\":\"about:blank\",\"title\":\"x\"}"[..],
            b"{\"type\":\"urn:surehand:problem:other\"}",
            b"{\"detail\":\"conflict\"}",
            b"[]",
            b"",
        ] {
            assert_eq!(Problem::read(document), None);
        }
    }

    #[test]
    fn an_outcome_comes_back_as_what_it_says() {
        let delay = Duration::from_secs(3);
        let outcomes = [
            Outcome::Failed(Failure::retry("no stock").after(delay)),
            Outcome::Failed(Failure::permanent("no such customer")),
            Outcome::Refused { reason: "conflict", detail: "at place 7".into() },
            Outcome::Refused { reason: "stale", detail: "of last year".into() },
            Outcome::Refused { reason: "unhandled", detail: "no handler".into() },
            Outcome::Blocked,
        ];
        for outcome in outcomes {
            let problem = Problem::of(&outcome).unwrap();
            let again = Problem::read(&problem.write()).unwrap().outcome().unwrap();
            assert_eq!(format!("{again:?}"), format!("{outcome:?}"));
        }
        assert_eq!(Problem::of(&Outcome::delivered()), None);
    }
}
