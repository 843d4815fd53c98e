//! An event as a JSON object: the JSON format of CloudEvents 1.0.
//!
//! Data of a JSON type stands in it as it is, other text as a string, everything else in base64; in
//! each case it comes back byte for byte.

use super::event::{Event, SPECVERSION};
use super::portable::is_portable;
use super::{Unreadable, media};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::de::{Error as _, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;
use std::borrow::Cow;
use std::fmt;

/// Appends the event to a document.
pub(crate) fn write(event: &Event<'_>, document: &mut Vec<u8>) {
    document.extend_from_slice(b"{\"specversion\":\"1.0\"");
    for (name, value) in &event.attributes {
        member(document, name, value);
    }
    if let Some(content_type) = &event.content_type {
        member(document, "datacontenttype", content_type);
    }
    if !event.data.is_empty() {
        data(event, document);
    }
    document.push(b'}');
}

fn data(event: &Event<'_>, document: &mut Vec<u8>) {
    let text = event.content_type.as_ref().and_then(|_| std::str::from_utf8(&event.data).ok());
    match text {
        Some(text) if event.is_json() && is_portable(text) => {
            document.extend_from_slice(b",\"data\":");
            document.extend_from_slice(text.as_bytes());
        }
        Some(text) if !event.is_json() => member(document, "data", text),
        _ => member(document, "data_base64", &STANDARD.encode(&event.data)),
    }
}

fn member(document: &mut Vec<u8>, name: &str, value: &str) {
    document.push(b',');
    string(document, name);
    document.push(b':');
    string(document, value);
}

/// Appends a JSON string.
pub(crate) fn string(document: &mut Vec<u8>, text: &str) {
    serde_json::to_writer(document, text).expect("a string serialises into memory");
}

/// Appends a JSON array of what `write` appends for each.
pub(crate) fn array<T>(
    document: &mut Vec<u8>,
    items: impl IntoIterator<Item = T>,
    mut write: impl FnMut(&mut Vec<u8>, T),
) {
    document.push(b'[');
    for (index, item) in items.into_iter().enumerate() {
        if index > 0 {
            document.push(b',');
        }
        write(document, item);
    }
    document.push(b']');
}

/// Reads one event.
pub(crate) fn read(document: &[u8]) -> Result<Event<'_>, Unreadable> {
    serde_json::from_slice(document)
        .map_err(|error| Unreadable(format!("this is no CloudEvent in JSON: {error}")))
}

/// The members of an array, still as text: one that cannot be read spoils no other. Of more than
/// `most` one more is given, and none kept after it.
pub(crate) fn split(document: &[u8], most: usize) -> Result<Vec<&RawValue>, Unreadable> {
    let mut deserializer = serde_json::Deserializer::from_slice(document);
    let read = deserializer.deserialize_seq(Array { most });
    read.and_then(|members| deserializer.end().map(|()| members))
        .map_err(|error| Unreadable(format!("this is no JSON array: {error}")))
}

struct Array {
    most: usize,
}

impl<'de> Visitor<'de> for Array {
    type Value = Vec<&'de RawValue>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an array")
    }

    fn visit_seq<S: SeqAccess<'de>>(self, mut array: S) -> Result<Self::Value, S::Error> {
        let mut members = Vec::new();
        while members.len() <= self.most
            && let Some(member) = array.next_element()?
        {
            members.push(member);
        }
        while array.next_element::<IgnoredAny>()?.is_some() {}
        Ok(members)
    }
}

/// What of an event that cannot be read names it.
#[derive(Deserialize)]
pub(crate) struct Name<'a> {
    #[serde(borrow)]
    pub(crate) id: Option<Cow<'a, str>>,
}

impl<'de: 'a, 'a> Deserialize<'de> for Event<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(Members).map(|event: Event<'de>| event)
    }
}

struct Members;

