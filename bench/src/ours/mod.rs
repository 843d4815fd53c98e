//! The same work through surehand's public API.

pub mod pipeline;
