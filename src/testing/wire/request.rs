//! Requests: events, batches and controls.

use super::Fields;
use crate::http::control::Control;
use crate::http::event::{self, Event, message_id, time_ms};
use crate::http::place::{self, Placed};
use crate::http::{binary, structured, text};
use crate::id::{MessageId, Seq, StoreId};
use crate::message::{Envelope, fingerprint};
use http::{HeaderMap, HeaderName, HeaderValue};

/// More attributes than this are not written into header fields again: a map of them has its limit.
const MOST_FIELDS: usize = 1_000;

/// Reads a request in each way there is, whatever its fields say it is.
pub fn request(fields: &[(Vec<u8>, Vec<u8>)], body: &[u8]) {
    let map = map(fields);
    let came =
        body.len() + fields.iter().map(|(name, value)| name.len() + value.len()).sum::<usize>();
    for value in map.values() {
        plain_text(value.as_bytes());
    }
    if let Ok(event) = binary::read(&map, body) {
        small(&event, came);
        // In a document these names have another meaning.
        let reserved = ["data", "data_base64", "datacontenttype"];
        if !reserved.iter().any(|name| event.get(name).is_some()) {
            holds(&event);
        }
    }
    one(body);
    if let Ok(events) = structured::split(body, MOST) {
        assert!(events.len() <= MOST + 1, "more events than are kept");
        events.iter().for_each(|raw| one(raw.get().as_bytes()));
    }
    control(body);
}

/// A small batch: what is beyond it has to be passed over.
const MOST: usize = 64;

/// The fields of a head, as HTTP/1.1 writes it, and the body after the first empty line.
pub fn fields(message: &[u8]) -> (Fields, &[u8]) {
    let (mut fields, mut rest) = (Fields::new(), message);
    loop {
        let end = rest.iter().position(|byte| *byte == b'\n').unwrap_or(rest.len());
        let line = rest[..end].trim_ascii();
        rest = rest.get(end + 1..).unwrap_or_default();
        if line.is_empty() {
            return (fields, rest);
        }
        let colon = line.iter().position(|byte| *byte == b':').unwrap_or(line.len());
        let value = line.get(colon + 1..).unwrap_or_default();
        fields.push((line[..colon].to_vec(), value.to_vec()));
    }
}

/// The fields that HTTP lets through: a name or value that it does not never reaches a reader.
pub(super) fn map(fields: &[(Vec<u8>, Vec<u8>)]) -> HeaderMap {
    let mut map = HeaderMap::new();
    for (name, value) in fields.iter().take(MOST_FIELDS) {
        let name = HeaderName::from_bytes(name);
        if let (Ok(name), Ok(value)) = (name, HeaderValue::from_bytes(value.trim_ascii())) {
            map.append(name, value);
        }
    }
    map
}

fn plain_text(field: &[u8]) {
    let Ok(text) = text::decode(field) else { return };
    assert!(text.len() <= field.len());
    assert_eq!(text::decode(text::encode(&text).as_bytes()).as_ref(), Ok(&text), "a field");
}

fn one(document: &[u8]) {
    if let Ok(event) = structured::read(document) {
        small(&event, document.len());
        holds(&event);
    }
}

fn control(document: &[u8]) {
    if let Ok(control) = Control::read(document) {
        assert_eq!(Control::read(&control.write()), Ok(control), "a control");
    }
}

/// What was read is no larger than what came, nor is what was set aside for it by much.
fn small(event: &Event<'_>, came: usize) {
    let attributes = event.attributes.iter().map(|(name, value)| name.len() + value.len());
    let content_type = event.content_type.as_ref().map_or(0, |text| text.len());
    let held = attributes.sum::<usize>() + content_type + event.data.len();
    assert!(held <= came, "{held} bytes were read out of {came}");
    if let std::borrow::Cow::Owned(data) = &event.data {
        assert!(data.capacity() <= 2 * came + 64, "{} bytes for {came}", data.capacity());
    }
    assert!(event.attributes.capacity() <= 2 * came + 64);
}

/// Whatever is read of an event comes back when it is written again.
pub(super) fn holds(event: &Event<'_>) {
    let mut document = Vec::new();
    structured::write(event, &mut document);
    let again = structured::read(&document).expect("what is written can be read");
    assert_eq!(&again, event, "an event as a document");
    in_fields(event);
    if let Ok(Some(ms)) = event.created_at_ms()
        && let Some(time) = event::time(ms)
    {
        assert_eq!(time_ms(&time), Ok(ms), "a time");
    }
    if let Ok(id) = event.required("id") {
        same_id(id);
    }
    if place::is_placed(event) {
        if let Ok(placed) = place::read(event.clone()) {
            same_place(&placed);
        }
    } else {
        foreign(event);
    }
}

fn in_fields(event: &Event<'_>) {
    let is_name = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    let named = |name: &str| !name.is_empty() && name.bytes().all(is_name);
    let mut fields = HeaderMap::new();
    if event.attributes.len() > MOST_FIELDS
        || !event.attributes.iter().all(|(name, _)| named(name))
        || binary::write(event, &mut fields).is_err()
    {
        return;
    }
    let again = binary::read(&fields, &event.data).expect("what is written can be read");
    assert_eq!(again, *event, "an event in fields");
}

fn same_id(id: &str) {
    let known = message_id(id);
    assert_eq!(message_id(&known.to_string()), known, "an id");
    assert!(id.parse::<MessageId>().is_ok() || known.uuid().get_version_num() == 8);
}

/// A message of a relay has the same place and content after another journey.
fn same_place(placed: &Placed) {
    let Placed { hello, settled, envelope } = placed;
    let mut event = Event::for_inbox(hello.store, envelope);
    place::state(&mut event, hello, envelope);
    place::state_settled(&mut event, settled);
    let mut document = Vec::new();
    structured::write(&event, &mut document);
    let again = structured::read(&document).expect("what is written can be read");
    assert!(place::is_placed(&again));
    let again = place::read(again).expect("a place that is written can be read");
    assert_eq!(format!("{again:?}"), format!("{placed:?}"), "a message with its place");
    assert_eq!(again.envelope.is_intact(), envelope.is_intact());
}

/// A message of somebody else is the same after one of our outboxes has passed it on.
fn foreign(event: &Event<'_>) {
    let Ok(message) = event.clone().into_message() else { return };
    let (id, seq): (MessageId, Seq) = (MessageId::from_bytes([7; 16]), 1);
    let parts = crate::message::Parts {
        topic: message.topic.as_str().into(),
        key: message.key.clone(),
        headers: message.headers_json(),
        content_type: message.content_type.clone(),
        payload: message.payload.clone(),
    };
    let envelope = Envelope {
        seq,
        id,
        revision: 0,
        fingerprint: fingerprint(id, &parts),
        attempt: 1,
        after: 0,
        created_at_ms: 0,
        parts,
    };
    let mut document = Vec::new();
    structured::write(&Event::of(StoreId::from_bytes([8; 16]), &envelope), &mut document);
    let again = structured::read(&document).expect("what is written can be read");
    let again = again.into_message().expect("a message that is written can be read");
    assert_eq!(format!("{again:?}"), format!("{message:?}"), "a message of somebody else");
}