impl<'de> Visitor<'de> for Members {
    type Value = Event<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object with the attributes of a CloudEvent")
    }

    fn visit_map<M: MapAccess<'de>>(self, mut members: M) -> Result<Event<'de>, M::Error> {
        let mut event = Event { attributes: Vec::with_capacity(20), ..Event::default() };
        let (mut data, mut version) = (None, false);
        while let Some(Text(name)) = members.next_key()? {
            let raw: &RawValue = members.next_value()?;
            let is_new = match name.as_ref() {
                "data" => data.replace((raw, false)).is_none(),
                "data_base64" => raw.get() == "null" || data.replace((raw, true)).is_none(),
                "specversion" if text(raw)? != SPECVERSION => {
                    return Err(M::Error::custom("only specversion 1.0 is understood"));
                }
                "specversion" => !std::mem::replace(&mut version, true),
                "datacontenttype" if raw.get() != "null" => {
                    event.content_type.replace(text(raw)?).is_none()
                }
                _ if raw.get() == "null" => true,
                _ => {
                    event.set(name.clone(), text(raw)?);
                    true
                }
            };
            if !is_new {
                return Err(M::Error::custom(format!("`{name}` is there twice")));
            }
        }
        if let Some(name) = twice(&event) {
            return Err(M::Error::custom(format!("`{name}` is there twice")));
        }
        if !version {
            return Err(M::Error::missing_field("specversion"));
        }
        if let Some((raw, is_base64)) = data {
            event.data = content(&event, raw, is_base64)?;
        }
        Ok(event)
    }
}

/// A name that two attributes have. Sorted, for a body has room for a million of them.
fn twice<'a>(event: &'a Event<'_>) -> Option<&'a str> {
    let mut names: Vec<&str> = event.attributes.iter().map(|(name, _)| name.as_ref()).collect();
    names.sort_unstable();
    names.windows(2).find(|two| two[0] == two[1]).map(|two| two[0])
}

/// The bytes that `data` or `data_base64` stands for.
fn content<'de, E: serde::de::Error>(
    event: &Event<'_>,
    raw: &'de RawValue,
    is_base64: bool,
) -> Result<Cow<'de, [u8]>, E> {
    if is_base64 {
        let bytes = STANDARD.decode(text(raw)?.as_bytes());
        return bytes.map(Cow::Owned).map_err(|_| E::custom("`data_base64` is no base64"));
    }
    // Without a type, data is JSON (section 3.1.1 of the JSON format).
    let is_json = event.content_type.as_deref().is_none_or(media::is_json);
    if is_json || !raw.get().starts_with('"') {
        return Ok(Cow::Borrowed(raw.get().as_bytes()));
    }
    Ok(match text(raw)? {
        Cow::Borrowed(text) => Cow::Borrowed(text.as_bytes()),
        Cow::Owned(text) => Cow::Owned(text.into_bytes()),
    })
}

/// A string, or what a number or a truth value looks like; nothing else is an attribute.
fn text<'de, E: serde::de::Error>(raw: &'de RawValue) -> Result<Cow<'de, str>, E> {
    let json = raw.get();
    match json.as_bytes().first() {
        Some(b'"') => serde_json::from_str(json).map(|Text(text)| text).map_err(E::custom),
        Some(b'{' | b'[' | b'n') | None => Err(E::custom("an attribute is no text")),
        Some(_) => Ok(Cow::Borrowed(json)),
    }
}

/// A string that is borrowed where nothing in it is escaped.
struct Text<'a>(Cow<'a, str>);

impl<'de: 'a, 'a> Deserialize<'de> for Text<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Borrowing;
        impl<'de> Visitor<'de> for Borrowing {
            type Value = Cow<'de, str>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a string")
            }

            fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Self::Value, E> {
                Ok(Cow::Borrowed(text))
            }

            fn visit_str<E>(self, text: &str) -> Result<Self::Value, E> {
                Ok(Cow::Owned(text.to_owned()))
            }
        }
        deserializer.deserialize_str(Borrowing).map(Text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Comparing each name with each other one takes minutes here.
    #[test]
    fn very_many_attributes_take_no_time() {
        let (done, is_done) = std::sync::mpsc::channel();
        std::thread::spawn(move || {
            let attributes = |last: usize| {
                let all: Vec<_> =
                    (0..200_000).chain([last]).map(|n| format!("\"a{n}\":1")).collect();
                format!("{{\"specversion\":\"1.0\",{}}}", all.join(",")).into_bytes()
            };
            let is_read = |last| read(&attributes(last)).is_ok();
            let _ = done.send((is_read(200_000), is_read(7)));
        });
        let read = is_done.recv_timeout(std::time::Duration::from_secs(30));
        assert_eq!(read, Ok((true, false)), "one is there twice in the second document");
    }
}
