//! Why a subscription is halted, and what a person can do about it.

use crate::error::{Error, ErrorKind};
use crate::id::Seq;

/// The producer's store went back in time.
pub(super) fn rewound(name: &str, detail: &str) -> Error {
    Error::new(
        ErrorKind::Rewound,
        format!("the store of subscription {name:?} went back in time: {detail}"),
        "a backup was restored, or a copy is running; nothing was sent. Put the right file in \
         place, or give this one a new identity with Operator::adopt_new_identity",
    )
}

/// The places that were sent are to come again.
pub(super) fn log_ends(name: &str) -> Error {
    rewound(name, "the log ends before what was sent")
}

/// Somebody removed the subscription: made anew, it would hold the log again.
pub(super) fn removed(name: &str) -> Error {
    Error::new(
        ErrorKind::NotFound,
        format!("the subscription {name:?} was removed while a relay served it"),
        "start the relay again to make it anew, or without it",
    )
}

/// The consumer's store went back in time. Some places before `high` may be among what is lost
/// (they were retried, or parked, and applied after the backup), so the advice names the one up to
/// which nothing is.
pub(super) fn consumer_rewound(name: &str, high: Seq, acked_to: Seq, settled_to: Seq) -> Error {
    Error::new(
        ErrorKind::ConsumerRewound,
        format!(
            "the consumer of {name:?} went back in time: it has seen place {high}, and had \
             acknowledged {acked_to}"
        ),
        format!(
            "a backup of the consumer was restored; deliver again what it lost: stop the relay, \
             call Operator::rewind({name:?}, {settled_to}), and start it"
        ),
    )
}
