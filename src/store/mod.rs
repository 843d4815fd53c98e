//! The only SQL in the crate, with `migrations/`: opening, checking, and one small function for
//! each statement.
//!
//! It promises that every write runs inside a transaction somebody else began and ends (through
//! [`write`]), so that what belongs together is committed together. It decides nothing: what to
//! write is decided by `relay::lane` and `inbox::admit`.

#[cfg(feature = "testing")]
pub(crate) mod audit;
mod busy;
pub(crate) mod checkpoint;
pub(crate) mod dead;
pub(crate) mod delivery;
pub(crate) mod gate;
#[cfg(feature = "http-server")]
pub(crate) mod idempotency;
pub(crate) mod inbox;
pub(crate) mod log;
#[cfg(feature = "testing")]
pub(crate) mod mistakes;
pub(crate) mod open;
pub(crate) mod prune;
mod row;
mod schema;
pub(crate) mod stats;
pub(crate) mod subscription;
pub(crate) mod transaction;

#[cfg(test)]
mod plans;

use crate::error::{Error, Result};
use rusqlite::{Connection, Transaction, TransactionBehavior};

pub(crate) use gate::Gate;
pub(crate) use open::{FileIdentity, Role, open};

/// Runs `work` in one IMMEDIATE transaction and commits it.
///
/// IMMEDIATE, because a transaction that reads first and writes later fails at once with
/// `SQLITE_BUSY_SNAPSHOT`, whatever the busy timeout (<https://sqlite.org/isolation.html>).
pub(crate) fn write<T>(
    connection: &mut Connection,
    what: &str,
    work: impl FnOnce(&Transaction<'_>) -> Result<T>,
) -> Result<T> {
    let transaction = connection
        .transaction_with_behavior(TransactionBehavior::Immediate)
        .map_err(|error| Error::sqlite(what, error))?;
    let value = work(&transaction)?;
    transaction.commit().map_err(|error| Error::sqlite(what, error))?;
    Ok(value)
}

/// Runs several reads on one snapshot: what they find belongs together.
pub(crate) fn snapshot<T>(
    connection: &Connection,
    what: &str,
    work: impl FnOnce(&Connection) -> Result<T>,
) -> Result<T> {
    let transaction = connection.unchecked_transaction().doing(what)?;
    work(&transaction)
}

/// A number that may have been written with a fraction; nothing else is one.
fn whole(value: rusqlite::types::ValueRef<'_>) -> Option<i64> {
    match value {
        rusqlite::types::ValueRef::Integer(number) => Some(number),
        #[allow(clippy::cast_possible_truncation, reason = "it ends at the largest there is")]
        rusqlite::types::ValueRef::Real(number) => Some(number as i64),
        _ => None,
    }
}

/// Maps a statement's error to ours, saying what was being done.
pub(crate) trait Context<T> {
    fn doing(self, what: &str) -> Result<T>;
}

impl<T> Context<T> for rusqlite::Result<T> {
    fn doing(self, what: &str) -> Result<T> {
        self.map_err(|error| Error::sqlite(what, error))
    }
}

/// Runs a cached statement that returns no rows.
pub(crate) fn run(
    connection: &Connection,
    sql: &str,
    parameters: impl rusqlite::Params,
    what: &str,
) -> Result<usize> {
    let mut statement = connection.prepare_cached(sql).doing(what)?;
    statement.execute(parameters).doing(what)
}

/// Reads one row with a cached statement; none when there is none.
pub(crate) fn read_one<T>(
    connection: &Connection,
    sql: &str,
    parameters: impl rusqlite::Params,
    what: &str,
    read: impl FnOnce(&rusqlite::Row<'_>) -> rusqlite::Result<T>,
) -> Result<Option<T>> {
    let mut statement = connection.prepare_cached(sql).doing(what)?;
    let mut rows = statement.query(parameters).doing(what)?;
    match rows.next().doing(what)? {
        Some(row) => read(row).map(Some).doing(what),
        None => Ok(None),
    }
}

/// Reads all rows with a cached statement.
pub(crate) fn read_all<T>(
    connection: &Connection,
    sql: &str,
    parameters: impl rusqlite::Params,
    what: &str,
    read: impl FnMut(&rusqlite::Row<'_>) -> rusqlite::Result<T>,
) -> Result<Vec<T>> {
    let mut statement = connection.prepare_cached(sql).doing(what)?;
    let rows = statement.query_map(parameters, read).doing(what)?;
    rows.collect::<rusqlite::Result<_>>().doing(what)
}
