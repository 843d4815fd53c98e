//! Transactions and savepoints by hand, where rusqlite's guards cannot be held.

use super::{read_one, run};
use crate::error::Result;
use rusqlite::Connection;

pub(crate) fn begin(connection: &Connection) -> Result<()> {
    run(connection, "BEGIN IMMEDIATE", [], "begin a transaction").map(drop)
}

pub(crate) fn commit(connection: &Connection) -> Result<()> {
    run(connection, "COMMIT", [], "commit").map(drop)
}

/// Rolls back, if there is something to roll back.
pub(crate) fn rollback(connection: &Connection) -> Result<()> {
    if connection.is_autocommit() {
        return Ok(());
    }
    run(connection, "ROLLBACK", [], "roll back").map(drop)
}

/// Around one message of a batch.
pub(crate) fn savepoint(connection: &Connection) -> Result<()> {
    run(connection, "SAVEPOINT surehand_message", [], "set a savepoint").map(drop)
}

pub(crate) fn release(connection: &Connection) -> Result<()> {
    run(connection, "RELEASE surehand_message", [], "release a savepoint").map(drop)
}

pub(crate) fn undo(connection: &Connection) -> Result<()> {
    run(connection, "ROLLBACK TO surehand_message", [], "undo a message's effect")?;
    release(connection)
}

/// Whether every write on this connection is refused. Setting it expires the cached statement, so
/// the answer is never an old one.
pub(crate) fn is_query_only(connection: &Connection) -> Result<bool> {
    let sql = "PRAGMA query_only";
    let set = read_one(connection, sql, [], "look at query_only", |row| row.get(0))?;
    Ok(set.unwrap_or(false))
}

/// Inside a handler.
pub(crate) fn nested(connection: &Connection) -> Result<()> {
    run(connection, "SAVEPOINT surehand_nested", [], "set a savepoint").map(drop)
}

pub(crate) fn release_nested(connection: &Connection) -> Result<()> {
    run(connection, "RELEASE surehand_nested", [], "release a savepoint").map(drop)
}

pub(crate) fn undo_nested(connection: &Connection) -> Result<()> {
    run(connection, "ROLLBACK TO surehand_nested", [], "undo a part of an effect")?;
    release_nested(connection)
}
