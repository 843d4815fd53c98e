//! The producer: messages written in the transaction of the business rows, both or neither.
//!
//! It promises that a message is in the log if and only if the transaction commits. It starts
//! nothing and delivers nothing: that is the [`Relay`](crate::Relay)'s work, in this process or
//! another.

mod bound;
mod group;
mod handle;
mod idempotency;
mod ids;
mod write;

pub use handle::AsyncOutbox;
#[cfg(feature = "testing")]
pub(crate) use handle::Stepped;

use ids::Ids;
use write::{Host, Writer};

use crate::clock::WallMs;
use crate::database::Database;
use crate::error::{Error, ErrorKind, Result};
use crate::id::{MessageId, StoreId};
use crate::message::{Envelope, Message};
use crate::store::log::{self, LogRow, Reader};
use crate::store::open::Durability;
use crate::store::{self, FileIdentity, Role};
use crate::transaction::{InTransaction, inside};
use crate::wake::Doorbell;
use rusqlite::Connection;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::time::Duration;

/// Longer than a relay beside others holds the lock.
const GIVE_WAY_FOR: Duration = Duration::from_millis(1);
const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// The producer's side of the handoff.
///
/// Cheap to clone; holds no connection. Messages go through the caller's own transaction:
///
/// ```
/// use surehand::rusqlite::{Connection, TransactionBehavior};
/// use surehand::{Message, Outbox};
/// # let directory = tempfile::tempdir().unwrap();
/// # let path = directory.path().join("shop.db");
///
/// let outbox = Outbox::open(&path)?;
/// let mut db = Connection::open(&path)?;
/// # db.execute_batch("CREATE TABLE orders (id INTEGER PRIMARY KEY, sku TEXT)")?;
///
/// let tx = db.transaction_with_behavior(TransactionBehavior::Immediate)?;
/// tx.execute("INSERT INTO orders (sku) VALUES ('A-1')", [])?;
/// outbox.enqueue(&tx, Message::new("order.placed").key(1).json(&"A-1")?)?;
/// tx.commit()?; // both or neither
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct Outbox {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    database: Database,
    store: StoreId,
    file: FileIdentity,
    durability: Durability,
    doorbell: Doorbell,
    keep_idempotency_keys: Duration,
    looks: Looks,
    ids: Ids,
}

/// What was found when the host was last looked at.
#[derive(Debug, Default)]
struct Looks {
    /// Somebody has been told what its settings lose, if anything.
    at_settings: AtomicBool,
    /// Nobody bounds it.
    was_free: AtomicBool,
    /// The millisecond in which the file was in its place.
    file_seen_ms: AtomicI64,
}

impl Outbox {
    /// Opens the outbox in a database: makes its tables, under its own prefix, beside whatever else
    /// is there. A new file gets WAL mode; the settings of an existing one are left alone.
    ///
    /// # Errors
    ///
    /// When the file cannot be opened or written, is no database, has a newer schema, or a journal
    /// mode that survives no crash.
    pub fn open(database: impl Into<Database>) -> Result<Self> {
        let database = database.into();
        let connection = store::open(&database, Role::Outbox)?;
        let store = log::store(&connection)?.map(|store| store.id);
        let store = store.ok_or_else(|| wrong_database(None))?;
        let durability = Durability::of(&connection)?;
        let file = FileIdentity::of(database.path());
        let inner = Inner {
            database,
            store,
            file,
            durability,
            doorbell: Doorbell::new(),
            keep_idempotency_keys: DAY,
            looks: Looks::default(),
            ids: Ids::default(),
        };
        Ok(Self { inner: Arc::new(inner) })
    }

    /// Keeps idempotency keys for so long: a day unless told otherwise.
    #[must_use]
    pub fn keep_idempotency_keys(self, time: Duration) -> Self {
        let Inner { database, store, file, durability, doorbell, .. } = &*self.inner;
        let inner = Inner {
            database: database.clone(),
            store: *store,
            file: *file,
            durability: durability.clone(),
            doorbell: doorbell.clone(),
            keep_idempotency_keys: time,
            looks: Looks::default(),
            ids: Ids::default(),
        };
        Self { inner: Arc::new(inner) }
    }

    /// Writes a message in the caller's transaction, and returns its id.
    ///
    /// Nothing is sent before the transaction commits, and nothing is left of the message when it
    /// rolls back. An error of kind [`ErrorKind::DiskFull`] has rolled back the *whole* transaction
    /// (<https://sqlite.org/lang_transaction.html>).
    ///
    /// With an idempotency key that was used before, nothing is written and the first id returned.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::InvalidMessage`] over a limit, [`ErrorKind::Conflict`] for an idempotency key
    /// that was used with other content, [`ErrorKind::OutboxFull`] at a bound,
    /// [`ErrorKind::NotInTransaction`] after a raw `COMMIT`, [`ErrorKind::WrongDatabase`] when the
    /// transaction is on another database, [`ErrorKind::Replaced`] when the file is gone, which is
    /// looked at once in a millisecond.
    pub fn enqueue(&self, transaction: &impl InTransaction, message: Message) -> Result<MessageId> {
        let connection = inside(transaction)?;
        Writer::new(self, connection, Host::Unknown).write_one(message)
    }

    /// Writes many messages in the caller's transaction, and returns their ids in order.
    ///
    /// # Errors
    ///
    /// As [`enqueue`](Self::enqueue). The messages before the one that failed are written; roll the
    /// transaction back, or let it stand.
    pub fn enqueue_all(
        &self,
        transaction: &impl InTransaction,
        messages: impl IntoIterator<Item = Message>,
    ) -> Result<Vec<MessageId>> {
        let connection = inside(transaction)?;
        let mut writer = Writer::new(self, connection, self.check_host(connection)?);
        let ids = messages.into_iter().map(|message| writer.write(message)).collect();
        writer.finish()?;
        ids
    }

