//! What an answer means: the table of `docs/http.md`, and nothing else.

use crate::failure::Failure;
use crate::handoff::{Applied, Outcome};
use crate::http::problem::{Kind, Problem};
use std::time::{Duration, SystemTime};

/// The longest that is waited because an answer asks for it.
const LONGEST_WAIT: Duration = Duration::from_secs(3_600);
/// So much of a body is kept with a failure.
pub(crate) const EXCERPT_BYTES: usize = 2 * 1024;

/// An answer, as far as it matters.
#[derive(Debug, Default)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) retry_after: Option<Duration>,
    /// It bears the mark of an inbox: the revision that took effect, and whether it did before.
    pub(crate) mark: Option<Applied>,
    /// The body names each message of a batch.
    pub(crate) is_itemised: bool,
    pub(crate) body: Vec<u8>,
}

/// What an answer says.
#[derive(Debug)]
pub(crate) enum Said {
    /// Of the messages of the request.
    Each(Outcome),
    /// Of the endpoint: leave it alone for a while, or so long.
    Rest(String, Option<Duration>),
    /// It will not come back.
    Gone(String),
    /// It listens to another relay.
    Fenced,
    /// It knows another message at a place of the request.
    Rewound(String),
    /// Nothing that could be relied on.
    Nothing(String),
}

/// Reads an answer.
pub(crate) fn said(answer: &Answer, to_inbox: bool) -> Said {
    if let Some(problem) = Problem::read(&answer.body).filter(|_| to_inbox && !answer.is_ok())
        && let Some(said) = said_by_inbox(problem)
    {
        return said;
    }
    match answer.status {
        200..=299 if !to_inbox => Said::Each(Outcome::delivered()),
        200..=299 => match &answer.mark {
            Some(applied) => Said::Each(Outcome::Applied(applied.clone())),
            None => Said::Nothing("a 2xx that is no inbox's".into()),
        },
        // Nothing here speaks of the message: where it goes, or who sends it, is wrong, or the
        // service is not there. A gateway answers 502, 503 and 504 for a service that is away.
        300..=399 | 401 | 407 | 429 | 502..=504 => {
            Said::Rest(answer.in_words(), answer.retry_after)
        }
        408 | 409 | 425 | 500..=599 => Said::Each(Outcome::Failed(answer.retryable())),
        410 => Said::Gone(answer.in_words()),
        400..=499 => Said::Each(Outcome::Failed(Failure::permanent(answer.in_words()))),
        _ => Said::Nothing(answer.in_words()),
    }
}

/// Our own receiver says which message it is about, and why, beside the status.
fn said_by_inbox(problem: Problem) -> Option<Said> {
    Some(match problem.kind {
        Kind::Fenced => Said::Fenced,
        Kind::Rewound => Said::Rewound(problem.detail),
        Kind::Busy | Kind::Unavailable => Said::Rest(problem.detail, problem.after),
        _ => Said::Each(problem.outcome()?),
    })
}

impl Answer {
    pub(crate) fn is_ok(&self) -> bool {
        (200..300).contains(&self.status)
    }

    fn retryable(&self) -> Failure {
        let failure = Failure::retry(self.in_words());
        match self.retry_after {
            Some(after) => failure.after(after),
            None => failure,
        }
    }

    /// The status and the beginning of the body.
    pub(crate) fn in_words(&self) -> String {
        let end = self.body.len().min(EXCERPT_BYTES);
        let body = String::from_utf8_lossy(&self.body[..end]);
        match body.trim() {
            "" => format!("HTTP {}", self.status),
            body => format!("HTTP {}: {body}", self.status),
        }
    }
}

/// The wait that a `Retry-After` asks for: seconds, or a date (RFC 9110, section 10.2.3).
pub(crate) fn retry_after(field: &str, now: SystemTime) -> Option<Duration> {
    let wait = match field.trim().parse() {
        Ok(seconds) => Duration::from_secs(seconds),
        Err(_) => {
            let date = httpdate::parse_http_date(field.trim()).ok()?;
            date.duration_since(now).unwrap_or_default()
        }
    };
    Some(wait.min(LONGEST_WAIT))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::UNIX_EPOCH;

    fn told(status: u16) -> Said {
        said(&Answer { status, ..Answer::default() }, false)
    }

    #[test]
    fn the_table() {
        for status in 100..=999 {
            let said = told(status);
            let as_expected = match status {
                200..=299 => matches!(said, Said::Each(Outcome::Applied(_))),
                410 => matches!(said, Said::Gone(_)),
                300..=399 | 401 | 407 | 429 | 502..=504 => matches!(said, Said::Rest(..)),
                408 | 409 | 425 | 500..=599 => {
                    matches!(&said, Said::Each(Outcome::Failed(why)) if !why.is_permanent())
                }
                400..=499 => {
                    matches!(&said, Said::Each(Outcome::Failed(why)) if why.is_permanent())
                }
                _ => matches!(said, Said::Nothing(_)),
            };
            assert!(as_expected, "{status}: {said:?}");
        }
    }

    #[test]
    fn only_what_bears_the_mark_of_an_inbox_is_its_acknowledgement() {
        let page = Answer { status: 200, body: b"<html>".to_vec(), ..Answer::default() };
        assert!(matches!(said(&page, true), Said::Nothing(_)));
        let applied = Applied { revision: Some(3), ..Applied::default() };
        let marked = Answer { mark: Some(applied.clone()), ..page };
        assert!(matches!(said(&marked, true), Said::Each(Outcome::Applied(one)) if one == applied));
    }

    #[test]
    fn what_an_inbox_says_goes_before_its_status() {
        let body = Problem::new(Kind::Blocked, "").write();
        let answer = Answer { status: 409, body, ..Answer::default() };
        assert!(matches!(said(&answer, true), Said::Each(Outcome::Blocked)));
        assert!(matches!(said(&answer, false), Said::Each(Outcome::Failed(_))));
        let body = Problem::new(Kind::Fenced, "").write();
        let answer = Answer { status: 409, body, ..Answer::default() };
        assert!(matches!(said(&answer, true), Said::Fenced));
    }

    #[test]
    fn a_wait_is_in_seconds_or_until_a_date_and_never_longer_than_an_hour() {
        let now = UNIX_EPOCH + Duration::from_secs(784_111_777);
        let seconds = |field| retry_after(field, now).map(|wait| wait.as_secs());
        assert_eq!(seconds("120"), Some(120));
        assert_eq!(seconds(" 0 "), Some(0));
        assert_eq!(seconds("Sun, 06 Nov 1994 08:50:07 GMT"), Some(30));
        assert_eq!(seconds("Sun, 06 Nov 1994 08:00:00 GMT"), Some(0), "it is past");
        assert_eq!(seconds("86400"), Some(3_600));
        assert_eq!(seconds("Fri, 31 Dec 9999 23:59:59 GMT"), Some(3_600));
        for field in ["", "soon", "-1", "1.5", "99999999999999999999999"] {
            assert_eq!(seconds(field), None, "{field}");
        }
    }

    #[test]
    fn two_kibibytes_of_a_body_are_kept() {
        let body = vec![b'x'; 5_000];
        let Said::Each(Outcome::Failed(failure)) =
            said(&Answer { status: 422, body, ..Answer::default() }, false)
        else {
            panic!("it is a failure");
        };
        assert_eq!(failure.to_string(), format!("HTTP 422: {}", "x".repeat(EXCERPT_BYTES)));
    }
}
