//! A message as a CloudEvent: attributes, all of them text, and data.
//!
//! `id` is the message's id, `source` its store, `type` its topic, `subject` its key. Headers with
//! names that CloudEvents allows are extension attributes of those names; all of them together are
//! `surehandheaders`, where that is needed to get them back as they were.

use super::{Unreadable, media};
use crate::id::{MessageId, StoreId};
use crate::limits;
use crate::message::{Envelope, Message, Parts};
use serde_json::Value;
use sha2::{Digest, Sha256};
use std::borrow::Cow;
use std::collections::BTreeMap;

/// The version of CloudEvents that is spoken.
pub(crate) const SPECVERSION: &str = "1.0";
/// All headers of a message as a JSON object.
pub(crate) const HEADERS: &str = "surehandheaders";
/// The key, where `subject` cannot hold it: CloudEvents has no empty one.
pub(crate) const KEY: &str = "surehandkey";
/// The attempt, counted from 1.
pub(crate) const ATTEMPT: &str = "surehandattempt";
/// The message's place in its outbox, in digits that sort as text: the extension of that name.
pub(crate) const SEQUENCE: &str = "sequence";

const OWN: &str = "surehand";
const SOURCE: &str = "urn:surehand:";
const LONGEST_NAME: usize = 20;
const TAKEN: &[&str] = &[
    "id",
    "source",
    "type",
    "specversion",
    "subject",
    "time",
    "data",
    "datacontenttype",
    "dataschema",
    SEQUENCE,
];

/// A CloudEvent, on its way in or out.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Event<'a> {
    /// Without `specversion` and `datacontenttype`.
    pub(crate) attributes: Vec<(Cow<'a, str>, Cow<'a, str>)>,
    pub(crate) content_type: Option<Cow<'a, str>>,
    pub(crate) data: Cow<'a, [u8]>,
}

impl<'a> Event<'a> {
    /// What any consumer is told of a message.
    pub(crate) fn of(store: StoreId, envelope: &'a Envelope) -> Self {
        let mut event = Self::bare(store, envelope);
        let mut unnamed = false;
        for (name, value) in headers(envelope) {
            match value {
                Value::String(text) if may_be_named(&name) => event.set(name, text),
                _ => unnamed = true,
            }
        }
        if unnamed {
            event.set(HEADERS, envelope.headers_json());
        }
        event
    }

    /// What an inbox is told: the headers as the fingerprint covers them. The trace is said beside
    /// them, for whoever looks on.
    pub(crate) fn for_inbox(store: StoreId, envelope: &'a Envelope) -> Self {
        let mut event = Self::bare(store, envelope);
        if let Some(json) = &envelope.parts.headers {
            event.set(HEADERS, json.as_str());
            for name in ["traceparent", "tracestate"] {
                if json.contains(name)
                    && let Some(value) = envelope.header(name)
                {
                    event.set(name, value);
                }
            }
        }
        event
    }

    fn bare(store: StoreId, envelope: &'a Envelope) -> Self {
        let mut event = Self {
            attributes: Vec::with_capacity(16),
            content_type: envelope.content_type().map(Cow::Borrowed),
            data: Cow::Borrowed(envelope.payload()),
        };
        event.set("id", envelope.id().to_string());
        event.set("source", format!("{SOURCE}{store}"));
        event.set("type", envelope.topic());
        match envelope.key() {
            Some("") => event.set(KEY, ""),
            Some(key) => event.set("subject", key),
            None => {}
        }
        if let Some(time) = time(envelope.created_at_ms()) {
            event.set("time", time);
        }
        event.set(SEQUENCE, format!("{:019}", envelope.seq()));
        event
    }

