//! Transactions and savepoints by hand, where rusqlite's guards cannot be held.

use super::{Context, read_one, run};
use crate::error::Result;
use rusqlite::{CachedStatement, Connection};

pub(crate) fn begin(connection: &Connection) -> Result<()> {
    mistake!(AnswerBeforeCommit: super::mistakes::commit_late(connection)?);
    run(connection, "BEGIN IMMEDIATE", [], "begin a transaction").map(drop)
}

pub(crate) fn commit(connection: &Connection) -> Result<()> {
    let committed = run(connection, "COMMIT", [], "commit").map(drop);
    mistake!(CommitErrorSwallowed ? Ok(()), else committed)
}

/// Rolls back, if there is something to roll back.
pub(crate) fn rollback(connection: &Connection) -> Result<()> {
    if connection.is_autocommit() {
        return Ok(());
    }
    run(connection, "ROLLBACK", [], "roll back").map(drop)
}

/// Around one message of a batch. A handler that knew the name could release it, or set it again in
/// a transaction of its own, and we would not notice: each connection draws another.
#[derive(Debug)]
pub(crate) struct MessageSavepoint {
    set: String,
    release: String,
    undo: String,
}

impl MessageSavepoint {
    pub(crate) fn named_by(random: [u8; 8]) -> Self {
        let name = format!("surehand_message_{:016x}", u64::from_le_bytes(random));
        Self {
            set: format!("SAVEPOINT {name}"),
            release: format!("RELEASE {name}"),
            undo: format!("ROLLBACK TO {name}"),
        }
    }

    /// Ready to be set again and again.
    pub(crate) fn on<'a>(&self, connection: &'a Connection) -> Result<Savepoints<'a>> {
        let prepare = |sql| connection.prepare_cached(sql).doing("prepare a savepoint");
        let (set, release) = (prepare(&self.set)?, prepare(&self.release)?);
        Ok(Savepoints { set, release, undo: prepare(&self.undo)? })
    }
}

/// The savepoints of the messages of one transaction, one after the other.
pub(crate) struct Savepoints<'a> {
    set: CachedStatement<'a>,
    release: CachedStatement<'a>,
    undo: CachedStatement<'a>,
}

impl Savepoints<'_> {
    pub(crate) fn set(&mut self) -> Result<()> {
        self.set.execute([]).doing("set a savepoint").map(drop)
    }

    pub(crate) fn release(&mut self) -> Result<()> {
        self.release.execute([]).doing("release a savepoint").map(drop)
    }

    pub(crate) fn undo(&mut self) -> Result<()> {
        self.undo.execute([]).doing("undo a message's effect")?;
        self.release()
    }
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
