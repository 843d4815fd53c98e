//! What there is to count.

use super::read_one;
use crate::error::Result;
use rusqlite::Connection;

pub(super) const DATA_VERSION: &str = "PRAGMA data_version";

/// Changes when another connection has committed.
pub(crate) fn data_version(connection: &Connection) -> Result<i64> {
    let version = read_one(connection, DATA_VERSION, [], "look for commits", |row| {
        row.get(0)
    })?;
    Ok(version.unwrap_or(0))
}
