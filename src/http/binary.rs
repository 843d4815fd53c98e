//! An event as an HTTP message: attributes in `ce-` header fields, the data as the body.

use super::event::{Event, SPECVERSION};
use super::{Unreadable, text};
use http::HeaderMap;
use http::header::{CONTENT_TYPE, HeaderName, HeaderValue};
use std::borrow::Cow;

const PREFIX: &str = "ce-";
const VERSION: &str = "ce-specversion";

/// Writes the attributes into the fields.
///
/// # Errors
///
/// When the content type cannot stand in a header field. Nothing else fails: a value is encoded.
pub(crate) fn write(event: &Event<'_>, fields: &mut HeaderMap) -> Result<(), Unreadable> {
    fields.insert(VERSION, HeaderValue::from_static(SPECVERSION));
    for (name, value) in &event.attributes {
        let field = HeaderName::try_from(format!("{PREFIX}{name}"))
            .map_err(|_| Unreadable(format!("`{name}` is no name of a header field")))?;
        let value = HeaderValue::try_from(text::encode(value).as_ref());
        fields.insert(field, value.expect("encoded text is printable ASCII"));
    }
    if let Some(content_type) = &event.content_type {
        // Written as it is, and blanks at its ends would be lost.
        let is_plain = content_type.trim() == content_type && content_type.is_ascii();
        let value = HeaderValue::try_from(content_type.as_ref()).ok().filter(|_| is_plain);
        let refused = || Unreadable::because("its content type cannot stand in a header field");
        fields.insert(CONTENT_TYPE, value.ok_or_else(refused)?);
    }
    Ok(())
}

/// Whether the fields are those of an event.
pub(crate) fn is_event(fields: &HeaderMap) -> bool {
    fields.contains_key(VERSION)
}

/// Reads an event from fields and a body.
pub(crate) fn read<'a>(fields: &HeaderMap, body: &'a [u8]) -> Result<Event<'a>, Unreadable> {
    let mut event = Event { data: Cow::Borrowed(body), ..Event::default() };
    for name in fields.keys().filter(|name| name.as_str().starts_with(PREFIX)) {
        let value = text::decode(only(fields, name)?.as_bytes())?;
        if name == VERSION {
            if value != SPECVERSION {
                return Err(Unreadable::because("only specversion 1.0 is understood"));
            }
        } else {
            event.set(name.as_str()[PREFIX.len()..].to_owned(), value);
        }
    }
    if fields.contains_key(CONTENT_TYPE) {
        let value = only(fields, &CONTENT_TYPE)?.to_str();
        let refused = |_| Unreadable::because("the content type is not ASCII");
        event.content_type = Some(value.map_err(refused)?.to_owned().into());
    }
    Ok(event)
}

/// The one value of a field: of two nobody knows which is meant.
pub(crate) fn only<'a>(
    fields: &'a HeaderMap,
    name: &HeaderName,
) -> Result<&'a HeaderValue, Unreadable> {
    let mut values = fields.get_all(name).iter();
    match (values.next(), values.next()) {
        (Some(value), None) => Ok(value),
        _ => Err(Unreadable(format!("the header `{name}` has to be there once"))),
    }
}
