#![doc = include_str!("../README.md")]
//!
//! # A tour of the types
//!
//! **The producer.** [`Outbox::enqueue`] takes a [`Message`] and a transaction of yours
//! ([`InTransaction`]: a `Transaction`, a `Savepoint`, an [`Effect`]). [`AsyncOutbox`] is for async
//! callers: many of them share one durable commit. What an enqueue costs and refuses is in
//! [`limits`] and [`ErrorKind`].
//!
//! **The consumer.** [`Inbox::on`] takes a handler for a topic. A handler gets an [`Effect`] (the
//! transaction, and the [`Envelope`] of the message) and a [`Payload`]: [`Json`] of your type, or
//! the bytes. It returns what is to be remembered, or a [`Failure`]; every error converts into a
//! retryable one. [`Inbox::receive`] is for senders that have no outbox of ours.
//!
//! **In between.** A [`Relay`] serves one or more [`Subscription`]s of one outbox, each over a
//! [`Transport`]: [`transport::Local`] into an inbox of this process, [`transport::function()`]
//! into any async function, or your own, which answers each message with an [`Outcome`]. A
//! [`RetryPolicy`] says when a failed message is tried again, and when it is a dead letter.
//!
//! **The person.** An [`Operator`] lists what is stuck and why, redrives, skips and replaces dead
//! letters, pauses, bounds and rewinds subscriptions, and counts.
//!
//! **The ground.** A [`Database`] is a path and how it is opened, with the clock and the randomness
//! that are used; a path converts into one. [`Durability`] says what a connection promises.
//! Everything that fails returns an [`Error`], with its [`ErrorKind`] and what to do next.
//!
//! [`Outcome`]: transport::Outcome
#![cfg_attr(not(feature = "testing"), forbid(unsafe_code))]
#![cfg_attr(feature = "testing", deny(unsafe_code))]
#![cfg_attr(docsrs, feature(doc_cfg))]

#[macro_use]
mod crash_point;
#[macro_use]
mod mistake;

pub mod clock;
mod database;
mod error;
mod failure;
mod handoff;
#[cfg(any(feature = "http", feature = "http-server"))]
#[cfg_attr(docsrs, doc(cfg(any(feature = "http", feature = "http-server"))))]
// What one of the two features needs alone is not used without it.
#[cfg_attr(not(all(feature = "http", feature = "http-server")), allow(dead_code))]
pub mod http;
mod id;
#[cfg(feature = "http-server")]
#[cfg_attr(docsrs, doc(cfg(feature = "http-server")))]
pub mod idempotency;
mod inbox;
pub mod limits;
mod message;
#[cfg(test)]
mod model;
pub mod operator;
mod outbox;
#[cfg(feature = "http-server")]
mod receiver;
mod relay;
mod retry;
mod store;
#[cfg(feature = "testing")]
#[cfg_attr(docsrs, doc(cfg(feature = "testing")))]
pub mod testing;
mod topics;
mod transaction;
pub mod transport;
mod wake;
mod watermark;

pub use database::Database;
pub use error::{Error, ErrorKind, Result};
pub use failure::Failure;
pub use id::{Fingerprint, Incarnation, KeyHash, MessageId, Seq, StoreId, SubscriptionId};
pub use inbox::{Effect, Inbox, Payload, Processed, SenderStats, SourceStats};
pub use message::{Envelope, Json, Message};
pub use operator::Operator;
pub use outbox::{AsyncOutbox, Outbox};
#[cfg(feature = "http-server")]
#[cfg_attr(docsrs, doc(cfg(feature = "http-server")))]
pub use receiver::Receiver;
pub use relay::{Relay, Start, Subscription};
pub use retry::RetryPolicy;
pub use store::open::Durability;
pub use store::subscription::SubscriptionState;
pub use transaction::InTransaction;
pub use transport::Transport;
pub use wake::{Doorbell, Listening};
pub use watermark::Ranges;

pub use rusqlite;
