//! What travels: a message with its place, its attempt and its checksum.

use crate::id::{Fingerprint, KeyHash, MessageId, Seq};
use serde_json::Value;
use std::borrow::Cow;
use std::ops::Deref;
use std::sync::Arc;
use xxhash_rust::xxh3::{Xxh3Default, xxh3_64};

/// A message on its way: what you handed in, with its place, attempt and checksum.
///
/// A handler sees the one it runs for, an async function or a transport the ones it is given:
///
/// ```
/// use surehand::{Envelope, Failure};
///
/// async fn publish(envelope: Envelope) -> Result<(), Failure> {
///     // The same id at every attempt: what the other side takes for its idempotency key.
///     let (subject, key) = (envelope.topic(), envelope.id().to_string());
///     let tenant = envelope.header("tenant");
///     let body = envelope.payload();
///     # let _ = (subject, key, tenant, body);
///     Ok(())
/// }
/// # let _ = publish;
/// ```
#[derive(Clone, Debug)]
pub struct Envelope {
    pub(crate) seq: Seq,
    pub(crate) id: MessageId,
    pub(crate) revision: i64,
    pub(crate) fingerprint: Fingerprint,
    pub(crate) attempt: u32,
    pub(crate) after: Seq,
    pub(crate) created_at_ms: i64,
    pub(crate) parts: Parts,
}

/// What the consumer sees of a message, and what its fingerprint covers.
#[derive(Clone, Debug)]
pub(crate) struct Parts {
    pub(crate) topic: Arc<str>,
    pub(crate) key: Option<String>,
    /// A JSON object, as text; parsed when somebody asks.
    pub(crate) headers: Option<String>,
    pub(crate) content_type: Option<String>,
    pub(crate) payload: Vec<u8>,
}

impl Envelope {
    /// The message's id: the same for every attempt.
    #[must_use]
    pub fn id(&self) -> MessageId {
        self.id
    }

    /// The message's place in its outbox.
    #[must_use]
    pub fn seq(&self) -> Seq {
        self.seq
    }

    /// 0 as it was enqueued; one more for every replacement of its content.
    #[must_use]
    pub fn revision(&self) -> i64 {
        self.revision
    }

    /// Which attempt at this message this is, counted from 1; attempts before a restart may be
    /// missing from the count.
    #[must_use]
    pub fn attempt(&self) -> u32 {
        self.attempt
    }

    /// The place of the message of the same key before this one that is not settled yet, or 0.
    #[must_use]
    pub fn after(&self) -> Seq {
        self.after
    }

    /// The hash of all the consumer sees.
    #[must_use]
    pub fn fingerprint(&self) -> Fingerprint {
        self.fingerprint
    }

    /// When it was enqueued: milliseconds since 1970 (UTC) by the producer's clock.
    #[must_use]
    pub fn created_at_ms(&self) -> i64 {
        self.created_at_ms
    }

    /// The topic.
    #[must_use]
    pub fn topic(&self) -> &str {
        &self.parts.topic
    }

    /// The key that keeps messages in order, if it has one.
    #[must_use]
    pub fn key(&self) -> Option<&str> {
        self.parts.key.as_deref()
    }

    /// The media type of the payload, if the producer named one.
    #[must_use]
    pub fn content_type(&self) -> Option<&str> {
        self.parts.content_type.as_deref()
    }

    /// The payload.
    #[must_use]
    pub fn payload(&self) -> &[u8] {
        &self.parts.payload
    }

    /// The value of a header; a value that is no string comes as its JSON text.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<String> {
        let headers: Value = serde_json::from_str(self.parts.headers.as_deref()?).ok()?;
        match headers.get(name)? {
            Value::String(text) => Some(text.clone()),
            other => Some(other.to_string()),
        }
    }

    /// All headers as the JSON object they travel as; `{}` when there are none.
    #[must_use]
    pub fn headers_json(&self) -> Cow<'_, str> {
        self.parts.headers.as_deref().map_or(Cow::Borrowed("{}"), Cow::Borrowed)
    }

    /// Whether the content still is what the producer's checksum says.
    #[must_use]
    pub fn is_intact(&self) -> bool {
        fingerprint(self.id, &self.parts) == self.fingerprint
    }

    pub(crate) fn key_hash(&self) -> Option<KeyHash> {
        self.key().map(KeyHash::of)
    }
}

