//! What a handler works with: the transaction its effect becomes part of.

use crate::error::{Error, Result};
use crate::failure::Failure;
use crate::message::Envelope;
use crate::store::transaction;
use crate::transaction::{InTransaction, sealed};
use rusqlite::Connection;
use std::cell::Cell;
use std::fmt;
use std::ops::Deref;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};

/// The transaction a handler's effect becomes part of, and the message it is for.
///
/// Derefs to the [`Connection`]. The transaction is not the handler's to end: a `COMMIT` is
/// refused, and after a `ROLLBACK` nothing of the batch counts. What a handler enqueues here is
/// committed with its effect:
///
/// ```
/// use surehand::{Effect, Inbox, Json, Message, Outbox};
/// # let directory = tempfile::tempdir().unwrap();
/// # let path = directory.path().join("warehouse.db");
///
/// let outbox = Outbox::open(&path)?; // in the consumer's own database
/// let warehouse = Inbox::open(&path)?.on("order.placed", move |tx: &Effect, order: Json<i64>| {
///     tx.execute("UPDATE stock SET reserved = reserved + 1", [])?;
///     // Its failure undoes this part alone, and the order is taken all the same.
///     let noted = tx.savepoint(|tx| {
///         tx.execute("INSERT INTO note (attempt) VALUES (?1)", [tx.envelope().attempt()])?;
///         Ok(())
///     });
///     let topic = if noted.is_ok() { "order.reserved" } else { "order.unnoted" };
///     outbox.enqueue(tx, Message::new(topic).key(*order).json(&*order)?)?;
///     Ok(())
/// });
/// # Ok::<(), surehand::Error>(())
/// ```
pub struct Effect<'a> {
    connection: &'a Connection,
    envelope: &'a Envelope,
    /// The database's own trouble that a part failed by, whatever the handler makes of it.
    pub(super) ground: Cell<Option<Error>>,
}

impl<'a> Effect<'a> {
    pub(super) fn new(connection: &'a Connection, envelope: &'a Envelope) -> Self {
        Self { connection, envelope, ground: Cell::new(None) }
    }

    /// The message: its id, attempt, key, headers and time.
    #[must_use]
    pub fn envelope(&self) -> &Envelope {
        self.envelope
    }

    /// Runs a part of the effect in a savepoint: when it fails, that part alone is undone.
    ///
    /// # Errors
    ///
    /// What `part` returns, or the database's own failure.
    pub fn savepoint<T>(
        &self,
        part: impl FnOnce(&Self) -> Result<T, Failure>,
    ) -> Result<T, Failure> {
        let result = self.run(part);
        if let Some(error) = result.as_ref().err().and_then(Failure::of_the_ground) {
            self.ground.set(Some(error));
        }
        result
    }

    fn run<T>(&self, part: impl FnOnce(&Self) -> Result<T, Failure>) -> Result<T, Failure> {
        transaction::nested(self.connection)?;
        match catch_unwind(AssertUnwindSafe(|| part(self))) {
            Ok(Ok(value)) => {
                transaction::release_nested(self.connection)?;
                Ok(value)
            }
            Ok(Err(failure)) => {
                self.undo()?;
                Err(failure)
            }
            Err(panic) => {
                self.undo()?;
                resume_unwind(panic)
            }
        }
    }

    /// Undoes a part, unless all is undone already: a full disk, a rollback.
    fn undo(&self) -> Result<()> {
        if self.connection.is_autocommit() {
            return Ok(());
        }
        transaction::undo_nested(self.connection)
    }
}

impl Deref for Effect<'_> {
    type Target = Connection;

    fn deref(&self) -> &Connection {
        self.connection
    }
}

impl sealed::Sealed for Effect<'_> {}
impl InTransaction for Effect<'_> {
    fn connection(&self) -> &Connection {
        self.connection
    }
}

impl fmt::Debug for Effect<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Effect").field("id", &self.envelope.id()).finish_non_exhaustive()
    }
}
