//! What you hand in ([`Message`]) and what travels ([`Envelope`]).
//!
//! Two words for two lives: a message has no place yet; an envelope knows its place in the log, the
//! attempt it belongs to and a checksum of everything the consumer sees.

mod envelope;

pub use envelope::{Envelope, Json};
pub(crate) use envelope::{Parts, fingerprint};

use crate::clock::wall_ms;
use crate::error::{Error, ErrorKind, Result};
use crate::id::MessageId;
use crate::limits;
use serde::Serialize;
use std::collections::BTreeMap;
use std::fmt::Display;
use std::time::{Duration, SystemTime};

/// A message to hand in: a topic, a payload, and what else you know of it.
///
/// ```
/// use surehand::Message;
///
/// let message = Message::new("order.placed")
///     .key(41)
///     .header("tenant", "north")
///     .json(&serde_json::json!({ "order_id": 41 }))?;
/// # Ok::<(), surehand::Error>(())
/// ```
#[derive(Clone, Debug)]
#[must_use = "a message is only handed over by `enqueue`"]
pub struct Message {
    pub(crate) topic: String,
    pub(crate) key: Option<String>,
    pub(crate) headers: BTreeMap<String, String>,
    pub(crate) content_type: Option<String>,
    pub(crate) payload: Vec<u8>,
    pub(crate) id: Option<MessageId>,
    pub(crate) idempotency_key: Option<String>,
    pub(crate) due: Option<Moment>,
    pub(crate) expires: Option<Moment>,
}

/// A moment named by the caller: at a time, or so long after the enqueue.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Moment {
    At(SystemTime),
    After(Duration),
}

impl Moment {
    pub(crate) fn wall_ms(self, now_ms: i64) -> i64 {
        match self {
            Self::At(time) => wall_ms(time),
            Self::After(delay) => now_ms.saturating_add(crate::clock::millis(delay)),
        }
    }
}

impl Message {
    /// A message with an empty payload.
    ///
    /// A topic is words joined by dots, such as `order.placed`; 1 to 255 bytes.
    pub fn new(topic: impl Into<String>) -> Self {
        Self {
            topic: topic.into(),
            key: None,
            headers: BTreeMap::new(),
            content_type: None,
            payload: Vec::new(),
            id: None,
            idempotency_key: None,
            due: None,
            expires: None,
        }
    }

    /// Messages with one key reach a consumer in the order of their commits, delayed ones in the
    /// order in which they [join the log](Self::delay). At most 255 bytes.
    pub fn key(mut self, key: impl Display) -> Self {
        self.key = Some(key.to_string());
        self
    }

    /// Adds or replaces a header. All headers together: at most 16 KiB as JSON.
    pub fn header(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.headers.insert(name.into(), value.into());
        self
    }

    /// The trace this message belongs to (W3C Trace Context); travels as a header of that name.
    pub fn traceparent(self, value: impl Into<String>) -> Self {
        self.header("traceparent", value)
    }

    /// The payload as bytes, at most 1 MiB. Without [`content_type`](Self::content_type) it
    /// travels with none.
    pub fn payload(mut self, bytes: impl Into<Vec<u8>>) -> Self {
        self.payload = bytes.into();
        self
    }

    /// The media type of the payload.
    pub fn content_type(mut self, media_type: impl Into<String>) -> Self {
        self.content_type = Some(media_type.into());
        self
    }

    /// The payload as JSON, with content type `application/json`.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::InvalidMessage`] when the value does not serialise.
    pub fn json<T: Serialize + ?Sized>(mut self, value: &T) -> Result<Self> {
        self.payload = serde_json::to_vec(value).map_err(|error| {
            invalid(format!("the payload of {:?} does not serialise to JSON", self.topic))
                .because(error)
        })?;
        self.content_type = Some("application/json".into());
        Ok(self)
    }

