//! The consumer: deduplicates by message id in its own store, in the transaction of the effect.
//!
//! It promises that an effect and the memory of it are committed together and durably before
//! anything is acknowledged. It never runs a handler for a message whose effect is durable, and
//! never forgets one that may still be delivered. A [`Local`](crate::transport::Local) transport
//! feeds it, or your own server through [`Inbox::process`].

mod admit;
mod effect;
mod handlers;
mod known;
mod memory;
mod process;
mod receive;
mod run;
mod stats;
mod work;

#[cfg(test)]
mod tests;

pub(crate) use crate::store::inbox::Seen;
pub(crate) use admit::{Admission, Claim, Memory, admit};
pub use effect::Effect;
pub use handlers::Payload;
pub(crate) use handlers::{Prepared, Preparers};
pub use process::Processed;
pub(crate) use receive::Received;
pub use stats::{SenderStats, SourceStats};

use crate::database::Database;
use crate::error::{Error, Result};
use crate::failure::Failure;
use crate::handoff::{Hello, Request, Welcome};
use crate::id::{Seq, StoreId, SubscriptionId};
use crate::message::Envelope;
use crate::store::checkpoint::Checkpoints;
use crate::store::inbox::SourceRow;
use crate::store::open::Durability;
use crate::store::transaction::MessageSavepoint;
use crate::store::{self, FileIdentity, Gate, Role};
use crate::topics;
use handlers::Handler;
use memory::Remembered;
use rusqlite::Connection;
use serde::Serialize;
use std::cell::RefCell;
use std::collections::HashMap;
use std::future::Future;
use std::time::Duration;

/// The consumer's side of the handoff: handlers by topic, over the consumer's database.
///
/// ```
/// use surehand::{Effect, Inbox, Json};
/// # #[derive(serde::Deserialize)]
/// # struct OrderPlaced { order_id: i64 }
/// # let directory = tempfile::tempdir().unwrap();
/// # let path = directory.path().join("warehouse.db");
///
/// let warehouse = Inbox::open(&path)?.on("order.placed", |tx: &Effect, order: Json<OrderPlaced>| {
///     tx.execute("INSERT INTO shipment (order_id) VALUES (?1)", [order.order_id])?;
///     Ok(())
/// });
/// # Ok::<(), surehand::Error>(())
/// ```
#[derive(Debug)]
#[must_use = "an inbox does nothing until a transport feeds it"]
pub struct Inbox {
    database: Database,
    role: Role,
    consumer: String,
    handlers: HashMap<String, Handler>,
    open: Option<Open>,
    /// The file that was opened last.
    file: Option<FileIdentity>,
    /// How far each source had come when this inbox last committed something of it.
    reached: HashMap<(StoreId, SubscriptionId), Seq>,
    batch: usize,
    batch_time: Duration,
}

/// A connection with what keeps handlers in their transaction; dropped after every error that
/// leaves doubt.
#[derive(Debug)]
struct Open {
    connection: Connection,
    gate: Gate,
    savepoint: MessageSavepoint,
    /// By source. What a transaction works with is taken out, and put back once it has committed.
    memories: RefCell<HashMap<i64, Remembered>>,
    checkpoints: Checkpoints,
}

impl Open {
    /// What is remembered of a source: in memory if nobody else has written since it was put there.
    fn memory(&self, source: &SourceRow) -> Result<Remembered> {
        let kept = self.memories.borrow_mut().remove(&source.number);
        match kept.filter(|memory| memory.changes == source.changes) {
            Some(memory) => Ok(memory),
            None => Remembered::read(&self.connection, source),
        }
    }
}

impl Inbox {
    /// Opens the inbox in a database of its own, or in the consumer's: tables are made under its
    /// own prefix. A new file gets WAL mode; the journal mode of an existing one is left alone.
    ///
    /// # Errors
    ///
    /// When the file cannot be opened, has a newer schema, or its settings would lose effects that
    /// were acknowledged.
    pub fn open(database: impl Into<Database>) -> Result<Self> {
        Self::open_as(database.into(), Role::Inbox { may_lose_effects: false })
    }

    /// The same, for a database whose connections run with `synchronous=OFF`: a power cut can then
    /// lose effects that were acknowledged, which nobody delivers again.
    ///
    /// # Errors
    ///
    /// As [`open`](Self::open), but for that setting.
    pub fn open_allowing_synchronous_off(database: impl Into<Database>) -> Result<Self> {
        Self::open_as(database.into(), Role::Inbox { may_lose_effects: true })
    }

    fn open_as(database: Database, role: Role) -> Result<Self> {
        let mut inbox = Self {
            database,
            role,
            consumer: "default".into(),
            handlers: HashMap::new(),
            open: None,
            file: None,
            reached: HashMap::new(),
            batch: 256,
            batch_time: Duration::from_millis(20),
        };
        inbox.connect()?;
        Ok(inbox)
    }

    /// Names the consumer. Two consumers in one database deduplicate separately; the default name
    /// is `default`.
    pub fn named(mut self, consumer: impl Into<String>) -> Self {
        self.consumer = consumer.into();
        self
    }

