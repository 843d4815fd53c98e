//! The one error type: what failed, why, and what to do next.
//!
//! A verdict about a message (duplicate, stale, conflict) is no error; it is an
//! [`Outcome`](crate::transport::Outcome) and is counted. An error is a fault of ours or of the
//! ground we stand on.

use std::borrow::Cow;
use std::fmt;

/// The result of everything in this crate that can fail.
pub type Result<T, E = Error> = std::result::Result<T, E>;

type Source = Box<dyn std::error::Error + Send + Sync + 'static>;

/// What failed, why, and what to do next.
///
/// `Display` gives the sentence and the advice; [`std::error::Error::source`] keeps the cause.
#[derive(Debug)]
pub struct Error {
    kind: ErrorKind,
    what: String,
    advice: Cow<'static, str>,
    source: Option<Source>,
}

/// What kind of failure an [`Error`] is: match on this, not on the text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// The file, its directory or its rights are not what is needed.
    Environment,
    /// The file is no SQLite database, or a damaged one.
    NotADatabase,
    /// The database can be read but not written.
    ReadOnly,
    /// The database was written by a newer version of this crate; it was left untouched.
    SchemaTooNew,
    /// The journal mode or `synchronous` setting would lose what is promised.
    NotDurable,
    /// The linked SQLite is older than 3.51.3.
    SqliteTooOld,
    /// Another connection held the database for longer than the busy timeout. Nothing was written.
    Busy,
    /// The disk or a quota is full. The whole transaction was rolled back. Only where the database
    /// was opened with `psow=0` (<https://sqlite.org/psow.html>) a crash right after it may bring
    /// back a commit that failed so, wholly: look before you repeat it there, or repeat it with the
    /// same idempotency key.
    DiskFull,
    /// The connection handed in is not inside a transaction (any more). Nothing was written.
    NotInTransaction,
    /// The transaction belongs to another database than the outbox. Nothing was written.
    WrongDatabase,
    /// The database file was deleted or replaced while it was open.
    Replaced,
    /// A part of a message is larger than allowed, or malformed. Nothing was written.
    InvalidMessage,
    /// A subscription has as many pending messages as allowed. Nothing was written.
    OutboxFull,
    /// The idempotency key was used before: for other content, or by another process meanwhile.
    /// Nothing was written.
    Conflict,
    /// An I/O error or a panic hid the outcome: it may be committed, or not.
    Unknown,
    /// The producer's store went back in time: a restored backup, a copy, a failover.
    Rewound,
    /// The consumer's store went back in time.
    ConsumerRewound,
    /// Another relay took over the subscription. Reserved: a relay that is fenced opens anew.
    Fenced,
    /// There is no such subscription or dead letter, or the log was emptied past the place.
    NotFound,
    /// The worker behind this handle has stopped, or the closure it ran panicked. What was handed
    /// in was not written.
    Stopped,
    /// The URL of an endpoint is none, or asks for what has to be allowed by name; or TLS cannot be
    /// set up.
    InvalidEndpoint,
    /// SQLite refused for another reason; the source says which.
    Sqlite,
}

impl Error {
    pub(crate) fn new(
        kind: ErrorKind,
        what: impl Into<String>,
        advice: impl Into<Cow<'static, str>>,
    ) -> Self {
        Self { kind, what: what.into(), advice: advice.into(), source: None }
    }

    pub(crate) fn because(mut self, source: impl Into<Source>) -> Self {
        self.source = Some(source.into());
        self
    }

    /// An error of SQLite while doing `what` ("enqueue a message").
    pub(crate) fn sqlite(what: impl fmt::Display, error: rusqlite::Error) -> Self {
        let (kind, advice) = classify(&error);
        Self::new(kind, format!("could not {what}: {error}"), advice).because(error)
    }

    /// The same, with the file it happened to; a text that names it already stays as it is.
    pub(crate) fn about(mut self, path: &std::path::Path) -> Self {
        let path = path.display().to_string();
        if !self.what.contains(&path) {
            self.what = format!("{path}: {}", self.what);
        }
        self
    }