    /// Names the id instead of getting a new UUIDv7.
    ///
    /// You promise that no other message has it: the consumer takes a second one for a duplicate,
    /// or for a conflict. To make a repeated call harmless, use
    /// [`idempotency_key`](Self::idempotency_key).
    pub fn id(mut self, id: MessageId) -> Self {
        self.id = Some(id);
        self
    }

    /// Makes a repeated enqueue a no-op that returns the first id, for as long as the outbox keeps
    /// such keys (24 hours unless told otherwise). At most 255 bytes. The content must be the same,
    /// but for the trace (headers `traceparent` and `tracestate`), the id, and the times.
    pub fn idempotency_key(mut self, key: impl Into<String>) -> Self {
        self.idempotency_key = Some(key.into());
        self
    }

    /// Joins the log no sooner than so long after the enqueue. Others are not held up by it.
    ///
    /// Its place among those of its key is the one at which it joins: two delayed ones come in the
    /// order of their due times, which a clock that is set back between their commits may swap.
    pub fn delay(mut self, delay: Duration) -> Self {
        self.due = Some(Moment::After(delay));
        self
    }

    /// Joins the log no sooner than at this time of the wall clock.
    pub fn due_at(mut self, time: SystemTime) -> Self {
        self.due = Some(Moment::At(time));
        self
    }

    /// Becomes a dead letter instead of being delivered later than so long after the enqueue.
    pub fn expires_after(mut self, age: Duration) -> Self {
        self.expires = Some(Moment::After(age));
        self
    }

    /// Becomes a dead letter instead of being delivered after this time of the wall clock.
    pub fn expires_at(mut self, time: SystemTime) -> Self {
        self.expires = Some(Moment::At(time));
        self
    }

    /// The headers as the JSON text that is stored; none when there are none.
    pub(crate) fn headers_json(&self) -> Option<String> {
        headers_json(&self.headers)
    }

    /// What the consumer will see of it, with the headers as they are stored.
    pub(crate) fn take_parts(&mut self, headers: Option<String>) -> Parts {
        Parts {
            topic: std::mem::take(&mut self.topic).into(),
            key: self.key.take(),
            headers,
            content_type: self.content_type.take(),
            payload: std::mem::take(&mut self.payload),
        }
    }

    /// Checks every limit; the error names the limit and the value.
    pub(crate) fn check(&self, headers: Option<&str>) -> Result<()> {
        if self.topic.is_empty() {
            return Err(invalid("the topic is empty".into()));
        }
        let key = self.key.as_deref().unwrap_or_default();
        let content_type = self.content_type.as_deref().unwrap_or_default();
        let idempotency_key = self.idempotency_key.as_deref().unwrap_or_default();
        let bounds = [
            ("the topic", self.topic.len(), limits::TOPIC_BYTES),
            ("the key", key.len(), limits::KEY_BYTES),
            ("the headers", headers.unwrap_or_default().len(), limits::HEADER_BYTES),
            ("the content type", content_type.len(), limits::CONTENT_TYPE_BYTES),
            ("the idempotency key", idempotency_key.len(), limits::IDEMPOTENCY_KEY_BYTES),
            ("the payload", self.payload.len(), limits::PAYLOAD_BYTES),
        ];
        match bounds.into_iter().find(|(_, value, limit)| value > limit) {
            None => Ok(()),
            Some((what, value, limit)) => {
                Err(invalid(format!("{what} has {value} bytes, more than the limit of {limit}")))
            }
        }
    }
}

/// Headers as JSON text; none when there are none.
pub(crate) fn headers_json<'a>(
    headers: impl IntoIterator<Item = (&'a String, &'a String)>,
) -> Option<String> {
    let headers: BTreeMap<_, _> = headers.into_iter().collect();
    let json = || serde_json::to_string(&headers).expect("strings serialise to JSON");
    (!headers.is_empty()).then(json)
}

fn invalid(what: String) -> Error {
    Error::new(
        ErrorKind::InvalidMessage,
        what,
        "nothing was written; send a reference to large content instead of the content",
    )
}
