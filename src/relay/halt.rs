//! Why a subscription is halted, and what a person can do about it.

use crate::error::{Error, ErrorKind};

/// The producer's store went back in time.
pub(super) fn rewound(name: &str, detail: &str) -> Error {
    Error::new(
        ErrorKind::Rewound,
        format!("the store of subscription {name:?} went back in time: {detail}"),
        "a backup was restored, or a copy is running; nothing was sent. Put the right file in \
         place, or give this one a new identity with Operator::adopt_new_identity",
    )
}

/// Somebody removed the subscription: made anew, it would hold the log again.
pub(super) fn removed(name: &str) -> Error {
    Error::new(
        ErrorKind::NotFound,
        format!("the subscription {name:?} was removed while a relay served it"),
        "start the relay again to make it anew, or without it",
    )
}

/// The consumer's store went back in time.
pub(super) fn consumer_rewound(name: &str, high: i64, acked_to: i64) -> Error {
    Error::new(
        ErrorKind::ConsumerRewound,
        format!(
            "the consumer of {name:?} went back in time: it has seen place {high}, and had \
             acknowledged {acked_to}"
        ),
        "a backup of the consumer was restored; deliver again what it lost with Operator::rewind",
    )
}
