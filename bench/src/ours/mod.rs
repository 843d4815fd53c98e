//! The same work through surehand's public API.

pub mod count;
pub mod drain;
pub mod enqueue;
pub mod history;
pub mod host;
pub mod idle;
pub mod inside;
pub mod latency;
pub mod outage;
pub mod pipeline;
pub mod service;
pub mod subscriptions;
pub mod trouble;
pub mod wal;
