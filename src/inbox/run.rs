//! Runs one handler in its savepoint, whatever it does there.

use super::Effect;
use super::handlers::{Handler, Prepared};
use crate::error::Result;
use crate::failure::Failure;
use crate::message::Envelope;
use crate::store::transaction::{self, Savepoints};
use rusqlite::Connection;
use std::panic::{AssertUnwindSafe, catch_unwind};

/// What is said of a handler that broke out.
pub(super) const ESCAPED: &str =
    "the handler ended the transaction it runs in, or left a statement open or query_only on";

/// What a handler did.
pub(super) enum Ran {
    /// Its effect is part of the transaction, and so the memory of it has to be.
    Applied(Option<Vec<u8>>),
    /// Nothing of it is left.
    Failed(Failure),
    /// The transaction is gone, and everything in it.
    Escaped,
    /// The connection is no use any more, by this one or by one before it in the transaction.
    Spoilt,
}

/// Runs a handler in a savepoint. Who spoils the connection and says that all is well is noticed
/// before the transaction is committed ([`is_spoilt`]).
///
/// # Errors
///
/// The database's own trouble: no message is to blame.
pub(super) fn handler(
    connection: &Connection,
    savepoints: &mut Savepoints<'_>,
    (handler, prepared): (&Handler, Option<&Prepared>),
    envelope: &Envelope,
) -> Result<Ran> {
    savepoints.set()?;
    let effect = Effect::new(connection, envelope);
    let result = catch_unwind(AssertUnwindSafe(|| handler.apply(&effect, prepared)))
        .unwrap_or_else(|panic| Err(Failure::panicked("the handler", &*panic)));
    if result.is_err() && is_spoilt(connection)? {
        return Ok(Ran::Spoilt);
    }
    let ended = connection.is_autocommit() && !mistake!(EscapeUnnoticed);
    let cause = result.as_ref().err().and_then(Failure::of_the_ground);
    // What failed in a part, and the handler went on, counts if it took the transaction with it.
    if let Some(error) = cause.or(effect.ground.take().filter(|_| ended)) {
        return Err(error);
    }
    // A rollback under our feet: what comes next would commit on its own.
    if ended {
        return Ok(Ran::Escaped);
    }
    match result {
        Ok(reply) => {
            let kept = savepoints.release().is_ok() || mistake!(EscapeUnnoticed);
            Ok(if kept { Ran::Applied(reply) } else { Ran::Escaped })
        }
        Err(failure) => {
            let undone = savepoints.undo().is_ok();
            Ok(if undone { Ran::Failed(failure) } else { Ran::Escaped })
        }
    }
}

/// Whether a handler left a statement open, which keeps its snapshot: once somebody else has
/// written, no transaction could begin any more. Or query_only on: the next messages would fail,
/// and our own writes.
pub(super) fn is_spoilt(connection: &Connection) -> Result<bool> {
    Ok(connection.is_busy() || transaction::is_query_only(connection)?)
}
