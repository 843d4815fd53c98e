//! Refusals as responses.

use crate::http::media;
use crate::http::problem::{Kind, Problem};
use axum::response::Response;
use http::StatusCode;
use http::header::{CONTENT_TYPE, HeaderValue, RETRY_AFTER};

/// The problem document, with the seconds to wait where they are known.
pub(super) fn refusal(problem: &Problem) -> Response {
    let mut response = Response::new(problem.write().into());
    let status = StatusCode::from_u16(problem.kind.status()).expect("a status of the table");
    *response.status_mut() = status;
    let fields = response.headers_mut();
    fields.insert(CONTENT_TYPE, HeaderValue::from_static(media::PROBLEM));
    if let Some(after) = problem.after {
        // In whole seconds, and never sooner than was meant.
        let seconds = after.as_secs() + u64::from(after.subsec_nanos() > 0);
        fields.insert(RETRY_AFTER, seconds.into());
    }
    response
}

/// Nothing is known: to be tried again.
pub(super) fn unavailable(why: &str) -> Problem {
    Problem::new(Kind::Unavailable, why).after(super::gate::COME_AGAIN)
}
