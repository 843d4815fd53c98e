//! A problem as a response.

use super::media;
use super::problem::{Kind, Problem};
use axum::response::Response;
use http::StatusCode;
use http::header::{ALLOW, CONTENT_TYPE, HeaderValue, RETRY_AFTER};
use std::time::Duration;

/// When somebody who was refused for now may come again.
pub(crate) const COME_AGAIN: Duration = Duration::from_secs(1);

/// The problem document, with the seconds to wait where they are known.
pub(crate) fn refusal(problem: &Problem) -> Response {
    let mut response = Response::new(problem.write().into());
    let status = StatusCode::from_u16(problem.kind.status()).expect("a status of the table");
    *response.status_mut() = status;
    let fields = response.headers_mut();
    fields.insert(CONTENT_TYPE, HeaderValue::from_static(media::PROBLEM));
    if let Some(after) = problem.after {
        // In whole seconds, and never sooner than was meant.
        let seconds = after.as_secs().saturating_add(u64::from(after.subsec_nanos() > 0));
        fields.insert(RETRY_AFTER, seconds.into());
    }
    if problem.kind == Kind::Method {
        fields.insert(ALLOW, HeaderValue::from_static("POST"));
    }
    response
}

/// Nothing is known: to be tried again.
pub(crate) fn unavailable(why: impl Into<String>) -> Problem {
    Problem::new(Kind::Unavailable, why).after(COME_AGAIN)
}

/// Somebody else is at it.
pub(crate) fn in_progress() -> Problem {
    let why = "another request with it is being worked on";
    Problem::new(Kind::InProgress, why).after(COME_AGAIN)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wait_is_in_whole_seconds_however_long_it_is() {
        for (after, seconds) in [
            (Duration::ZERO, 0),
            (Duration::from_millis(1_001), 2),
            (Duration::from_secs(7), 7),
            (Duration::MAX, u64::MAX),
        ] {
            let response = refusal(&Problem::new(Kind::Busy, "").after(after));
            assert_eq!(response.headers()[RETRY_AFTER], seconds.to_string());
        }
    }
}
