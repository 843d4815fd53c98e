//! Every bound in one table.
//!
//! They are checked when a message is enqueued, and again when the relay reads a row that another
//! program wrote.

/// The largest payload, in bytes: 1 MiB.
pub const PAYLOAD_BYTES: usize = 1024 * 1024;
/// The largest sum of header names and values as JSON text, in bytes.
pub const HEADER_BYTES: usize = 16 * 1024;
/// The longest topic, in bytes.
pub const TOPIC_BYTES: usize = 255;
/// The longest key, in bytes.
pub const KEY_BYTES: usize = 255;
/// The longest content type, in bytes.
pub const CONTENT_TYPE_BYTES: usize = 255;
/// The longest idempotency key, in bytes.
pub const IDEMPOTENCY_KEY_BYTES: usize = 255;
/// The longest error text that is kept with a failed message, in bytes: enough for an HTTP status
/// and the first 2 KiB of what was answered with it.
pub const ERROR_BYTES: usize = 2 * 1024 + 64;
/// How many failures a dead letter's history keeps: the latest.
pub const HISTORY_ENTRIES: usize = 16;
/// How many settled ranges one request states at the most; the rest follows with the next.
pub const STATED_RANGES: usize = 1024;
/// The version of a message row that this crate writes and reads.
pub const ROW_VERSION: i64 = 1;
