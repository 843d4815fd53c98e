//! The person's side: what is stuck and why, and what to do about it.
//!
//! Everything here is a short transaction on the producer's database, or several, beside a running
//! relay or without one; only `remove`, a bound on bytes and `adopt_new_identity` take as long as
//! there is much to delete or to count. What changes a delivery begins a new epoch in the same
//! transaction (rule 9): a running relay notices, drops what it remembers, and reads again.

mod dead;
mod stats;

pub use dead::{DeadLetter, DeadLetters, HistoryEntry, Replaced, Skip, SkipState};
pub use stats::{Redelivered, SubscriptionStats};

use crate::database::Database;
use crate::error::{Error, ErrorKind, Result};
use crate::id::{Seq, StoreId};
use crate::store::subscription::{self, Bound, SubscriptionRow, SubscriptionState};
use crate::store::{self, FileIdentity, Role, log, prune};
use rusqlite::{Connection, Transaction};

/// The person's side of an outbox.
///
/// ```
/// use surehand::Operator;
/// # let directory = tempfile::tempdir().unwrap();
/// # let path = directory.path().join("shop.db");
///
/// let mut operator = Operator::open(&path)?;
/// for subscription in operator.stats()? {
///     println!("{}: {:?}", subscription.name, subscription.oldest_pending_age);
///     for letter in operator.dead_letters(&subscription.name)?.list(0, 100)? {
///         println!("{} {}: {:?}", letter.seq, letter.reason, letter.last_error);
///     }
/// }
/// # Ok::<(), surehand::Error>(())
/// ```
#[derive(Debug)]
pub struct Operator {
    database: Database,
    /// The file that was opened: what is written into one that was replaced is lost.
    file: FileIdentity,
    connection: Connection,
}

/// What happens to a message that a bounded subscription has no room for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum WhenFull {
    /// `enqueue` fails in the caller's transaction, and nothing is written.
    Refuse,
    /// The subscription is detached, loudly: nobody else is held up by it, and what it misses stays
    /// undelivered.
    Detach,
}

impl Operator {
    /// Opens the outbox of a database.
    ///
    /// # Errors
    ///
    /// As [`Outbox::open`](crate::Outbox::open).
    pub fn open(database: impl Into<Database>) -> Result<Self> {
        let database = database.into();
        let connection = store::open(&database, Role::Outbox)?;
        let file = FileIdentity::of(database.path());
        Ok(Self { database, file, connection })
    }

    /// Stops serving a subscription until it is resumed. The log is kept for it. One that is
    /// detached stays so: it is not served either, and holds up nobody.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::NotFound`] without such a subscription.
    pub fn pause(&mut self, subscription: &str) -> Result<()> {
        self.change(subscription, "pause a subscription", |transaction, row, nonce| {
            if row.state != SubscriptionState::Detached {
                subscription::set_state(transaction, row.number, SubscriptionState::Paused)?;
            }
            subscription::bump(transaction, row.number, nonce)
        })
    }

    /// Serves a paused or detached subscription again. A detached one goes on with the oldest
    /// message the log still has; if that is more than its bound allows, raise the bound first.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::NotFound`] without such a subscription.
    pub fn resume(&mut self, subscription: &str) -> Result<()> {
        self.change(subscription, "resume a subscription", |transaction, row, nonce| {
            subscription::resume(transaction, row)?;
            subscription::bump(transaction, row.number, nonce)
        })
    }

    /// Removes a subscription, its dead letters and its hold on the log. A running relay that
    /// serves it halts it with [`ErrorKind::NotFound`] and goes on with its others; one that is
    /// started later with such a subscription makes it anew.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::NotFound`] without such a subscription.
    pub fn remove(&mut self, subscription: &str) -> Result<()> {
        self.change(subscription, "remove a subscription", |transaction, row, _| {
            subscription::remove(transaction, row.number)?;
            prune::left_behind(transaction)
        })
    }

