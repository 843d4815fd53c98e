//! The async producer: many callers, one commit.
//!
//! The store's thread takes whatever callers hand in while it commits, runs each in a savepoint of
//! the next transaction, and answers all of them after the commit that makes the answer true.

use super::Outbox;
use crate::error::{Error, ErrorKind, Result};
use crate::id::MessageId;
use crate::message::Message;
use crate::store::{self, Context, FileIdentity, Gate, Role};
use rusqlite::{Connection, Savepoint};
use std::panic::{AssertUnwindSafe, catch_unwind};
use tokio::sync::{mpsc, oneshot};

/// How many callers share one commit at the most.
const GROUP: usize = 256;

/// The producer's side for async callers: concurrent callers share one durable commit.
///
/// A type of its own: its transaction is not the caller's. Cheap to clone; the thread ends with the
/// last clone. Dropping a future that was polled does not take the message back.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use surehand::{AsyncOutbox, Message, Outbox};
/// # let directory = tempfile::tempdir()?;
/// # let path = directory.path().join("shop.db");
///
/// let outbox = AsyncOutbox::start(Outbox::open(&path)?)?;
/// let id = outbox.enqueue(Message::new("order.placed").json(&41)?).await?; // durable
/// # let db = surehand::rusqlite::Connection::open(&path)?;
/// # db.execute_batch("CREATE TABLE orders (id INTEGER)")?;
///
/// outbox.transact(|tx, outbox| {
///     tx.execute("INSERT INTO orders (id) VALUES (42)", [])?;
///     outbox.enqueue(tx, Message::new("order.placed").json(&42)?)?;
///     Ok::<(), Box<dyn std::error::Error + Send + Sync>>(())
/// }).await.map_err(|error| error.to_string())?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct AsyncOutbox {
    jobs: mpsc::Sender<Job>,
}

