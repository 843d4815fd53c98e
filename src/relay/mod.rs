//! Moves messages: reads the log, delivers, redelivers what is not acknowledged, settles.
//!
//! It promises at-least-once delivery of every committed message to every subscription, in order
//! within a key, and sends nothing that a power cut could undo. It never runs two at a time for one
//! subscription, and holds no transaction while it waits for an answer.

mod cycle;
mod drive;
mod engine;
mod halt;
pub(crate) mod lane;
mod lock;
mod pruning;
mod served;
pub(crate) mod settings;
mod share;
#[cfg(feature = "testing")]
pub(crate) mod steps;
mod subscription;

pub use subscription::{Start, Subscription};

use crate::database::Database;
use crate::error::Result;
use crate::store::{self, FileIdentity, Role};
use crate::transport::Transport;
use crate::wake::Doorbell;
use drive::Goal;
use engine::Engine;
use served::Served;
use std::fmt;
use std::future::Future;
use std::time::Duration;

/// Delivers the messages of one outbox to one or more destinations.
///
/// ```no_run
/// # async fn run() -> Result<(), surehand::Error> {
/// use surehand::{Inbox, Relay, transport::Local};
///
/// let warehouse = Inbox::open("warehouse.db")?;
/// let shutdown = async { /* a signal */ };
/// Relay::open("shop.db")?.deliver_to(Local::new(warehouse)).run_until(shutdown).await
/// # }
/// ```
///
/// One relay is active for each subscription; a second one, in this process or another, stands by
/// and takes over when the first dies. A relay that is stopped or hangs is not taken over. The lock
/// is a file beside the database and needs a local file system.
#[must_use = "a relay delivers nothing until it runs"]
pub struct Relay {
    engine: Engine,
    file: FileIdentity,
    drain: Duration,
}

impl Relay {
    /// Opens the outbox of a database; makes it when it is not there yet.
    ///
    /// # Errors
    ///
    /// As [`Outbox::open`](crate::Outbox::open).
    pub fn open(database: impl Into<Database>) -> Result<Self> {
        let database = database.into();
        let connection = store::open(&database, Role::Outbox)?;
        let file = FileIdentity::of(database.path());
        let engine = Engine::new(database, connection)?;
        Ok(Self { engine, file, drain: Duration::from_secs(10) })
    }

    /// Delivers over one subscription, named `default`, the topics the transport takes.
    pub fn deliver_to(self, transport: impl Transport) -> Self {
        self.subscribe(Subscription::new("default"), transport)
    }

    /// Delivers over a subscription of its own: each has its own pace, position and dead letters.
    pub fn subscribe(mut self, subscription: Subscription, transport: impl Transport) -> Self {
        self.engine.serve(Served::new(subscription, Box::new(transport)));
        self
    }

    /// Is told at once about the commits of an outbox of this process
    /// ([`Outbox::doorbell`](crate::Outbox::doorbell)), instead of noticing them.
    pub fn woken_by(mut self, doorbell: Doorbell) -> Self {
        self.engine.woken_by(doorbell);
        self
    }

    /// How long a stopping relay waits for answers: 10 s unless told otherwise.
    pub fn drain_for(mut self, time: Duration) -> Self {
        self.drain = time;
        self
    }

    /// Keeps settled messages in the log for so long after their enqueue, for subscriptions to
    /// come: not at all unless told otherwise.
    pub fn keep_settled(mut self, time: Duration) -> Self {
        self.engine.keep_settled(time);
        self
    }

    /// Runs until `shutdown` completes; then claims nothing more, waits for answers, writes what it
    /// knows, releases the locks and closes the database.
    ///
    /// Dropping the future at any moment is safe: the relay stops without waiting for answers, and
    /// what was under way is delivered again.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Rewound`], [`ErrorKind::ConsumerRewound`], or [`ErrorKind::NotFound`] for a
    /// subscription that was removed, when one is halted and a person has to decide. The others are
    /// served all the same: the error is logged when it happens, and returned when the relay ends,
    /// which it does at once when no other is left. At once: [`ErrorKind::Replaced`],
    /// [`ErrorKind::Stopped`] when a transport panics, or what [`open`](Self::open) returns.
    ///
    /// [`ErrorKind::Rewound`]: crate::ErrorKind::Rewound
    /// [`ErrorKind::ConsumerRewound`]: crate::ErrorKind::ConsumerRewound
    /// [`ErrorKind::NotFound`]: crate::ErrorKind::NotFound
    /// [`ErrorKind::Replaced`]: crate::ErrorKind::Replaced
    /// [`ErrorKind::Stopped`]: crate::ErrorKind::Stopped
    pub async fn run_until(self, shutdown: impl Future<Output = ()>) -> Result<()> {
        let Self { engine, file, drain } = self;
        drive::run(engine, file, drain, Goal::Shutdown, shutdown).await
    }

    /// Runs until nothing is left to deliver but dead letters and what waits behind them (at the
    /// bound of exceptions, that is all that comes after); for tests, and for programs that end.
    /// Paused subscriptions have nothing to deliver. When one is halted, everything is delivered to
    /// the others, and then its error is returned.
    ///
    /// # Errors
    ///
    /// As [`run_until`](Self::run_until).
    pub async fn run_until_idle(self) -> Result<()> {
        let Self { engine, file, drain } = self;
        drive::run(engine, file, drain, Goal::Idle, std::future::pending()).await
    }
}

impl fmt::Debug for Relay {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Relay").field("drain", &self.drain).finish_non_exhaustive()
    }
}
