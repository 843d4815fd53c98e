//! What the measurements run: a relay on a thread, an inbox that counts, a producer.

use crate::Outcome;
use crate::common::payload;
use crate::measure::Work;
use crate::reading::Pragmas;
use rusqlite::{Connection, TransactionBehavior::Immediate};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;
use surehand::{Durability, Effect, Inbox, Message, MessageId, Outbox, Relay, Subscription};
use tokio::sync::oneshot;
use uuid::Uuid;

pub const TOPIC: &str = "bench";

pub type Counter = Arc<AtomicU64>;

pub fn shop(work: &Work) -> PathBuf {
    work.directory.join("shop.db")
}

/// A relay that runs until it is stopped.
pub struct Running {
    stop: oneshot::Sender<()>,
    thread: JoinHandle<Outcome<()>>,
}

impl Running {
    pub fn start(relay: Relay) -> Self {
        let (stop, stopped) = oneshot::channel::<()>();
        let thread = std::thread::spawn(move || -> Outcome<()> {
            let runtime = tokio::runtime::Builder::new_current_thread().build()?;
            Ok(runtime.block_on(relay.run_until(async { drop(stopped.await) }))?)
        });
        Self { stop, thread }
    }

    pub fn is_over(&self) -> bool {
        self.thread.is_finished()
    }

    pub fn stop(self) -> Outcome<()> {
        drop(self.stop);
        self.thread.join().map_err(|_| "the relay panicked")?
    }
}

/// The subscription that a batch asks for.
pub fn subscription(work: &Work) -> Outcome<Subscription> {
    let batch = usize::try_from(work.batch)?;
    Ok(Subscription::new("bench").batch(batch).window(work.window.max(4 * batch).max(1_024)))
}

/// An inbox with an effect of nothing, which counts.
pub fn counting(work: &Work, name: &str, handled: &Counter) -> Outcome<Inbox> {
    let handled = Arc::clone(handled);
    let batch = usize::try_from(work.batch)?;
    let inbox = Inbox::open(work.directory.join(name))?.batch(batch, Duration::from_millis(20));
    Ok(inbox.on(TOPIC, move |_: &Effect, _: Vec<u8>| {
        handled.fetch_add(1, Ordering::Relaxed);
        Ok(())
    }))
}

/// Commits so many messages, in batches.
pub fn produce(
    outbox: &Outbox,
    db: &mut Connection,
    count: u64,
    batch: u64,
    work: &Work,
) -> Outcome<()> {
    let payload = payload(work.payload);
    let mut left = count;
    while left > 0 {
        let tx = db.transaction_with_behavior(Immediate)?;
        let message = |_| {
            let message = Message::new(TOPIC).payload(payload.clone());
            if work.random_ids { message.id(MessageId::from(Uuid::new_v4())) } else { message }
        };
        outbox.enqueue_all(&tx, (0..left.min(batch)).map(message))?;
        outbox.commit(tx)?;
        left -= left.min(batch);
    }
    Ok(())
}

/// The settings of the library's own connections, as it reads them back.
pub fn own_pragmas(outbox: &Durability, inbox: &Durability) -> [Pragmas; 2] {
    [("outbox and relay", outbox), ("inbox", inbox)].map(|(connection, durability)| Pragmas {
        connection: connection.into(),
        journal_mode: Some(durability.journal_mode.clone()),
        synchronous: Some(durability.synchronous),
        ..Pragmas::default()
    })
}

/// Whether something is still in the log.
pub fn is_pending(db: &Connection) -> Outcome<bool> {
    let mut one = db.prepare_cached("SELECT EXISTS (SELECT 1 FROM outbox_message)")?;
    Ok(one.query_row([], |row| row.get(0))?)
}
