//! Whether a message may take effect: the decision, without I/O (rules 16, 17).

use crate::id::{Fingerprint, MessageId, Seq};
use crate::store::inbox::Seen;

/// What a message says of itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Claim {
    pub(crate) seq: Seq,
    pub(crate) id: MessageId,
    pub(crate) revision: i64,
    pub(crate) fingerprint: Fingerprint,
    /// The message of its key that has to be known first, or 0.
    pub(crate) after: Seq,
    /// An earlier message of its key failed in this request.
    pub(crate) key_failed: bool,
}

/// What the consumer remembers of a source.
pub(crate) trait Memory {
    type Error;

    /// Whether the producer said that this place is settled.
    fn is_settled(&self, seq: Seq) -> bool;

    /// What was applied at this place and is not settled.
    fn at(&mut self, seq: Seq) -> Result<Option<Seen>, Self::Error>;

    /// What was applied under this id and is not settled.
    fn by_id(&mut self, id: MessageId) -> Result<Option<Seen>, Self::Error>;
}

/// The decision about one message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Admission {
    /// Run the handler.
    New,
    /// Its effect is durable; what was applied, if it is still known.
    Duplicate(Option<Seen>),
    /// The id was applied with other content.
    Conflict(Seen),
    /// A later revision of it was applied.
    Superseded(Seen),
    /// An earlier message of its key has to come first.
    Blocked,
    /// Another message was applied at its place: the producer's store went back in time.
    Rewound(Seen),
}

/// Decides about one message.
pub(crate) fn admit<M: Memory>(memory: &mut M, claim: &Claim) -> Result<Admission, M::Error> {
    if memory.is_settled(claim.seq) {
        return Ok(Admission::Duplicate(None));
    }
    if let Some(seen) = memory.by_id(claim.id)? {
        return Ok(known(claim, seen));
    }
    if let Some(other) = memory.at(claim.seq)? {
        return Ok(Admission::Rewound(other));
    }
    let unknown =
        claim.after != 0 && !memory.is_settled(claim.after) && memory.at(claim.after)?.is_none();
    Ok(if unknown || claim.key_failed { Admission::Blocked } else { Admission::New })
}

fn known(claim: &Claim, seen: Seen) -> Admission {
    if claim.revision < seen.revision {
        Admission::Superseded(seen)
    } else if claim.revision == seen.revision && claim.fingerprint != seen.fingerprint {
        Admission::Conflict(seen)
    } else {
        Admission::Duplicate(Some(seen))
    }
}
