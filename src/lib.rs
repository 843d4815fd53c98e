#![doc = include_str!("../README.md")]
#![cfg_attr(not(feature = "testing"), forbid(unsafe_code))]
#![cfg_attr(feature = "testing", deny(unsafe_code))]
#![cfg_attr(docsrs, feature(doc_cfg))]

pub mod clock;
mod database;
mod error;
mod failure;
mod handoff;
mod id;
mod inbox;
pub mod limits;
mod message;
pub mod operator;
mod outbox;
mod relay;
mod retry;
mod store;
mod topics;
mod transaction;
pub mod transport;
mod wake;
mod watermark;

pub use database::Database;
pub use error::{Error, ErrorKind, Result};
pub use failure::Failure;
pub use id::{Fingerprint, Incarnation, KeyHash, MessageId, Seq, StoreId, SubscriptionId};
pub use inbox::{Effect, Inbox, Payload, Processed, SourceStats};
pub use message::{Envelope, Json, Message};
pub use operator::Operator;
pub use outbox::{AsyncOutbox, Outbox};
pub use relay::{Relay, Start, Subscription};
pub use retry::RetryPolicy;
pub use store::open::Durability;
pub use store::subscription::SubscriptionState;
pub use transaction::InTransaction;
pub use transport::Transport;
pub use wake::{Doorbell, Listening};
pub use watermark::Ranges;

pub use rusqlite;
