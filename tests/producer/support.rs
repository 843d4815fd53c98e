//! A shop with an outbox, a clock to set, and ways to look at what was written.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, Instant};
use surehand::clock::{Clock, Now};
use surehand::rusqlite::{Connection, Transaction, TransactionBehavior};
use surehand::transport::Local;
use surehand::{Database, Effect, Error, Inbox, Message, Outbox, Relay};
use tempfile::TempDir;

/// Longer than anything here takes; whoever waits so long waits in vain.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);
/// Where a clock that is set by hand begins.
pub(crate) const START_MS: i64 = 1_700_000_000_000;

/// A shop's database, with its business table and an outbox.
pub(crate) struct Shop {
    pub(crate) directory: TempDir,
    pub(crate) path: PathBuf,
    pub(crate) outbox: Outbox,
    pub(crate) db: Connection,
}

impl Shop {
    pub(crate) fn new() -> Self {
        Self::with(|database| database)
    }

    /// With another clock, randomness, or way to open.
    pub(crate) fn with(change: impl FnOnce(Database) -> Database) -> Self {
        super::loud::listen();
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("shop.db");
        let outbox = Outbox::open(change(Database::new(&path))).unwrap();
        let db = Connection::open(&path).unwrap();
        db.execute_batch("CREATE TABLE orders (id INTEGER PRIMARY KEY)").unwrap();
        Self { directory, path, outbox, db }
    }

    pub(crate) fn begin(&mut self) -> (Transaction<'_>, &Outbox) {
        (begin(&mut self.db), &self.outbox)
    }

    /// Enqueues one message in a transaction of its own.
    pub(crate) fn enqueue(&mut self, message: Message) -> Result<surehand::MessageId, Error> {
        let (tx, outbox) = self.begin();
        let id = outbox.enqueue(&tx, message)?;
        tx.commit().unwrap();
        Ok(id)
    }

    /// How many orders and messages another connection sees.
    pub(crate) fn written(&self) -> (i64, i64) {
        written(&self.path)
    }

    /// One value, as another connection sees it.
    pub(crate) fn read<T: surehand::rusqlite::types::FromSql>(&self, sql: &str) -> T {
        read(&self.path, sql)
    }
}

pub(crate) fn begin(db: &mut Connection) -> Transaction<'_> {
    db.transaction_with_behavior(TransactionBehavior::Immediate).unwrap()
}

pub(crate) fn order(connection: &Connection, id: i64) {
    connection.execute("INSERT INTO orders (id) VALUES (?1)", [id]).unwrap();
}

pub(crate) fn placed() -> Message {
    Message::new("order.placed")
}

pub(crate) fn read<T: surehand::rusqlite::types::FromSql>(path: &Path, sql: &str) -> T {
    Connection::open(path).unwrap().query_row(sql, [], |row| row.get(0)).unwrap()
}

pub(crate) fn written(path: &Path) -> (i64, i64) {
    let count = |table: &str| read(path, &format!("SELECT count(*) FROM {table}"));
    (count("orders"), count("outbox_message"))
}

/// Delivers all that is in the log to an inbox which notes what it is given; says what that was,
/// as text, in order.
pub(crate) async fn deliver(shop: &Path) -> Vec<String> {
    let consumer = shop.with_file_name("warehouse.db");
    if !consumer.exists() {
        Connection::open(&consumer)
            .unwrap()
            .execute_batch(
                "PRAGMA journal_mode = wal;
                CREATE TABLE received (n INTEGER PRIMARY KEY, payload TEXT)",
            )
            .unwrap();
    }
    let inbox = Inbox::open(&consumer).unwrap().on("order.placed", note);
    Relay::open(shop).unwrap().deliver_to(Local::new(inbox)).run_until_idle().await.unwrap();
    let db = Connection::open(&consumer).unwrap();
    let mut statement = db.prepare("SELECT payload FROM received ORDER BY n").unwrap();
    statement.query_map([], |row| row.get(0)).unwrap().map(Result::unwrap).collect()
}

fn note(tx: &Effect, payload: Vec<u8>) -> Result<(), surehand::Failure> {
    let payload = String::from_utf8_lossy(&payload);
    tx.execute("INSERT INTO received (payload) VALUES (?1)", [payload])?;
    Ok(())
}

/// Runs a relay until nothing is left to do but what waits for a person.
pub(crate) async fn settle(relay: Relay) {
    let idle = tokio::time::timeout(PATIENCE, relay.run_until_idle());
    idle.await.expect("the relay does not come to rest").unwrap();
}

/// Asks again and again until there is an answer, or patience ends.
pub(crate) fn eventually<T>(mut ask: impl FnMut() -> Option<T>) -> Option<T> {
    let until = Instant::now() + PATIENCE;
    while Instant::now() < until {
        if let Some(answer) = ask() {
            return Some(answer);
        }
        // Nobody signals what another thread let go.
        std::thread::sleep(Duration::from_millis(2));
    }
    None
}

/// A clock that stands still until it is set.
#[derive(Debug)]
pub(crate) struct SetClock(AtomicI64);

impl SetClock {
    pub(crate) fn new() -> Arc<Self> {
        Arc::new(Self(AtomicI64::new(START_MS)))
    }

    pub(crate) fn forward(&self, time: Duration) {
        self.0.fetch_add(i64::try_from(time.as_millis()).unwrap(), Ordering::SeqCst);
    }
}

impl Clock for SetClock {
    fn now(&self) -> Now {
        let wall_ms = self.0.load(Ordering::SeqCst);
        Now { wall_ms, tick: Duration::from_millis(u64::try_from(wall_ms - START_MS).unwrap()) }
    }
}
