//! The consumer: effects once, whatever is delivered, however often, and whatever handlers do.

#![allow(dead_code, unused_imports, reason = "helpers are shared by plays to come")]

mod adopted;
mod answers;
mod backup;
mod bounded;
mod clock;
mod deferred;
mod effects;
mod escape;
mod foreign;
mod ground;
mod prepare;
mod restored_consumer;
mod restored_producer;
mod senders;
mod together;
mod world;
