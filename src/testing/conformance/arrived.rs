//! A message as it came out at the other end.

use crate::id::{Fingerprint, MessageId, Seq};
use crate::message::{Envelope, Message, headers_json};

/// A message as it came out at the other end, to be compared with the one that went in.
///
/// Made from an [`Envelope`], or, where something else than envelopes travels, from a [`Message`]
/// with everything that did: then its place, attempt and time are not compared.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Arrived {
    pub(super) id: MessageId,
    pub(super) topic: String,
    pub(super) key: Option<String>,
    pub(super) headers: Option<String>,
    pub(super) content_type: Option<String>,
    pub(super) payload: Vec<u8>,
    pub(super) place: Option<Place>,
}

/// What only an envelope has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) seq: Seq,
    pub(super) revision: i64,
    pub(super) attempt: u32,
    pub(super) after: Seq,
    pub(super) created_at_ms: i64,
    pub(super) fingerprint: Fingerprint,
}

impl From<&Envelope> for Arrived {
    fn from(envelope: &Envelope) -> Self {
        let parts = &envelope.parts;
        Self {
            id: envelope.id,
            topic: parts.topic.to_string(),
            key: parts.key.clone(),
            headers: parts.headers.clone(),
            content_type: parts.content_type.clone(),
            payload: parts.payload.clone(),
            place: Some(Place {
                seq: envelope.seq,
                revision: envelope.revision,
                attempt: envelope.attempt,
                after: envelope.after,
                created_at_ms: envelope.created_at_ms,
                fingerprint: envelope.fingerprint,
            }),
        }
    }
}

impl From<Envelope> for Arrived {
    fn from(envelope: Envelope) -> Self {
        Self::from(&envelope)
    }
}

impl From<Message> for Arrived {
    /// # Panics
    ///
    /// When the message names no [`id`](Message::id): whatever it is, it is not the one that went
    /// in.
    fn from(message: Message) -> Self {
        Self {
            id: message.id.expect("a message that arrives names its id"),
            headers: headers_json(&message.headers),
            topic: message.topic,
            key: message.key,
            content_type: message.content_type,
            payload: message.payload,
            place: None,
        }
    }
}
