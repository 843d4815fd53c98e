//! Producer, relay and consumer as a service runs them: a relay with an inbox in this process.

use super::service::{
    Counter, Running, TOPIC, is_pending, own_pragmas, produce, shop, subscription,
};
use crate::Outcome;
use crate::common::{FILL_BATCH, host, now, pragmas, wait};
use crate::measure::Work;
use crate::reading::Reading;
use rusqlite::Connection;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;
use surehand::transport::Local;
use surehand::{Effect, Inbox, Outbox, Relay};

pub fn run(work: &Work) -> Outcome<Reading> {
    let path = shop(work);
    let outbox = Outbox::open(&path)?;
    let mut producer = host(&path)?;
    produce(&outbox, &mut producer, work.backlog, FILL_BATCH, work)?;
    let total = work.backlog + work.count;

    let store = Connection::open(work.directory.join("consumer.db"))?;
    let handled = Counter::default();
    let mut inbox = inbox(work, &handled)?;
    store.execute_batch("CREATE TABLE effect (number INTEGER PRIMARY KEY, bytes INTEGER)")?;
    let mut reading = Reading::of("surehand");
    reading.pragmas = vec![pragmas("producer", &producer)?];
    reading.pragmas.extend(own_pragmas(outbox.durability(), &inbox.durability()?));

    let relay = Relay::open(&path)?.woken_by(outbox.doorbell());
    let relay = relay.subscribe(subscription(work)?, Local::new(inbox));
    let began = now();
    let running = Running::start(relay);
    produce(&outbox, &mut producer, work.count, work.batch, work)?;
    wait(|| handled.load(Ordering::Relaxed) >= total || running.is_over());
    while is_pending(&producer)? && !running.is_over() {
        crate::common::sleep(Duration::from_micros(500));
    }
    reading.seconds = began.elapsed().as_secs_f64();
    running.stop()?;
    reading.count = handled.load(Ordering::Relaxed);
    let effects: i64 = store.query_row("SELECT count(*) FROM effect", [], |row| row.get(0))?;
    if u64::try_from(effects)? != total {
        return Err(format!("{effects} effects of {total} messages").into());
    }
    Ok(reading)
}

/// Inserts a row for each message.
fn inbox(work: &Work, handled: &Counter) -> Outcome<Inbox> {
    let handled = Arc::clone(handled);
    let batch = usize::try_from(work.batch)?;
    let inbox =
        Inbox::open(work.directory.join("consumer.db"))?.batch(batch, Duration::from_millis(20));
    Ok(inbox.on(TOPIC, move |tx: &Effect, payload: Vec<u8>| {
        let mut insert = tx.prepare_cached("INSERT INTO effect (bytes) VALUES (?1)")?;
        insert.execute([i64::try_from(payload.len())?])?;
        handled.fetch_add(1, Ordering::Relaxed);
        Ok(())
    }))
}
