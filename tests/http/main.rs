//! Messages over HTTP: the transport, the receiver, and both with others.

mod handoff;
mod promises;
mod server;
mod stage;
