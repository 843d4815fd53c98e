//! The producer's side: what is committed is in the log, and nothing else is.

#![allow(dead_code, unused_imports, reason = "helpers are shared by plays to come")]

mod atomic;
mod idempotency;
mod limits;
mod message;
mod support;
mod wrong;
