//! The events of the handbook (`docs/operations.md`): each is provoked, and says what it should.
//!
//! Relays and inboxes run on threads of their own, so all of this binary's events go to one
//! recorder; tests find theirs by the names of their subscriptions.
#![allow(
    clippy::disallowed_methods,
    reason = "tests wait for other threads and processes, and measure them, by the real clock"
)]
#![allow(dead_code, unused_imports, reason = "the stage is that of other plays")]

mod handbook;
mod provoked;
mod recorder;
#[path = "../relay/stage/mod.rs"]
mod stage;