    /// What kind of failure this is.
    #[must_use]
    pub fn kind(&self) -> ErrorKind {
        self.kind
    }

    /// Whether the same call may succeed later, with nothing changed and nothing done twice.
    ///
    /// [`ErrorKind::Unknown`] is not retryable: the first call may have taken effect. Repeat it
    /// with the same idempotency key.
    #[must_use]
    pub fn is_retryable(&self) -> bool {
        matches!(
            self.kind,
            ErrorKind::Busy | ErrorKind::DiskFull | ErrorKind::OutboxFull | ErrorKind::Fenced
        )
    }

    /// What to do next, as a sentence.
    #[must_use]
    pub fn advice(&self) -> &str {
        &self.advice
    }

    /// The same failure for a second waiter: kind and text, with the source as text.
    pub(crate) fn again(&self) -> Self {
        let copy = Self::new(self.kind, self.what.clone(), self.advice.clone());
        match &self.source {
            Some(source) => copy.because(source.to_string()),
            None => copy,
        }
    }

    /// Whether a constraint of the host's was violated.
    pub(crate) fn is_violation(&self) -> bool {
        let source = self.source.as_ref().and_then(|source| source.downcast_ref());
        source.and_then(rusqlite::Error::sqlite_error_code)
            == Some(rusqlite::ErrorCode::ConstraintViolation)
    }

    /// Whether the connection that met this error must not be trusted any more.
    pub(crate) fn poisons(&self) -> bool {
        !matches!(self.kind, ErrorKind::Busy | ErrorKind::DiskFull)
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}; {}", self.what, self.advice)
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.source.as_ref().map(|source| &**source as _)
    }
}

fn classify(error: &rusqlite::Error) -> (ErrorKind, &'static str) {
    use rusqlite::ErrorCode as Code;
    let Some(code) = error.sqlite_error_code() else {
        return (ErrorKind::Sqlite, "see the source of this error");
    };
    match code {
        Code::DatabaseBusy | Code::DatabaseLocked => (
            ErrorKind::Busy,
            "another connection held the lock; begin with BEGIN IMMEDIATE, keep transactions \
             short, and try again",
        ),
        Code::DiskFull => {
            (ErrorKind::DiskFull, "the whole transaction was rolled back; free space and try again")
        }
        Code::ReadOnly => (ErrorKind::ReadOnly, "open the database with write access"),
        Code::NotADatabase => (ErrorKind::NotADatabase, "check the path: this is another file"),
        Code::CannotOpen => {
            (ErrorKind::Environment, "check that the directory exists and may be written")
        }
        Code::SystemIoFailure => (
            ErrorKind::Unknown,
            "the outcome is unknown; look before doing it again, or use an idempotency key",
        ),
        Code::DatabaseCorrupt => {
            (ErrorKind::NotADatabase, "run PRAGMA integrity_check and restore a backup")
        }
        _ => (ErrorKind::Sqlite, "see the source of this error"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::error::Error as _;

    #[test]
    fn the_text_says_what_failed_and_what_to_do_and_the_source_stays() {
        let full = rusqlite::Error::SqliteFailure(rusqlite::ffi::Error::new(13), None);
        let error = Error::sqlite("enqueue a message", full);
        assert_eq!(error.kind(), ErrorKind::DiskFull);
        assert!(error.is_retryable());
        assert!(error.to_string().starts_with("could not enqueue a message: "));
        assert!(error.to_string().ends_with("free space and try again"));
        assert!(error.source().is_some());
        assert_eq!(error.again().kind(), error.kind());
    }

    #[test]
    fn an_io_error_is_unknown_and_never_retryable() {
        let io = rusqlite::Error::SqliteFailure(rusqlite::ffi::Error::new(10), None);
        let error = Error::sqlite("commit", io);
        assert_eq!(error.kind(), ErrorKind::Unknown);
        assert!(!error.is_retryable());
        assert!(error.poisons());
    }
}
