//! An answer as it is stored, and given again.

use crate::http::problem::Problem;
use crate::http::refusal::unavailable;
use crate::store::idempotency::ResponseRow;
use axum::response::Response;
use bytes::Bytes;
use http::header::{self, HeaderName, HeaderValue};
use http::{HeaderMap, StatusCode};

/// What belongs to a connection or to a moment, not to the answer (RFC 9110, section 7.6.1).
const PASSING: [HeaderName; 9] = [
    header::CONNECTION,
    header::CONTENT_LENGTH,
    header::DATE,
    HeaderName::from_static("keep-alive"),
    HeaderName::from_static("proxy-connection"),
    header::TE,
    header::TRAILER,
    header::TRANSFER_ENCODING,
    header::UPGRADE,
];

/// Status, the headers that matter, and the whole body.
#[derive(Clone, Debug)]
pub(super) struct Answer {
    pub(super) status: StatusCode,
    pub(super) headers: HeaderMap,
    pub(super) body: Bytes,
}

impl Answer {
    pub(super) fn row(&self, fingerprint: [u8; 32]) -> ResponseRow {
        // Neither a name nor a value can hold a line feed.
        let mut headers = Vec::new();
        for (name, value) in self.headers.iter().filter(|(name, _)| !PASSING.contains(name)) {
            headers.extend_from_slice(name.as_str().as_bytes());
            headers.extend_from_slice(b": ");
            headers.extend_from_slice(value.as_bytes());
            headers.push(b'\n');
        }
        let (status, body) = (self.status.as_u16(), self.body.to_vec());
        ResponseRow { fingerprint, status, headers, body }
    }

    /// What a row says; a row that somebody else changed may say nothing.
    pub(super) fn of(row: ResponseRow) -> Result<Self, Problem> {
        let garbled = || unavailable("the stored answer cannot be read");
        let status = StatusCode::from_u16(row.status).map_err(|_| garbled())?;
        let mut headers = HeaderMap::new();
        for line in row.headers.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()) {
            let at = line.windows(2).position(|two| two == b": ").ok_or_else(garbled)?;
            let name = HeaderName::from_bytes(&line[..at]).map_err(|_| garbled())?;
            let value = HeaderValue::from_bytes(&line[at + 2..]).map_err(|_| garbled())?;
            headers.append(name, value);
        }
        Ok(Self { status, headers, body: row.body.into() })
    }

    pub(super) fn into_response(self) -> Response {
        let mut response = Response::new(self.body.into());
        *response.status_mut() = self.status;
        *response.headers_mut() = self.headers;
        response
    }
}