    /// The messages that are in the log, in order, as this connection sees them: for your unit
    /// tests, inside the transaction that enqueued them or after it. What is scheduled for later,
    /// settled or unreadable is not among them; a thousand at the most.
    ///
    /// ```
    /// # use surehand::{Message, Outbox, rusqlite::Connection};
    /// # let directory = tempfile::tempdir().unwrap();
    /// # let path = directory.path().join("shop.db");
    /// # let outbox = Outbox::open(&path)?;
    /// # let mut db = Connection::open(&path).unwrap();
    /// let tx = db.transaction().unwrap();
    /// outbox.enqueue(&tx, Message::new("order.placed").key(7))?;
    ///
    /// let pending = outbox.pending(&tx)?;
    /// assert_eq!((pending[0].topic(), pending[0].key()), ("order.placed", Some("7")));
    /// # Ok::<(), surehand::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// When the database cannot be read.
    pub fn pending(&self, connection: &Connection) -> Result<Vec<Envelope>> {
        let mut rows = Vec::new();
        let most = (1_000, usize::MAX);
        Reader::new(self.inner.store).read_after(connection, 0, most, &|_| true, &mut rows)?;
        Ok(rows.into_iter().filter_map(LogRow::into_envelope).collect())
    }

    /// The settings of the database as they were when the outbox was opened. `synchronous` is a
    /// property of each connection: see [`durability_of`](Self::durability_of) for yours.
    #[must_use]
    pub fn durability(&self) -> &Durability {
        &self.inner.durability
    }

    /// The settings of a connection, and with them what it promises.
    ///
    /// # Errors
    ///
    /// When the connection cannot be read.
    pub fn durability_of(&self, connection: &Connection) -> Result<Durability> {
        Durability::of(connection)
    }

    /// Commits, and tells the relays of this process at once. Without it they notice within
    /// milliseconds, as they do for other processes.
    ///
    /// A relay that waits for the write lock meanwhile goes first: this returns when it has let go,
    /// or after a millisecond.
    ///
    /// # Errors
    ///
    /// When the commit fails, or the database file was deleted or replaced
    /// ([`ErrorKind::Replaced`]): then nothing is written.
    pub fn commit(&self, transaction: rusqlite::Transaction<'_>) -> Result<()> {
        self.inner.file.check(self.inner.database.path())?;
        transaction.commit().map_err(|error| Error::sqlite("commit", error))?;
        self.committed();
        Ok(())
    }

    /// The bell that tells relays of this process about a commit:
    /// [`Relay::woken_by`](crate::Relay::woken_by).
    #[must_use]
    pub fn doorbell(&self) -> Doorbell {
        self.inner.doorbell.clone()
    }

    /// Whose messages these are.
    #[must_use]
    pub fn store_id(&self) -> StoreId {
        self.inner.store
    }

    pub(crate) fn database(&self) -> &Database {
        &self.inner.database
    }

    /// Tells relays of this process, and lets one go first that waits for the lock.
    fn committed(&self) {
        self.inner.doorbell.ring();
        self.inner.doorbell.turnstile().give_way(GIVE_WAY_FOR);
    }

    /// Whether the last look at the host found nobody who bounds it.
    fn was_free(&self) -> bool {
        self.inner.looks.was_free.load(Ordering::Relaxed)
    }

    /// Whether the file is in its place, asked once in a millisecond: each time would cost half an
    /// insert, and what happens between here and the commit is not seen either.
    fn check_file(&self, now_ms: WallMs) -> Result<()> {
        let Inner { database, file, looks, .. } = &*self.inner;
        if looks.file_seen_ms.load(Ordering::Relaxed) != now_ms {
            file.check(database.path())?;
            looks.file_seen_ms.store(now_ms, Ordering::Relaxed);
        }
        Ok(())
    }

    /// Whether this is the database the outbox was opened on; says whether it is bounded.
    fn check_host(&self, connection: &Connection) -> Result<Host> {
        self.inner.file.check(self.inner.database.path())?;
        let found = log::store(connection).map_err(|error| match error.kind() {
            ErrorKind::Sqlite => wrong_database(Some(error)),
            _ => error,
        })?;
        let found = found.filter(|store| store.id == self.inner.store);
        let found = found.ok_or_else(|| wrong_database(None))?;
        let looks = &self.inner.looks;
        if !looks.at_settings.swap(true, Ordering::Relaxed) {
            warn_of_losses(&Durability::of(connection)?);
        }
        looks.was_free.store(!found.bounded, Ordering::Relaxed);
        Ok(if found.bounded { Host::Bounded } else { Host::Free })
    }
}

fn wrong_database(source: Option<Error>) -> Error {
    let error = Error::new(
        ErrorKind::WrongDatabase,
        "the transaction is on another database than the outbox was opened on",
        "nothing was written; open the outbox on the database the transaction belongs to, or open \
         it again if that was given a new identity",
    );
    match source {
        Some(source) => error.because(source),
        None => error,
    }
}

fn warn_of_losses(durability: &Durability) {
    if let Some(losses) = durability.loses() {
        tracing::warn!(
            journal_mode = durability.journal_mode,
            synchronous = durability.synchronous,
            "the connection that enqueues does not survive a power cut: {losses}"
        );
    }
}
