//! What every scene here needs: a shop with an outbox, a relay on a thread, a clock to turn.

mod clock;
mod porter;
mod script;
mod shelf;

#[allow(unused_imports, reason = "two binaries play here, each with a part of it")]
pub(crate) use self::{
    clock::Hands,
    porter::{Parcel, Porter, porter, with_a_copy_under_way},
    script::{Letter, Mail, scripted, scripted_inbox},
    shelf::Shelf,
};

use std::path::{Path, PathBuf};
use std::sync::{Arc, mpsc};
use std::time::{Duration, Instant};
use surehand::operator::{DeadLetter, SubscriptionStats};
use surehand::rusqlite::{Connection, TransactionBehavior};
use surehand::{
    Database, Message, MessageId, Operator, Outbox, Relay, Result, RetryPolicy, Subscription,
};
use tokio::sync::oneshot;

/// Longer than anything here takes; whoever waits so long waits in vain.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);
/// Long enough for what must not happen to happen.
pub(crate) const A_WHILE: Duration = Duration::from_millis(150);

pub(crate) fn millis(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

/// A producer's database with an outbox in it.
pub(crate) struct Shop {
    directory: tempfile::TempDir,
    pub(crate) clock: Arc<Hands>,
    pub(crate) outbox: Outbox,
    db: Connection,
}

impl Shop {
    pub(crate) fn open() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let clock = Arc::new(Hands::default());
        let database = Database::new(directory.path().join("shop.db")).clock(clock.clone());
        let outbox = Outbox::open(database).unwrap();
        let db = Connection::open(directory.path().join("shop.db")).unwrap();
        db.busy_timeout(PATIENCE).unwrap();
        Self { directory, clock, outbox, db }
    }

    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    pub(crate) fn path(&self) -> PathBuf {
        self.file("shop.db")
    }

    pub(crate) fn database(&self) -> Database {
        Database::new(self.path()).clock(self.clock.clone())
    }

    /// Commits messages in one transaction.
    pub(crate) fn put(&mut self, messages: impl IntoIterator<Item = Message>) -> Vec<MessageId> {
        let tx = self.db.transaction_with_behavior(TransactionBehavior::Immediate).unwrap();
        let ids = self.outbox.enqueue_all(&tx, messages).unwrap();
        tx.commit().unwrap();
        ids
    }

    /// Somebody else commits this.
    pub(crate) fn execute(&self, sql: &str) {
        self.db.execute_batch(sql).unwrap();
    }

    pub(crate) fn relay(&self) -> Relay {
        Relay::open(self.database()).unwrap().drain_for(millis(200))
    }

    /// Starts a relay with one subscription.
    pub(crate) fn serve(
        &self,
        subscription: Subscription,
        transport: impl surehand::Transport,
    ) -> Running {
        Running::start(self.relay().subscribe(subscription, transport))
    }

    pub(crate) fn operator(&self) -> Operator {
        Operator::open(self.database()).unwrap()
    }

    pub(crate) fn stats(&self, name: &str) -> SubscriptionStats {
        let all = self.operator().stats().unwrap();
        all.into_iter().find(|stats| stats.name == name).expect("a subscription of that name")
    }

    pub(crate) fn count(&self, sql: &str) -> i64 {
        count(&self.path(), sql)
    }

    /// Waits until the log has so many messages.
    #[track_caller]
    pub(crate) fn until_the_log_has(&self, messages: i64) {
        let count = || self.count("SELECT count(*) FROM outbox_message");
        let there = || (count() == messages).then_some(());
        eventually(there).unwrap_or_else(|| panic!("{} are in the log", count()));
    }

    /// Waits until the statistics of `main` are as wanted.
    #[track_caller]
    pub(crate) fn until(
        &self,
        mut wanted: impl FnMut(&SubscriptionStats) -> bool,
    ) -> SubscriptionStats {
        let operator = self.operator();
        let mut last = None;
        let found = eventually(|| {
            let stats = operator.stats().unwrap().into_iter().find(|stats| stats.name == "main");
            last.clone_from(&stats);
            stats.filter(&mut wanted)
        });
        found.unwrap_or_else(|| panic!("the statistics stay {last:#?}"))
    }

    /// The dead letters of `main`, once there are so many.
    #[track_caller]
    pub(crate) fn dead(&self, letters: usize) -> Vec<DeadLetter> {
        let mut operator = self.operator();
        let list = eventually(|| {
            let dead = operator.dead_letters("main").ok()?;
            Some(dead.list(0, 1_000).unwrap()).filter(|list| list.len() == letters)
        });
        list.expect("so many dead letters")
    }
}

