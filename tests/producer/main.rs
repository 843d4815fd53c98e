//! The producer's side: what is committed is in the log, and nothing else is.

mod atomic;
mod idempotency;
mod limits;
mod message;
mod support;
mod wrong;
