//! The wire of HTTP: every reader of it, on whatever bytes come.
//!
//! Each function here runs the readers and panics where one of them breaks what has to hold: none
//! panics, what is read and written again reads the same, an answer proves nothing of what was not
//! sent, nothing counts as signed but what the key signed, and what was read is no larger than what
//! came. The fuzz targets in `fuzz/` and the property tests in `tests/http_wire.rs` call them.

mod answer;
mod request;
mod sent;
mod signature;

pub use answer::{answer, outcome, outcomes, tickets, welcome};
pub use request::{fields, request};
pub use sent::{Sent, sent, settled};
pub use signature::{key, signature, signed};

/// Names and values.
pub type Fields = Vec<(Vec<u8>, Vec<u8>)>;

/// A request as it travels: its fields and its body.
pub type Written = (Fields, Vec<u8>);
