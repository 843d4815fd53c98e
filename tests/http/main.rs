//! Messages over HTTP: the transport, the receiver, and both with others.

mod crowds;
mod days;
mod handoff;
#[path = "../relay/stage/clock.rs"]
#[expect(dead_code, reason = "no clock is set here, time only passes")]
mod hands;
mod herd;
mod post;
mod promises;
mod refusals;
mod secure;
mod server;
mod stage;
