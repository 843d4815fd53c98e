//! The async producer: many callers, one durable commit.

use super::Outbox;
use super::group::{self, GROUP, Job, Ran, Store};
use crate::error::{Error, ErrorKind, Result};
use crate::id::MessageId;
use crate::message::Message;
use rusqlite::Savepoint;
use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};
use tokio::sync::{mpsc, oneshot};

/// The producer's side for async callers: concurrent callers share one durable commit.
///
/// A type of its own: its transaction is not the caller's. Cheap to clone; the thread ends with the
/// last clone, after what was handed in. Dropping a future that was polled comes too late to take
/// the message back, unless a thousand others were waiting before it.
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

/// The store's side without its thread.
#[cfg(feature = "testing")]
pub(crate) struct Stepped {
    store: Store,
    jobs: mpsc::Receiver<Job>,
}

#[cfg(feature = "testing")]
impl Stepped {
    /// Does what was handed in so far; says whether anything was.
    pub(crate) fn step(&mut self) -> bool {
        self.store.step(&mut self.jobs)
    }
}

/// How far a caller's work came.
enum Work<T, E> {
    Done(Result<T, E>),
    Panicked,
    /// The transaction ended before its turn.
    NotRun,
}

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

    /// The handle, and the store's side of it, which somebody else steps.
    #[cfg(feature = "testing")]
    pub(crate) fn stepped(outbox: Outbox) -> Result<(Self, Stepped)> {
        let store = Store::open(outbox)?;
        let (jobs, received) = mpsc::channel(4 * GROUP);
        Ok((Self { jobs }, Stepped { store, jobs: received }))
    }

    /// Writes a message; returns after a durable commit.
    ///
    /// # Errors
    ///
    /// As [`Outbox::enqueue`]; and [`ErrorKind::Unknown`] when the commit met an I/O error: the
    /// message may be written or not. Use an idempotency key to do it again safely.
    pub async fn enqueue(&self, message: Message) -> Result<MessageId> {
        let (answer, answered) = oneshot::channel();
        self.jobs.send(Job::Message(Box::new(message), answer)).await.map_err(|_| stopped())?;
        answered.await.unwrap_or_else(|_| Err(unanswered()))
    }

    /// Runs the caller's own rows and messages in one savepoint; returns after a durable commit.
    /// An error or a panic of `work` undoes its savepoint alone.
    ///
    /// # Errors
    ///
    /// What `work` returns; or what became of the commit, for every caller that shared it. Then
    /// nothing is written, but for [`ErrorKind::Unknown`], when it may be. [`ErrorKind::Stopped`]
    /// when `work` panicked.
    pub async fn transact<T, E, F>(&self, work: F) -> Result<T, E>
    where
        T: Send + 'static,
        E: From<Error> + Send + 'static,
        F: FnOnce(&Savepoint<'_>, &Outbox) -> Result<T, E> + Send + 'static,
    {
        let (answer, answered) = oneshot::channel();
        let job: group::Work = Box::new(move |savepoint, outbox| {
            let work = match savepoint {
                Some(savepoint) => catch_unwind(AssertUnwindSafe(|| work(savepoint, outbox)))
                    .map_or(Work::Panicked, Work::Done),
                None => Work::NotRun,
            };
            let keep = matches!(work, Work::Done(Ok(_)));
            let fault = if let Work::Done(Err(error)) = &work { fault_of(error) } else { None };
            // A caller that went away is told nothing.
            let answer = move |committed: Result<()>| drop(answer.send((work, committed)));
            Ran { keep, fault, answer: Box::new(answer) }
        });
        self.jobs.send(Job::Work(job)).await.map_err(|_| stopped())?;
        let (work, committed) = answered.await.map_err(|_| unanswered())?;
        match (work, committed) {
            (Work::Done(Err(own)), _) => Err(own),
            (Work::Panicked, _) => Err(panicked().into()),
            (_, Err(error)) => Err(error.into()),
            (Work::Done(Ok(value)), Ok(())) => Ok(value),
            (Work::NotRun, Ok(())) => Err(unanswered().into()),
        }
    }
}

/// An error that takes the whole transaction along, told to everybody in it: a full disk, or an
/// I/O error. Of other types than ours nothing is known.
pub(super) fn fault_of<E: 'static>(error: &E) -> Option<Error> {
    let error = (error as &dyn Any).downcast_ref::<Error>()?;
    matches!(error.kind(), ErrorKind::DiskFull | ErrorKind::Unknown).then(|| error.again())
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
        "the outbox's thread has stopped, and nothing was handed to it",
        "nothing was written; look at the log, and open the outbox again",
    )
}

/// The thread had it, and may have committed it.
pub(super) fn unanswered() -> Error {
    Error::new(
        ErrorKind::Unknown,
        "the outbox's thread ended before it answered",
        "the outcome is unknown; look before doing it again, or use an idempotency key",
    )
}