/// Answers a caller once the outcome of the commit is known.
type Answer = Box<dyn FnOnce(Result<()>) + Send>;
/// A caller's work; says whether its savepoint is kept, and how to answer. Without a savepoint it
/// is not run, only answered.
type Job = Box<dyn FnOnce(Option<&Savepoint<'_>>, &Outbox) -> (bool, Answer) + Send>;

impl AsyncOutbox {
    /// Starts the store's thread, with a connection of its own at full durability.
    ///
    /// # Errors
    ///
    /// When the database cannot be opened, or the system gives no thread.
    pub fn start(outbox: Outbox) -> Result<Self> {
        let store = Store::open(outbox)?;
        let (jobs, received) = mpsc::channel(4 * GROUP);
        std::thread::Builder::new()
            .name("surehand-outbox".into())
            .spawn(move || store.serve(received))
            .map_err(|error| {
                Error::new(ErrorKind::Environment, "no thread for the outbox", "try again")
                    .because(error)
            })?;
        Ok(Self { jobs })
    }

    /// Writes a message; returns after a durable commit.
    ///
    /// # Errors
    ///
    /// As [`Outbox::enqueue`]; and [`ErrorKind::Unknown`] when the commit met an I/O error: the
    /// message may be written or not. Use an idempotency key to do it again safely.
    pub async fn enqueue(&self, message: Message) -> Result<MessageId> {
        self.transact(move |transaction, outbox| outbox.enqueue(transaction, message)).await
    }

    /// Runs the caller's own rows and messages in one savepoint; returns after a durable commit.
    /// An error of `work` undoes its savepoint alone.
    ///
    /// # Errors
    ///
    /// What `work` returns, or the fate of the commit as of [`enqueue`](Self::enqueue).
    pub async fn transact<T, E, F>(&self, work: F) -> Result<T, E>
    where
        T: Send + 'static,
        E: From<Error> + Send + 'static,
        F: FnOnce(&Savepoint<'_>, &Outbox) -> Result<T, E> + Send + 'static,
    {
        let (answer, answered) = oneshot::channel::<Result<T, E>>();
        let job: Job = Box::new(move |savepoint, outbox| {
            let result = match savepoint {
                Some(savepoint) => catch_unwind(AssertUnwindSafe(|| work(savepoint, outbox)))
                    .unwrap_or_else(|_| Err(panicked().into())),
                None => Err(stopped().into()),
            };
            let keep = result.is_ok();
            let reply = move |committed: Result<()>| {
                let result = committed.map_err(E::from).and(result);
                // A caller that went away is told nothing.
                let _ = answer.send(result);
            };
            (keep, Box::new(reply))
        });
        self.jobs.send(job).await.map_err(|_| stopped())?;
        answered.await.map_err(|_| stopped())?
    }
}

/// The thread's side.
struct Store {
    outbox: Outbox,
    open: Option<(Connection, Gate, FileIdentity)>,
}

impl Store {
    fn open(outbox: Outbox) -> Result<Self> {
        let mut store = Self { outbox, open: None };
        store.connect()?;
        Ok(store)
    }

    fn connect(&mut self) -> Result<&mut (Connection, Gate, FileIdentity)> {
        if self.open.is_none() {
            let database = self.outbox.database();
            let mut connection = store::open(database, Role::Outbox)?;
            let gate = Gate::guard(&mut connection)?;
            self.open = Some((connection, gate, FileIdentity::of(database.path())));
        }
        Ok(self.open.as_mut().expect("opened just now"))
    }

    fn serve(mut self, mut jobs: mpsc::Receiver<Job>) {
        let mut group = Vec::with_capacity(GROUP);
        while let Some(first) = jobs.blocking_recv() {
            group.push(first);
            while group.len() < GROUP
                && let Ok(job) = jobs.try_recv()
            {
                group.push(job);
            }
            let mut answers = Vec::with_capacity(group.len());
            let committed = self.commit(&mut group, &mut answers);
            if let Err(error) = &committed
                && error.poisons()
            {
                self.open = None;
            }
            // Jobs whose turn did not come share the fate of the transaction.
            answers.extend(group.drain(..).map(|job| job(None, &self.outbox).1));
            for answer in answers {
                answer(committed.as_ref().copied().map_err(Error::again));
            }
            if committed.is_ok() {
                self.outbox.inner.doorbell.ring();
            }
        }
    }

    /// Runs every job in a savepoint of one transaction, and commits. Nothing is true before this
    /// returns `Ok`.
    fn commit(&mut self, group: &mut Vec<Job>, answers: &mut Vec<Answer>) -> Result<()> {
        let outbox = self.outbox.clone();
        let what = "commit a group of messages";
        let (connection, gate, file) = self.connect()?;
        file.check(outbox.database().path())?;
        let mut transaction = connection
            .transaction_with_behavior(rusqlite::TransactionBehavior::Immediate)
            .doing(what)?;
        for job in group.drain(..) {
            let mut savepoint = transaction.savepoint().doing(what)?;
            let (keep, answer) = job(Some(&savepoint), &outbox);
            answers.push(answer);
            if savepoint.is_autocommit() {
                return Err(ended());
            }
            if keep {
                savepoint.commit().doing(what)?;
            } else {
                savepoint.rollback().doing(what)?;
                savepoint.finish().doing(what)?;
            }
        }
        gate.commit(&transaction)
    }
}

fn panicked() -> Error {
    Error::new(
        ErrorKind::Stopped,
        "the closure given to `transact` panicked",
        "nothing of it was written",
    )
}

fn stopped() -> Error {
    Error::new(
        ErrorKind::Stopped,
        "the outbox's thread has stopped, or could not begin a transaction",
        "nothing was written; look at the log, and open the outbox again",
    )
}

fn ended() -> Error {
    Error::new(
        ErrorKind::NotInTransaction,
        "somebody ended the transaction that several callers share",
        "nothing of the group was written; do not COMMIT or ROLLBACK inside `transact`, and if the \
         disk is full, free space",
    )
}
