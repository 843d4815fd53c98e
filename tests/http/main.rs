//! Messages over HTTP: the transport, the receiver, and both with others.

mod batches;
mod cloudevents;
mod crowds;
mod days;
mod foreign;
mod handoff;
mod post;
mod promises;
mod python;
mod refusals;
mod server;
mod stage;
mod webhooks;
