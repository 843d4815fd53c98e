//! Messages over HTTP: the transport, the receiver, and both with others.

mod batches;
mod cloudevents;
mod crowds;
mod days;
mod foreign;
mod handoff;
#[path = "../relay/stage/clock.rs"]
#[expect(dead_code, reason = "no clock is set here, time only passes")]
mod hands;
mod herd;
mod pace;
mod post;
mod promises;
mod python;
mod refusals;
mod secure;
mod server;
mod stage;
mod webhooks;
