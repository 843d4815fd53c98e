//! The floor: nothing but the SQL that cannot be done without.
//!
//! A log and a position on one side, ids and effects on the other, a commit with a sync for each
//! step. It retries nothing, checks nothing and forgets no id; it is what a handoff costs on SQLite
//! before anything is promised.

pub mod drain;
pub mod enqueue;
pub mod flow;
pub mod host;
pub mod pipeline;
pub mod sync;

use crate::Outcome;
use rusqlite::Connection;
use std::path::Path;
use std::time::Duration;

pub const INSERT: &str = "INSERT INTO log (id, payload) VALUES (?1, ?2)";
pub const READ: &str = "SELECT seq, id, payload FROM log WHERE seq > ?1 ORDER BY seq LIMIT ?2";
pub const DELETE: &str = "DELETE FROM log WHERE seq <= ?1";
pub const MOVE: &str = "UPDATE position SET sent = ?1, settled = ?2";
pub const SEEN: &str = "INSERT INTO seen (id) VALUES (?1)";
pub const EFFECT: &str = "INSERT INTO effect (bytes) VALUES (?1)";

pub fn connect(path: &Path) -> Outcome<Connection> {
    let mut connection = Connection::open(path)?;
    connection.query_row("PRAGMA journal_mode = wal", [], |_| Ok(()))?;
    connection.execute_batch("PRAGMA synchronous = FULL")?;
    // SQLite's own sleeps for whole milliseconds: whoever meets another's lock would lose by that
    // more than by all the rest.
    connection.busy_handler(Some(|_| {
        crate::common::sleep(Duration::from_micros(100));
        true
    }))?;
    Ok(connection)
}

pub fn log(path: &Path) -> Outcome<Connection> {
    let connection = connect(path)?;
    connection.execute_batch(
        "CREATE TABLE IF NOT EXISTS log
             (seq INTEGER PRIMARY KEY AUTOINCREMENT, id BLOB, payload BLOB);
         CREATE TABLE IF NOT EXISTS position (sent INTEGER, settled INTEGER);
         INSERT INTO position SELECT 0, 0 WHERE NOT EXISTS (SELECT 1 FROM position);",
    )?;
    Ok(connection)
}

pub fn consumer(path: &Path) -> Outcome<Connection> {
    let connection = connect(path)?;
    connection.execute_batch(
        "CREATE TABLE IF NOT EXISTS seen (id BLOB PRIMARY KEY) WITHOUT ROWID;
         CREATE TABLE IF NOT EXISTS effect (number INTEGER PRIMARY KEY, bytes INTEGER);",
    )?;
    Ok(connection)
}
