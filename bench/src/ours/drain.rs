//! Emptying a log that has a backlog.

use super::service::{Counter, Running, counting, own_pragmas, produce, shop, subscription};
use crate::Outcome;
use crate::common::{FILL_BATCH, Limit, drain_again, host, now, pragmas, wait};
use crate::measure::Work;
use crate::reading::Reading;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;
use surehand::transport::Local;
use surehand::{Outbox, Relay};

/// Closed and checkpointed when this returns.
pub fn fill(work: &Work) -> Outcome<Reading> {
    let began = now();
    let outbox = Outbox::open(shop(work))?;
    produce(&outbox, &mut host(&shop(work))?, work.count, FILL_BATCH, work)?;
    let mut reading = Reading::of("surehand");
    (reading.count, reading.seconds) = (work.count, began.elapsed().as_secs_f64());
    Ok(reading)
}

/// What is there, for so long.
pub fn handle(work: &Work) -> Outcome<Reading> {
    let db = host(&shop(work))?;
    let total: i64 = db.query_row("SELECT max(seq) FROM outbox_message", [], |row| row.get(0))?;
    let total = u64::try_from(total)?;
    let handled = Counter::default();
    let inbox = counting(work, "consumer.db", &handled)?;
    let relay = Relay::open(shop(work))?.drain_for(Duration::from_secs(1));
    let relay = relay.subscribe(subscription(work)?, Local::new(inbox));
    let mut reading = Reading::of("surehand");
    reading.pragmas = vec![pragmas("host", &db)?];
    drop(db);
    let limit = Limit::of(work.seconds);
    let running = Running::start(relay);
    wait(|| handled.load(Relaxed) >= total || running.is_over() || limit.is_over());
    (reading.count, reading.seconds) = (handled.load(Relaxed), limit.elapsed());
    running.stop()?;
    Ok(reading)
}

/// The same small backlog over and over.
pub fn drains(work: &Work) -> Outcome<Reading> {
    let outbox = Outbox::open(shop(work))?;
    let mut db = host(&shop(work))?;
    let handled = Counter::default();
    let mut inbox = counting(work, "consumer.db", &handled)?;
    let mut reading = Reading::of("surehand");
    reading.pragmas = vec![pragmas("producer", &db)?];
    reading.pragmas.extend(own_pragmas(outbox.durability(), &inbox.durability()?));
    let relay = Relay::open(shop(work))?.woken_by(outbox.doorbell());
    let relay = relay.subscribe(subscription(work)?, Local::new(inbox));
    let running = Running::start(relay);
    drain_again(&mut reading, work, &|| handled.load(Relaxed), &mut || {
        produce(&outbox, &mut db, work.backlog, work.backlog, work)
    })?;
    running.stop()?;
    Ok(reading)
}