    /// Bounds what a subscription may have pending, in messages or in bytes of payload; `None` is
    /// no bound. What is pending already counts, and dead letters do until they are resolved.
    ///
    /// Messages are those after the position, whatever their topic, and exceptions: an upper bound.
    /// Bytes are of the subscription's topics; what other programs insert later is not among them,
    /// yet taken off when it is settled, so that beside them the bound on bytes is a loose one.
    /// A scheduled message is checked when it is enqueued and joins the log in any case: its bytes
    /// count from the enqueue, as a message it counts from then on.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::NotFound`] without such a subscription.
    pub fn bound(
        &mut self,
        subscription: &str,
        messages: Option<i64>,
        bytes: Option<i64>,
        when_full: WhenFull,
    ) -> Result<()> {
        let bound = Bound { pending: messages, bytes, detach: when_full == WhenFull::Detach };
        self.change(subscription, "bound a subscription", |transaction, row, _| {
            subscription::set_bound(transaction, row, bound)
        })
    }

    /// Goes back: everything after this place is delivered again, as far as the log still has it,
    /// replaced messages in their latest revision, and skipped ones not. For a consumer that was
    /// restored from an older copy: take the place that the advice of
    /// [`ErrorKind::ConsumerRewound`] names, up to which that copy knew everything to be settled;
    /// going back further costs duplicates only. A relay that halted has to be started again.
    ///
    /// Not for the past of a topic that the subscription takes only now: what was not its topic
    /// counts as settled there, and is acknowledged without an effect. Make a new subscription.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::NotFound`] without such a subscription, or when the log was emptied past that
    /// place.
    pub fn rewind(&mut self, subscription: &str, to: Seq) -> Result<()> {
        self.change(subscription, "rewind a subscription", |transaction, row, nonce| {
            let pruned_to = prune::pruned_to(transaction)?;
            if to < pruned_to {
                return Err(Error::new(
                    ErrorKind::NotFound,
                    format!("the log was emptied up to place {pruned_to}, past {to}"),
                    "deliver what is missing by other means, or rewind to what the log has",
                ));
            }
            subscription::rewind(transaction, row, to.min(row.settled_to), nonce)
        })
    }

    /// Gives the outbox a new identity: for a restored backup, or a copy that is to live on beside
    /// the original. Consumers know nothing of the new one: whatever is pending in this file is
    /// delivered, even if a consumer applied it before under the old identity. Stop the relay
    /// first, and open every running [`Outbox`](crate::Outbox) and
    /// [`AsyncOutbox`](crate::AsyncOutbox) again afterwards: they know the old identity, and fail
    /// with [`ErrorKind::WrongDatabase`] without writing anything.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub fn adopt_new_identity(&mut self) -> Result<StoreId> {
        let id = uuid::Builder::from_random_bytes(self.database.random()).into_uuid();
        let id = StoreId::from(id);
        self.write("adopt a new identity", |transaction| {
            log::adopt_identity(transaction, id)?;
            subscription::begin_anew(transaction, log::last_seq(transaction)?)
        })?;
        Ok(id)
    }

    /// The dead letters of a subscription.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::NotFound`] without such a subscription.
    pub fn dead_letters(&mut self, subscription: &str) -> Result<DeadLetters<'_>> {
        let row = subscription::get(&self.connection, subscription)?;
        Ok(DeadLetters::new(self, row.number))
    }

    /// Where every subscription stands; the counters since it was made.
    ///
    /// # Errors
    ///
    /// When the database cannot be read.
    pub fn stats(&self) -> Result<Vec<SubscriptionStats>> {
        let now_ms = self.database.now().wall_ms;
        store::snapshot(&self.connection, "read the statistics", |connection| {
            stats::read(connection, now_ms)
        })
    }

    fn change<T>(
        &mut self,
        name: &str,
        what: &str,
        work: impl FnOnce(&Transaction<'_>, &SubscriptionRow, i64) -> Result<T>,
    ) -> Result<T> {
        let nonce = i64::from_le_bytes(self.database.random());
        self.write(what, |transaction| {
            let row = subscription::get(transaction, name)?;
            work(transaction, &row, nonce)
        })
    }

    /// One transaction on the file that was opened: checked as late as it can be.
    fn write<T>(
        &mut self,
        what: &str,
        work: impl FnOnce(&Transaction<'_>) -> Result<T>,
    ) -> Result<T> {
        let Self { database, file, connection } = self;
        store::write(connection, what, |transaction| {
            let value = work(transaction)?;
            file.check(database.path())?;
            Ok(value)
        })
    }
}