/// Contents up to so many bytes are hashed in one piece, which is several times faster.
const IN_ONE_PIECE: usize = 1024;

/// The fingerprint of a message's content under its id.
pub(crate) fn fingerprint(id: MessageId, parts: &Parts) -> Fingerprint {
    let texts = [
        Some(parts.topic.as_bytes()),
        parts.key.as_deref().map(str::as_bytes),
        parts.headers.as_deref().map(str::as_bytes),
        parts.content_type.as_deref().map(str::as_bytes),
        Some(&parts.payload),
    ];
    let bytes = texts.iter().flatten().map(|text| text.len()).sum::<usize>();
    let hash = if bytes > IN_ONE_PIECE {
        let mut hash = Xxh3Default::new();
        hashed(id, texts, |bytes| hash.update(bytes));
        hash.digest()
    } else {
        let mut piece = [0; 16 + 5 * size_of::<u64>() + IN_ONE_PIECE];
        let mut end = 0;
        hashed(id, texts, |bytes| {
            piece[end..end + bytes.len()].copy_from_slice(bytes);
            end += bytes.len();
        });
        xxh3_64(&piece[..end])
    };
    Fingerprint(hash.cast_signed())
}

fn hashed(id: MessageId, texts: [Option<&[u8]>; 5], mut update: impl FnMut(&[u8])) {
    update(id.as_bytes());
    for text in texts {
        // Lengths first, so that no two contents run together into the same bytes.
        update(&text.map_or(u64::MAX, |text| text.len() as u64).to_le_bytes());
        update(text.unwrap_or_default());
    }
}

/// A payload read as JSON: `|tx: &Effect, order: Json<OrderPlaced>|`. Derefs to the value.
///
/// ```
/// let order = surehand::Json(String::from("A-1"));
/// assert_eq!(order.len(), 3);
/// assert_eq!(order.0, "A-1");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Json<T>(pub T);

impl<T> Deref for Json<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parts(topic: &str, key: Option<&str>, payload: &[u8]) -> Parts {
        Parts {
            topic: topic.into(),
            key: key.map(Into::into),
            headers: None,
            content_type: None,
            payload: payload.to_vec(),
        }
    }

    #[test]
    fn the_fingerprint_tells_every_part_apart() {
        let id = MessageId::from_bytes([1; 16]);
        let base = fingerprint(id, &parts("a", Some("b"), b"c"));
        assert_eq!(base, fingerprint(id, &parts("a", Some("b"), b"c")));
        assert_ne!(base, fingerprint(MessageId::from_bytes([2; 16]), &parts("a", Some("b"), b"c")));
        for other in
            [parts("ab", Some(""), b"c"), parts("a", None, b"bc"), parts("a", Some("b"), b"")]
        {
            assert_ne!(base, fingerprint(id, &other));
        }
    }

    /// It is written in databases: the way it is computed must not show.
    #[test]
    fn the_fingerprint_is_the_same_in_one_piece_and_in_many() {
        let id = MessageId::from_bytes([7; 16]);
        for length in [0, 1, 200, IN_ONE_PIECE - 3, IN_ONE_PIECE - 2, IN_ONE_PIECE - 1, 5_000] {
            let parts = parts("a", Some("b"), &vec![9; length]);
            let mut hash = Xxh3Default::new();
            hash.update(&[7; 16]);
            for (length, text) in [
                (1, &b"a"[..]),
                (1, b"b"),
                (u64::MAX, b""),
                (u64::MAX, b""),
                (length as u64, &parts.payload),
            ] {
                hash.update(&length.to_le_bytes());
                hash.update(text);
            }
            assert_eq!(fingerprint(id, &parts), Fingerprint(hash.digest().cast_signed()));
        }
    }
}
