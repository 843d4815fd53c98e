//! The SQL of mistakes that are made on purpose. For tests.

use super::run;
use crate::error::Result;
use rusqlite::Connection;

/// Sets `synchronous` of a connection lower than it must be.
pub(crate) fn be_careless(connection: &Connection) -> Result<()> {
    run(connection, "PRAGMA synchronous = NORMAL", [], "be careless").map(drop)
}

/// Sets it back.
pub(crate) fn be_careful(connection: &Connection) -> Result<()> {
    run(connection, "PRAGMA synchronous = EXTRA", [], "be careful").map(drop)
}

/// Ends the transaction, and begins another.
pub(crate) fn tear(connection: &Connection) -> Result<()> {
    super::transaction::commit(connection)?;
    super::transaction::begin(connection)
}

/// Forgets what was applied.
pub(crate) fn forget_seen(connection: &Connection, source: i64) -> Result<()> {
    run(connection, "DELETE FROM inbox_seen WHERE source = ?1", [source], "forget").map(drop)
}

/// Empties the log of exceptions as well.
pub(crate) fn prune_all(connection: &Connection, after: i64, through: i64) -> Result<()> {
    let sql = "DELETE FROM outbox_message WHERE seq > ?1 AND seq <= ?2";
    run(connection, sql, [after, through], "prune too much").map(drop)
}

/// Forgets that messages were skipped.
pub(crate) fn forget_skip(connection: &Connection, subscription: i64, seq: i64) -> Result<()> {
    for sql in [
        "DELETE FROM outbox_skip WHERE subscription = ?1 AND seq = ?2",
        "DELETE FROM outbox_delivery WHERE subscription = ?1 AND seq = ?2",
    ] {
        run(connection, sql, [subscription, seq], "forget a skip")?;
    }
    Ok(())
}