    pub(crate) fn set(&mut self, name: impl Into<Cow<'a, str>>, value: impl Into<Cow<'a, str>>) {
        self.attributes.push((name.into(), value.into()));
    }

    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        self.attributes.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_ref())
    }

    /// An attribute that every event has.
    pub(crate) fn required(&self, name: &str) -> Result<&str, Unreadable> {
        let value = self.get(name).filter(|value| !value.is_empty());
        value.ok_or_else(|| Unreadable(format!("the attribute `{name}` is missing or empty")))
    }

    /// The number that an attribute is.
    pub(crate) fn number<N: std::str::FromStr>(&self, name: &str) -> Result<N, Unreadable> {
        let value = self.required(name)?.parse();
        value.map_err(|_| Unreadable(format!("the attribute `{name}` is no such number")))
    }

    /// The store, if the source is one of ours.
    pub(crate) fn store(&self) -> Option<StoreId> {
        let id = self.get("source")?.strip_prefix(SOURCE)?;
        uuid::Uuid::parse_str(id).ok().map(StoreId::from)
    }

    /// When it was sent first, in milliseconds since 1970; none when it does not say.
    pub(crate) fn created_at_ms(&self) -> Result<Option<i64>, Unreadable> {
        self.get("time").map(time_ms).transpose()
    }

    fn key(&self) -> Option<&str> {
        self.get(KEY).or_else(|| self.get("subject"))
    }

    /// What the consumer sees of it.
    pub(crate) fn into_parts(self) -> Result<Parts, Unreadable> {
        let headers = self.get(HEADERS).map(str::to_owned);
        let parts = Parts {
            topic: self.required("type")?.into(),
            key: self.key().map(str::to_owned),
            headers,
            content_type: self.content_type.map(Cow::into_owned),
            payload: self.data.into_owned(),
        };
        let bounds = [
            ("type", parts.topic.len(), limits::TOPIC_BYTES),
            ("key", parts.key.as_deref().unwrap_or("").len(), limits::KEY_BYTES),
            (HEADERS, parts.headers.as_deref().unwrap_or("").len(), limits::HEADER_BYTES),
            (
                "datacontenttype",
                parts.content_type.as_deref().unwrap_or("").len(),
                limits::CONTENT_TYPE_BYTES,
            ),
            ("data", parts.payload.len(), limits::PAYLOAD_BYTES),
        ];
        match bounds.into_iter().find(|(_, bytes, most)| bytes > most) {
            Some((name, bytes, most)) => {
                Err(Unreadable(format!("`{name}` has {bytes} bytes, more than {most}")))
            }
            None => Ok(parts),
        }
    }

    /// The message of a sender that is no outbox of ours. Extension attributes are its headers.
    pub(crate) fn into_message(self) -> Result<Message, Unreadable> {
        let mut headers = BTreeMap::new();
        for (name, value) in &self.attributes {
            if is_of_others(name) {
                headers.insert(name.to_string(), value.to_string());
            }
        }
        if let Some(json) = self.get(HEADERS) {
            let named: BTreeMap<String, Value> = serde_json::from_str(json)
                .map_err(|_| Unreadable(format!("`{HEADERS}` is no JSON object")))?;
            headers.extend(named.into_iter().map(|(name, value)| match value {
                Value::String(text) => (name, text),
                other => (name, other.to_string()),
            }));
        }
        let mut message = Message::new(self.required("type")?).payload(self.data.to_vec());
        message.headers = headers;
        message.key = self.key().map(str::to_owned);
        message.content_type = self.content_type.map(Cow::into_owned);
        Ok(message)
    }

    /// Whether the data says that it is JSON.
    pub(crate) fn is_json(&self) -> bool {
        self.content_type.as_deref().is_some_and(media::is_json)
    }
}

/// Whether a header may be an extension attribute: one of others, with a name of the length that
/// CloudEvents recommends.
fn may_be_named(name: &str) -> bool {
    name.len() <= LONGEST_NAME && is_of_others(name)
}

/// Whether an extension attribute has no meaning here: small letters and digits.
fn is_of_others(name: &str) -> bool {
    let is_name = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    !name.is_empty()
        && name.bytes().all(is_name)
        && !name.starts_with(OWN)
        && !TAKEN.contains(&name)
}

fn headers(envelope: &Envelope) -> BTreeMap<String, Value> {
    let json = envelope.parts.headers.as_deref();
    json.and_then(|json| serde_json::from_str(json).ok()).unwrap_or_default()
}

/// A time as RFC 3339 writes it: of four-digit years only.
pub(crate) fn time(ms: i64) -> Option<String> {
    let time = jiff::Timestamp::from_millisecond(ms).ok()?.to_string();
    time.as_bytes().first().is_some_and(u8::is_ascii_digit).then_some(time)
}

/// Milliseconds since 1970 of an RFC 3339 time.
pub(crate) fn time_ms(text: &str) -> Result<i64, Unreadable> {
    let time: Result<jiff::Timestamp, _> = text.parse();
    time.map(jiff::Timestamp::as_millisecond)
        .map_err(|_| Unreadable::because("the time is not as RFC 3339 says"))
}

/// The id under which a message of another sender is remembered: its own if it is a UUID, and
/// otherwise one that is made of it, of version 8 (RFC 9562).
pub(crate) fn message_id(id: &str) -> MessageId {
    if let Ok(id) = uuid::Uuid::parse_str(id) {
        return id.into();
    }
    let hash = Sha256::digest(id.as_bytes());
    let mut bytes = [0; 16];
    bytes.copy_from_slice(&hash[..16]);
    uuid::Builder::from_custom_bytes(bytes).into_uuid().into()
}
