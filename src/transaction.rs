//! What counts as being inside a transaction: a capability, not a promise.

use crate::error::{Error, ErrorKind, Result};
use rusqlite::{Connection, Savepoint, Transaction};

/// Something that exists only inside a transaction: a [`Transaction`], a [`Savepoint`], or the
/// [`Effect`](crate::Effect) a handler runs in.
///
/// Sealed: it cannot be implemented elsewhere, so that enqueueing outside a transaction does not
/// compile.
///
/// ```compile_fail
/// let outbox = surehand::Outbox::open("shop.db").unwrap();
/// let connection = surehand::rusqlite::Connection::open("shop.db").unwrap();
/// outbox.enqueue(&connection, surehand::Message::new("order.placed"));
/// ```
pub trait InTransaction: sealed::Sealed {
    /// The connection that is inside the transaction.
    #[doc(hidden)]
    fn connection(&self) -> &Connection;
}

pub(crate) mod sealed {
    /// Only this crate says what a transaction is.
    #[allow(unreachable_pub)]
    pub trait Sealed {}
}

impl sealed::Sealed for Transaction<'_> {}
impl InTransaction for Transaction<'_> {
    fn connection(&self) -> &Connection {
        self
    }
}

impl sealed::Sealed for Savepoint<'_> {}
impl InTransaction for Savepoint<'_> {
    fn connection(&self) -> &Connection {
        self
    }
}

/// The connection, if its transaction is still there: a raw `COMMIT` or a statement with
/// `OR ROLLBACK` may have ended it under the guard.
pub(crate) fn inside(transaction: &impl InTransaction) -> Result<&Connection> {
    let connection = transaction.connection();
    still_inside(connection).map(|()| connection)
}

/// Fails when the transaction is over.
pub(crate) fn still_inside(connection: &Connection) -> Result<()> {
    if connection.is_autocommit() {
        return Err(Error::new(
            ErrorKind::NotInTransaction,
            "the transaction is over: a raw COMMIT or ROLLBACK, or an error that rolls back, \
             ended it",
            "nothing was written; begin another transaction and do all of it again",
        ));
    }
    Ok(())
}