    /// Handles the messages of a topic, each in a savepoint of the transaction that also remembers
    /// it. What the handler returns is kept as JSON and given again to a duplicate.
    ///
    /// Keep it short and to the database: others wait for the write lock meanwhile, and an effect
    /// elsewhere is not undone with the transaction.
    ///
    /// # Panics
    ///
    /// For a pattern (`order.*`): a handler is for one topic.
    pub fn on<P, R, F>(self, topic: impl Into<String>, handle: F) -> Self
    where
        P: Payload,
        R: Serialize,
        F: Fn(&Effect<'_>, P) -> Result<R, Failure> + Send + 'static,
    {
        self.handle(topic.into(), Handler::plain(handle))
    }

    /// The same, with an async step before it, outside the transaction: look something up, call
    /// somebody. It may run more often than the handler, for duplicates too, and several at once.
    /// [`Local`](crate::transport::Local) runs it; what is handed to [`process`](Self::process) or
    /// [`receive`](Self::receive) directly is not prepared, and fails.
    ///
    /// # Panics
    ///
    /// As [`on`](Self::on).
    pub fn on_prepared<P, S, R, B, W, F>(
        self,
        topic: impl Into<String>,
        prepare: B,
        handle: F,
    ) -> Self
    where
        P: Payload,
        S: Send + 'static,
        R: Serialize,
        B: Fn(Envelope) -> W + Send + Sync + 'static,
        W: Future<Output = Result<S, Failure>> + Send + 'static,
        F: Fn(&Effect<'_>, P, &S) -> Result<R, Failure> + Send + 'static,
    {
        self.handle(topic.into(), Handler::prepared(prepare, handle))
    }

    /// A pattern would subscribe to topics that nothing handles: each of their messages would die.
    fn handle(mut self, topic: String, handler: Handler) -> Self {
        assert!(
            !topics::is_pattern(&topic),
            "`{topic}` is a pattern, and a handler is for one topic: register each by its name"
        );
        self.handlers.insert(topic, handler);
        self
    }

    /// How many messages, and how much time of handlers, one transaction takes at the most: 256 and
    /// 20 ms unless told otherwise.
    pub fn batch(mut self, messages: usize, time: Duration) -> Self {
        self.batch = messages.max(1);
        self.batch_time = time;
        self
    }

    /// The topics that have a handler.
    #[must_use]
    pub fn topics(&self) -> Vec<String> {
        let mut topics: Vec<_> = self.handlers.keys().cloned().collect();
        topics.sort();
        topics
    }

    /// The settings of the inbox's connection, as read back from it.
    ///
    /// # Errors
    ///
    /// When the database cannot be read.
    pub fn durability(&mut self) -> Result<Durability> {
        Durability::of(&self.connect()?.connection)
    }

    /// Registers a relay's incarnation; from now on no other of its subscription is listened to.
    ///
    /// # Errors
    ///
    /// When the database fails. The relay asks again.
    pub fn hello(&mut self, hello: &Hello) -> Result<Welcome> {
        let consumer = self.consumer.clone();
        self.connect()?;
        let open = self.open.as_ref().expect("opened just now");
        self.check_file()?;
        let welcome = open
            .gate
            .write(&open.connection, |connection| memory::register(connection, &consumer, hello));
        if let Ok(Welcome::Registered { high, .. }) = &welcome {
            self.reached.insert((hello.store, hello.subscription), *high);
        }
        self.keep_or_drop(welcome)
    }

    /// Rule 5: whether this is the incarnation that is listened to. It is not when the file knows
    /// less than it did: an older copy is in its place, and a relay that greets it will see.
    fn listens_to(&self, request: &Request, source: &SourceRow) -> bool {
        let reached = self.reached.get(&(request.store, request.subscription));
        source.incarnation == request.incarnation
            && reached.is_none_or(|reached| *reached <= source.high)
    }

    /// Whether the path still leads to the file that is open.
    fn check_file(&self) -> Result<()> {
        self.file.map_or(Ok(()), |file| file.check(self.database.path()))
    }

    pub(crate) fn preparers(&self) -> Preparers {
        Preparers::of(&self.handlers)
    }

    /// The connection, opened anew after an error. Every opening is one durable write, so that
    /// nothing that was read can be undone by a power cut (rule 18).
    fn connect(&mut self) -> Result<&mut Open> {
        if self.open.is_none() {
            if let Some(file) = self.file {
                file.check_is_there(self.database.path())?;
            }
            let mut connection = store::open(&self.database, self.role)?;
            let gate = Gate::guard(&mut connection)?;
            gate.write(&connection, store::inbox::opened)?;
            let checkpoints = Checkpoints::by_hand(&connection)?;
            mistake!(ConsumerNormal: store::mistakes::be_careless(&connection)?);
            self.file = Some(FileIdentity::of(self.database.path()));
            let savepoint = MessageSavepoint::named_by(self.database.random());
            let memories = RefCell::default();
            self.open = Some(Open { connection, gate, savepoint, memories, checkpoints });
        }
        Ok(self.open.as_mut().expect("opened just now"))
    }

    /// To be called when everybody has been answered.
    pub(crate) fn checkpoint(&mut self) {
        if let Some(Open { connection, checkpoints, .. }) = &mut self.open {
            checkpoints.if_due(connection);
        }
    }

    /// After an error that leaves doubt, the connection and all it may remember is dropped.
    fn keep_or_drop<T>(&mut self, result: Result<T>) -> Result<T> {
        if result.as_ref().is_err_and(Error::poisons) {
            self.open = None;
        }
        result
    }
}
