//! The producer's side: what is committed is in the log, and nothing else is.

#![allow(
    clippy::disallowed_methods,
    reason = "tests wait for other threads, and measure them, by the real clock"
)]
#![allow(dead_code, unused_imports, reason = "helpers are shared by plays to come")]

mod atomic;
mod bounds;
mod contract;
mod ground;
mod handle;
mod idempotency;
mod limits;
mod loud;
mod message;
mod support;
mod temporary;
mod wrong;
