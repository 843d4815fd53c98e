//! The store's thread: what callers hand in while it commits shares the next commit.
//!
//! Each caller's work runs in a savepoint of its own, but for a plain message, which is one row.
//! Everybody is answered after the commit that makes the answer true. A panic, wherever it comes
//! from, is the failure of its caller or of its group, never of the thread.

use super::Outbox;
use super::handle::{fault_of, unanswered};
use super::write::{Host, Writer};
use crate::error::{Error, ErrorKind, Result};
use crate::id::MessageId;
use crate::message::Message;
use crate::store::checkpoint::Checkpoints;
use crate::store::{self, Context, Gate, Role};
use rusqlite::{Connection, Savepoint, TransactionBehavior};
use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use tokio::sync::{mpsc, oneshot};

/// How many callers share one commit at the most.
pub(super) const GROUP: usize = 256;

/// A caller's work. Without a savepoint it is not run, only asked how to answer.
pub(super) type Work = Box<dyn FnOnce(Option<&Savepoint<'_>>, &Outbox) -> Ran + Send>;

/// What a caller hands in.
pub(super) enum Job {
    /// One row, written or not: it needs no savepoint.
    Message(Box<Message>, oneshot::Sender<Result<MessageId>>),
    Work(Work),
}

/// What became of a caller's work, before the commit.
pub(super) struct Ran {
    /// Whether its savepoint is kept.
    pub(super) keep: bool,
    /// An error of ours that it failed by, for the others if the transaction did not survive it.
    pub(super) fault: Option<Error>,
    /// Tells the caller, once the outcome of the commit is known.
    pub(super) answer: Box<dyn FnOnce(Result<()>) + Send>,
}

/// The thread's side of the handle.
pub(super) struct Store {
    outbox: Outbox,
    open: Option<Open>,
}

struct Open {
    connection: Connection,
    gate: Gate,
    checkpoints: Checkpoints,
}

impl Store {
    pub(super) fn open(outbox: Outbox) -> Result<Self> {
        let mut store = Self { outbox, open: None };
        store.connect()?;
        Ok(store)
    }

    /// Runs until the last handle is gone and everything it handed in is answered.
    pub(super) fn serve(mut self, mut jobs: mpsc::Receiver<Job>) {
        let mut group = VecDeque::with_capacity(GROUP);
        while let Some(first) = jobs.blocking_recv() {
            group.push_back(first);
            self.turn(&mut group, &mut jobs);
        }
    }

    /// Does what was handed in so far, if anything was; for whoever has no thread to spare.
    #[cfg(feature = "testing")]
    pub(super) fn step(&mut self, jobs: &mut mpsc::Receiver<Job>) -> bool {
        let Ok(first) = jobs.try_recv() else { return false };
        self.turn(&mut VecDeque::from([first]), jobs);
        true
    }

    /// One group: whoever waits by now is in it.
    fn turn(&mut self, group: &mut VecDeque<Job>, jobs: &mut mpsc::Receiver<Job>) {
        while group.len() < GROUP
            && let Ok(job) = jobs.try_recv()
        {
            group.push_back(job);
        }
        let mut rans = Vec::with_capacity(group.len());
        let commit = AssertUnwindSafe(|| self.commit(group, &mut rans));
        let committed = catch_unwind(commit).unwrap_or_else(|_| Err(interrupted()));
        let poisoned = committed.as_ref().is_err_and(Error::poisons);
        // A statement that somebody left open holds the connection at what it saw, for ever.
        if poisoned || self.open.as_ref().is_some_and(|open| open.connection.is_busy()) {
            self.open = None;
        }
        if committed.is_ok() {
            crash_point!("the async outbox has committed and not answered");
        }
        // Those whose turn did not come share the fate of the transaction.
        rans.extend(group.drain(..).map(|job| job.left_out(&self.outbox)));
        for ran in rans {
            let fate = committed.as_ref().copied().map_err(Error::again);
            // What a caller that went away leaves behind is dropped here, and may panic.
            let _ = catch_unwind(AssertUnwindSafe(|| (ran.answer)(fate)));
        }
        if committed.is_ok() {
            let _ = catch_unwind(AssertUnwindSafe(|| self.outbox.committed()));
            if let Some(Open { connection, checkpoints, .. }) = &mut self.open {
                checkpoints.if_due(connection);
            }
        }
    }

    /// Runs every job in a savepoint of one transaction, and commits. Nothing is true before this
    /// returns `Ok`.
    fn commit(&mut self, group: &mut VecDeque<Job>, rans: &mut Vec<Ran>) -> Result<()> {
        let what = "commit a group of messages";
        let outbox = self.outbox.clone();
        let (connection, gate) = self.connect()?;
        mistake!(GroupAnsweredEarly: store::mistakes::commit_late(connection)?);
        let mut transaction =
            connection.transaction_with_behavior(TransactionBehavior::Immediate).doing(what)?;
        let host = outbox.check_host(&transaction)?;
        while let Some(job) = group.pop_front() {
            let work = match job {
                Job::Message(message, answer)
                    if host == Host::Free && message.idempotency_key.is_none() =>
                {
                    let mut ran =
                        written(Writer::new(&outbox, &transaction, host), *message, answer);
                    let fault = ran.fault.take();
                    rans.push(ran);
                    if transaction.is_autocommit() {
                        return Err(fault.unwrap_or_else(ended));
                    }
                    continue;
                }
                Job::Message(message, answer) => in_parts(*message, answer),
                Job::Work(work) => work,
            };
            let mut savepoint = transaction.savepoint().doing(what)?;
            let mut ran = work(Some(&savepoint), &outbox);
            let (keep, fault) = (ran.keep, ran.fault.take());
            rans.push(ran);
            if savepoint.is_autocommit() {
                return Err(fault.unwrap_or_else(ended));
            }
            if keep {
                savepoint.commit().doing(what)?;
            } else {
                savepoint.rollback().doing(what)?;
                savepoint.finish().doing(what)?;
            }
        }
        // Again, as late as it can be: what is committed into a file that is gone is lost.
        outbox.inner.file.check(outbox.database().path())?;
        mistake!(GroupAnsweredEarly: return store::mistakes::leave_open(transaction));
        gate.commit(&transaction)
    }

    /// The connection to the file the outbox was opened on: never to one that took its place.
    fn connect(&mut self) -> Result<(&mut Connection, &Gate)> {
        let database = self.outbox.database();
        self.outbox.inner.file.check(database.path())?;
        if self.open.is_none() {
            let mut connection = store::open(database, Role::Outbox)?;
            let gate = Gate::guard(&mut connection)?;
            let checkpoints = Checkpoints::by_hand(&connection)?;
            self.open = Some(Open { connection, gate, checkpoints });
        }
        let Open { connection, gate, .. } = self.open.as_mut().expect("opened just now");
        Ok((connection, gate))
    }
}

impl Job {
    /// Its turn did not come.
    fn left_out(self, outbox: &Outbox) -> Ran {
        match self {
            Self::Message(_, answer) => {
                let tell = move |committed: Result<()>| {
                    let _ = answer.send(Err(committed.err().unwrap_or_else(unanswered)));
                };
                Ran { keep: false, fault: None, answer: Box::new(tell) }
            }
            Self::Work(work) => work(None, outbox),
        }
    }
}

/// Writes a message that is one row: what fails is not there.
fn written(
    mut writer: Writer<'_>,
    message: Message,
    answer: oneshot::Sender<Result<MessageId>>,
) -> Ran {
    answered(writer.write(message).and_then(|id| writer.finish().map(|()| id)), answer)
}

/// A message that is more than one row, or none, is a piece of work.
fn in_parts(message: Message, answer: oneshot::Sender<Result<MessageId>>) -> Work {
    Box::new(move |savepoint, outbox| {
        let result =
            savepoint.map_or(Err(unanswered()), |savepoint| outbox.enqueue(savepoint, message));
        answered(result, answer)
    })
}

fn answered(result: Result<MessageId>, answer: oneshot::Sender<Result<MessageId>>) -> Ran {
    let (keep, fault) = (result.is_ok(), result.as_ref().err().and_then(fault_of));
    // A caller that went away is told nothing.
    let tell = move |committed: Result<()>| {
        let _ = answer.send(result.and_then(|id| committed.map(|()| id)));
    };
    Ran { keep, fault, answer: Box::new(tell) }
}

fn interrupted() -> Error {
    Error::new(
        ErrorKind::Unknown,
        "the outbox's thread panicked while it committed a group of messages",
        "the outcome is unknown; look before doing it again, or use an idempotency key",
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
