//! Producer, relay and consumer as a service runs them: a relay with an inbox in this process.

use crate::Outcome;
use crate::common::{now, payload, pragmas};
use crate::measure::pipeline::Work;
use crate::reading::Reading;
use rusqlite::{Connection, TransactionBehavior::Immediate};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use surehand::transport::Local;
use surehand::{Effect, Inbox, Message, Outbox, Relay, Subscription};
use tokio::sync::oneshot;

pub fn run(work: &Work) -> Outcome<Reading> {
    let path = work.directory.join("shop.db");
    let outbox = Outbox::open(&path)?;
    let mut producer = Connection::open(&path)?;
    produce(&outbox, &mut producer, work.backlog, work.fill_batch, work)?;
    let total = work.backlog + work.count;

    let store = Connection::open(work.directory.join("consumer.db"))?;
    let handled = Arc::new(AtomicU64::new(0));
    let inbox = inbox(work, &handled)?;
    store.execute_batch("CREATE TABLE effect (number INTEGER PRIMARY KEY, bytes INTEGER)")?;
    let mut reading = Reading::of("surehand");
    reading.pragmas = vec![pragmas("producer", &producer)?];

    let (stop, stopped) = oneshot::channel::<()>();
    let batch = usize::try_from(work.batch)?;
    let subscription = Subscription::new("bench").batch(batch).window(work.window.max(4 * batch));
    let relay =
        Relay::open(&path)?.woken_by(outbox.doorbell()).subscribe(subscription, Local::new(inbox));
    let began = now();
    let relaying = std::thread::spawn(move || -> Outcome<()> {
        let runtime = tokio::runtime::Builder::new_current_thread().build()?;
        Ok(runtime.block_on(relay.run_until(async { drop(stopped.await) }))?)
    });
    produce(&outbox, &mut producer, work.count, work.batch, work)?;
    while handled.load(Ordering::Relaxed) < total {
        if relaying.is_finished() {
            break;
        }
        std::thread::sleep(Duration::from_micros(500));
    }
    while pending(&producer)? > 0 {
        std::thread::sleep(Duration::from_micros(500));
    }
    reading.seconds = began.elapsed().as_secs_f64();
    drop(stop);
    relaying.join().map_err(|_| "the relay panicked")??;
    reading.count = handled.load(Ordering::Relaxed);
    let effects: i64 = store.query_row("SELECT count(*) FROM effect", [], |row| row.get(0))?;
    if u64::try_from(effects)? != total {
        return Err(format!("{effects} effects of {total} messages").into());
    }
    Ok(reading)
}

fn inbox(work: &Work, handled: &Arc<AtomicU64>) -> Outcome<Inbox> {
    let handled = Arc::clone(handled);
    let batch = usize::try_from(work.batch)?;
    let inbox =
        Inbox::open(work.directory.join("consumer.db"))?.batch(batch, Duration::from_millis(20));
    Ok(inbox.on("bench", move |tx: &Effect, payload: Vec<u8>| {
        let mut insert = tx.prepare_cached("INSERT INTO effect (bytes) VALUES (?1)")?;
        insert.execute([i64::try_from(payload.len())?])?;
        handled.fetch_add(1, Ordering::Relaxed);
        Ok(())
    }))
}

/// What is still in the log.
fn pending(db: &Connection) -> Outcome<i64> {
    let mut count = db.prepare_cached("SELECT EXISTS (SELECT 1 FROM outbox_message)")?;
    Ok(count.query_row([], |row| row.get(0))?)
}

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
        let message = |_| Message::new("bench").payload(payload.clone());
        outbox.enqueue_all(&tx, (0..left.min(batch)).map(message))?;
        outbox.commit(tx)?;
        left -= left.min(batch);
    }
    Ok(())
}
