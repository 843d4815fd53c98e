//! Runs one handler in its savepoint, whatever it does there.

use super::handlers::{Handler, Prepared};
use super::{Effect, Open};
use crate::error::Result;
use crate::failure::Failure;
use crate::message::Envelope;
use crate::store::transaction;
use std::panic::{AssertUnwindSafe, catch_unwind};

/// What is said of a handler that broke out.
pub(super) const ESCAPED: &str =
    "the handler ended the transaction it runs in, or left a statement open or query_only on";

/// What a handler did.
pub(super) enum Ran {
    /// Its effect, and the memory of it, are part of the transaction.
    Applied(Option<Vec<u8>>),
    /// Nothing of it is left.
    Failed(Failure),
    /// The transaction is gone, or no use any more, and everything in it.
    Escaped,
}

/// Runs a handler in a savepoint, and lets `remember` write down that it did.
///
/// # Errors
///
/// The database's own trouble: no message is to blame.
pub(super) fn handler(
    open: &Open,
    handler: &Handler,
    envelope: &Envelope,
    prepared: Option<&Prepared>,
    remember: impl FnOnce(Option<Vec<u8>>) -> Result<Option<Vec<u8>>>,
) -> Result<Ran> {
    let Open { connection, savepoint, .. } = open;
    savepoint.set(connection)?;
    let effect = Effect::new(connection, envelope);
    let result = catch_unwind(AssertUnwindSafe(|| handler.apply(&effect, prepared)))
        .unwrap_or_else(|panic| Err(Failure::panicked("the handler", &*panic)));
    // An open statement keeps its snapshot: once somebody else has written, no transaction could
    // begin any more. And under query_only the next messages would fail, and our own writes.
    if connection.is_busy() || transaction::is_query_only(connection)? {
        return Ok(Ran::Escaped);
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
            let reply = remember(reply)?;
            let kept = savepoint.release(connection).is_ok() || mistake!(EscapeUnnoticed);
            Ok(if kept { Ran::Applied(reply) } else { Ran::Escaped })
        }
        Err(failure) => {
            let undone = savepoint.undo(connection).is_ok();
            Ok(if undone { Ran::Failed(failure) } else { Ran::Escaped })
        }
    }
}