/// Asks again and again until there is an answer, or patience ends.
pub(crate) fn eventually<T>(mut ask: impl FnMut() -> Option<T>) -> Option<T> {
    let until = Instant::now() + PATIENCE;
    while Instant::now() < until {
        if let Some(answer) = ask() {
            return Some(answer);
        }
        // Nobody signals what another connection committed.
        std::thread::sleep(millis(2));
    }
    None
}

pub(crate) fn count(path: &Path, sql: &str) -> i64 {
    let db = Connection::open(path).unwrap();
    db.busy_timeout(PATIENCE).unwrap();
    db.query_row(sql, [], |row| row.get(0)).unwrap()
}

/// The subscription most scenes use: short waits, and no jump is longer than a second.
pub(crate) fn main_line() -> Subscription {
    main_line_named("main")
}

/// Another one like it.
pub(crate) fn main_line_named(name: &str) -> Subscription {
    Subscription::new(name).ack_timeout(PATIENCE).retry(quick())
}

pub(crate) fn quick() -> RetryPolicy {
    RetryPolicy::default().first_delay(millis(5)).longest_delay(millis(20)).max_failures(3)
}

pub(crate) fn plain(number: i64) -> Message {
    Message::new("order.placed").json(&number).unwrap()
}

pub(crate) fn keyed(key: &str, number: i64) -> Message {
    plain(number).key(key)
}

/// A relay on a thread of its own, with a runtime of its own.
pub(crate) struct Running {
    shutdown: Option<oneshot::Sender<()>>,
    cut: Option<oneshot::Sender<()>>,
    ended: mpsc::Receiver<Option<Result<()>>>,
}

impl Running {
    pub(crate) fn start(relay: Relay) -> Self {
        let (shutdown, wanted) = oneshot::channel::<()>();
        let (cut, cutting) = oneshot::channel::<()>();
        let (end, ended) = mpsc::channel();
        std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
            let result = runtime.block_on(async move {
                tokio::select! {
                    biased;
                    Ok(()) = cutting => None,
                    result = relay.run_until(async { drop(wanted.await) }) => Some(result),
                }
            });
            end.send(result)
        });
        Self { shutdown: Some(shutdown), cut: Some(cut), ended }
    }

    /// Shuts it down, and waits for its end.
    #[track_caller]
    pub(crate) fn stop(mut self) {
        drop(self.shutdown.take());
        self.outcome().unwrap();
    }

    /// Shuts it down, and says what it ends with.
    #[track_caller]
    pub(crate) fn end(mut self) -> Result<()> {
        drop(self.shutdown.take());
        self.outcome()
    }

    /// Asks it to shut down; it ends when it is done.
    pub(crate) fn ask_to_stop(&mut self) {
        drop(self.shutdown.take());
    }

    /// Drops its future in the middle.
    #[track_caller]
    pub(crate) fn cut(mut self) {
        self.cut.take().unwrap().send(()).unwrap();
        assert!(self.ended.recv_timeout(PATIENCE).unwrap().is_none());
    }

    /// What it ends with on its own.
    #[track_caller]
    pub(crate) fn outcome(&self) -> Result<()> {
        self.ended.recv_timeout(PATIENCE).expect("the relay ends").expect("it was not cut")
    }

    pub(crate) fn is_running(&self) -> bool {
        matches!(self.ended.try_recv(), Err(mpsc::TryRecvError::Empty))
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        drop(self.shutdown.take());
        // A test that failed already is not helped by waiting.
        if !std::thread::panicking() {
            let _ = self.ended.recv_timeout(PATIENCE);
        }
    }
}
