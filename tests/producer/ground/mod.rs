//! What the producer stands on may give way: it is told what happened and what to do, and nothing
//! is half written.

mod opening;
mod writing;

use std::error::Error as _;
use surehand::{Error, ErrorKind};

/// The kind, whether trying again helps, and what the text says: at its end, what to do.
#[track_caller]
fn check(error: &Error, kind: ErrorKind, retryable: bool, says: &[&str]) {
    assert_eq!(error.kind(), kind, "{error}");
    assert_eq!(error.is_retryable(), retryable, "{error}");
    let text = error.to_string();
    assert!(text.ends_with(error.advice()), "{text}");
    for part in says {
        assert!(text.contains(part), "{part:?} is not in {text:?}");
    }
}

#[track_caller]
fn caused_by_sqlite(error: &Error) {
    let source = error.source().expect("a cause");
    assert!(source.is::<surehand::rusqlite::Error>(), "{source}");
}
