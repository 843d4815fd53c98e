//! Responses: what became of a message, a batch or a control.

use crate::handoff::{Applied, Welcome};
use crate::http::{control, media};
use axum::body::Body;
use axum::response::Response;
use http::header::{CONTENT_TYPE, HeaderName, HeaderValue};
use http::{HeaderMap, StatusCode};

const REVISION: HeaderName = HeaderName::from_static(media::REVISION);
const DUPLICATE: HeaderName = HeaderName::from_static(media::DUPLICATE);
/// The mark, where no revision is known or meant.
const UNKNOWN: HeaderValue = HeaderValue::from_static("-");

/// The effect is durable: 200 with what the handler answered, or 204.
pub(super) fn applied(applied: Applied) -> Response {
    let mut fields = HeaderMap::new();
    fields.insert(REVISION, applied.revision.map_or(UNKNOWN, HeaderValue::from));
    if applied.duplicate {
        fields.insert(DUPLICATE, HeaderValue::from_static("true"));
    }
    match applied.reply {
        Some(reply) => respond(StatusCode::OK, media::JSON, fields, reply),
        None => with(StatusCode::NO_CONTENT, fields, Body::empty()),
    }
}

/// What became of each event of a batch.
///
/// `is_placed`: an inbox says it to a relay, and has merged what came with it.
pub(super) fn itemised(document: Vec<u8>, is_placed: bool) -> Response {
    let mut fields = HeaderMap::new();
    if is_placed {
        fields.insert(REVISION, UNKNOWN);
    }
    respond(StatusCode::OK, media::ANSWERS, fields, document)
}

/// The statement is merged.
pub(super) fn merged() -> Response {
    applied(Applied::default())
}

/// The answer to a hello.
pub(super) fn welcome(welcome: &Welcome) -> Response {
    let mut fields = HeaderMap::new();
    fields.insert(REVISION, UNKNOWN);
    let document = control::write_welcome(welcome).unwrap_or_default();
    respond(StatusCode::OK, media::JSON, fields, document)
}

fn respond(
    status: StatusCode,
    media_type: &'static str,
    mut fields: HeaderMap,
    document: Vec<u8>,
) -> Response {
    fields.insert(CONTENT_TYPE, HeaderValue::from_static(media_type));
    with(status, fields, document.into())
}

fn with(status: StatusCode, fields: HeaderMap, body: Body) -> Response {
    let mut response = Response::new(body);
    *response.status_mut() = status;
    *response.headers_mut() = fields;
    response
}
