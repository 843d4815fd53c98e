//! Keeps a handler inside its transaction.
//!
//! After `INSERT OR ROLLBACK`, or a full disk, a handler's next statement would commit on its own:
//! an effect without a memory of it. A commit hook refuses every commit that is not ours.

use super::{Context, transaction};
use crate::error::{Error, ErrorKind, Result};
use rusqlite::Connection;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

#[derive(Clone, Debug)]
pub(crate) struct Gate(Arc<AtomicBool>);

/// Whether a mistake needs commits that are not ours.
fn is_torn() -> bool {
    mistake!(
        GroupAnsweredEarly
            | AnswerBeforeCommit
            | MemoryBeforeEffect
            | MemoryAfterEffect
            | EscapeUnnoticed
    )
}

impl Gate {
    /// Closes the gate of a connection of ours.
    pub(crate) fn guard(connection: &mut Connection) -> Result<Self> {
        let open = Arc::new(AtomicBool::new(false));
        let seen = Arc::clone(&open);
        // What the hook returns is whether the commit becomes a rollback.
        let refuse = move || !seen.load(Ordering::SeqCst) && !is_torn();
        connection.commit_hook(Some(refuse)).doing("guard the consumer's transactions")?;
        Ok(Self(open))
    }

    /// Commits: the only way through.
    pub(crate) fn commit(&self, connection: &Connection) -> Result<()> {
        if connection.is_autocommit() {
            return Err(Error::new(
                ErrorKind::NotInTransaction,
                "the consumer's transaction is gone",
                "a handler must not end the transaction it runs in",
            ));
        }
        self.0.store(true, Ordering::SeqCst);
        let committed = transaction::commit(connection);
        self.0.store(false, Ordering::SeqCst);
        committed
    }

    /// Commits, or rolls back and says what the commit violates, such as a constraint that is
    /// deferred until then: what was done in it is to blame, not the database.
    pub(crate) fn commit_or_blame(&self, connection: &Connection) -> Result<Result<(), Error>> {
        let Err(error) = self.commit(connection) else { return Ok(Ok(())) };
        // A commit that is busy leaves the transaction open, and with it the lock.
        let undone = transaction::rollback(connection);
        if !error.is_violation() {
            return Err(error);
        }
        undone?;
        Ok(Err(error))
    }

    /// Runs work without handlers in a transaction of its own.
    pub(crate) fn write<T>(
        &self,
        connection: &Connection,
        work: impl FnOnce(&Connection) -> Result<T>,
    ) -> Result<T> {
        transaction::begin(connection)?;
        let value = work(connection).and_then(|value| self.commit(connection).map(|()| value));
        if value.is_err() {
            // The connection is dropped, or the next BEGIN tells.
            let _ = transaction::rollback(connection);
        }
        value
    }
}
