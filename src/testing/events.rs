//! What the world outside of the machines has seen: it does not forget in a crash.

use std::fmt;

/// Something that was seen outside.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Event {
    /// Somebody was told that this is done.
    Promised { what: String, id: String },
    /// A service outside had an effect.
    Called { service: String, id: String },
    /// A request or an answer went over the network.
    Sent { what: String },
    /// A point in the code that has a name was passed.
    Reached(String),
}

impl Event {
    /// What somebody was promised, if it is that.
    pub(crate) fn promise(&self) -> Option<&str> {
        if let Self::Promised { what, .. } = self { Some(what) } else { None }
    }

    /// Whether somebody outside can still tell of it, and an invariant ask. What is only told in a
    /// story makes no state different.
    pub(crate) fn is_remembered(&self) -> bool {
        matches!(self, Self::Promised { .. } | Self::Called { .. })
    }
}

impl fmt::Display for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Promised { what, id } => write!(f, "promised: {what} {id}"),
            Self::Called { service, id } => write!(f, "called: {service} for {id}"),
            Self::Sent { what } => write!(f, "sent: {what}"),
            Self::Reached(name) => write!(f, "reached: {name}"),
        }
    }
}
