//! The stored answers behind a connection of the layer's own, off the runtime's threads.

use super::answer::Answer;
use super::claim::Claim;
use crate::database::Database;
use crate::error::{Error, ErrorKind, Result};
use crate::http::underway::Underway;
use crate::id::StoreId;
use crate::store::idempotency::{self, ResponseRow};
use crate::store::open::Durability;
use crate::store::{self, FileIdentity, Role};
use rusqlite::Connection;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use tokio::sync::Mutex;

#[derive(Debug)]
pub(super) struct Memory {
    database: Database,
    store: StoreId,
    file: FileIdentity,
    host_checked: AtomicBool,
    pub(super) underway: Underway,
    /// Waiting for it takes no thread: at most one is blocked, whatever comes.
    connection: Arc<Mutex<Option<Connection>>>,
}

impl Memory {
    pub(super) fn open(database: Database) -> Result<Self> {
        let connection = connect(&database)?;
        let store = idempotency::store(&connection)?.ok_or_else(|| wrong_database(None))?;
        let file = FileIdentity::of(database.path());
        Ok(Self {
            database,
            store,
            file,
            host_checked: AtomicBool::new(false),
            underway: Underway::default(),
            connection: Arc::new(Mutex::new(Some(connection))),
        })
    }

    pub(super) fn now_ms(&self) -> i64 {
        self.database.now().wall_ms
    }

    /// The answer that is stored for this key.
    pub(super) async fn find(&self, claim: &Arc<Claim>) -> Result<Option<ResponseRow>> {
        let claim = Arc::clone(claim);
        self.run(claim, |connection, claim| claim.find(connection)).await
    }

    /// Keeps the answer, durably; gives the one that is there already if somebody was faster.
    pub(super) async fn remember(
        &self,
        claim: &Arc<Claim>,
        answer: Answer,
    ) -> Result<Option<ResponseRow>> {
        self.run(Arc::clone(claim), move |connection, claim| {
            store::write(connection, "remember an answer", |transaction| {
                match claim.remember(transaction, &answer)? {
                    true => Ok(None),
                    false => claim.find(transaction),
                }
            })
        })
        .await
    }

    async fn run<T: Send + 'static>(
        &self,
        claim: Arc<Claim>,
        work: impl FnOnce(&mut Connection, &Claim) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let mut slot = Arc::clone(&self.connection).lock_owned().await;
        let done = tokio::task::spawn_blocking(move || {
            let memory = &claim.memory;
            // Never a file that took the place of ours.
            memory.file.check(memory.database.path())?;
            let mut connection = match slot.take() {
                Some(connection) => connection,
                None => connect(&memory.database)?,
            };
            let done = work(&mut connection, &claim);
            if !done.as_ref().is_err_and(Error::poisons) {
                *slot = Some(connection);
            }
            done
        });
        done.await.unwrap_or_else(|error| Err(interrupted().because(error)))
    }

    /// Whether this connection of a handler's is on the database of the answers.
    pub(super) fn check_host(&self, connection: &Connection) -> Result<()> {
        self.file.check(self.database.path())?;
        let found = idempotency::store(connection).map_err(|error| match error.kind() {
            ErrorKind::Sqlite => wrong_database(Some(error)),
            _ => error,
        })?;
        if found != Some(self.store) {
            return Err(wrong_database(None));
        }
        if !self.host_checked.swap(true, Ordering::Relaxed) {
            warn_of_losses(&Durability::of(connection)?);
        }
        Ok(())
    }
}

fn connect(database: &Database) -> Result<Connection> {
    let connection = store::open(database, Role::Idempotency)?;
    idempotency::opened(&connection)?;
    Ok(connection)
}

fn wrong_database(source: Option<Error>) -> Error {
    let error = Error::new(
        ErrorKind::WrongDatabase,
        "the transaction is on another database than the answers to idempotency keys",
        "nothing was written; open `IdempotencyKeys` on the database the handler writes to",
    );
    match source {
        Some(source) => error.because(source),
        None => error,
    }
}

fn interrupted() -> Error {
    Error::new(
        ErrorKind::Unknown,
        "the thread that works on the answers to idempotency keys ended",
        "the outcome is unknown; send the request again with the same key",
    )
}

fn warn_of_losses(durability: &Durability) {
    if let Some(losses) = durability.loses() {
        tracing::warn!(
            journal_mode = durability.journal_mode,
            synchronous = durability.synchronous,
            "the connection that answers does not survive a power cut: {losses}"
        );
    }
}
