//! The host's own transactions beside a relay at full speed, and before it.

use super::service::{Counter, Running, counting, host, shop, subscription};
use crate::Outcome;
use crate::common::{Limit, now, pragmas, sleep};
use crate::measure::Work;
use crate::reading::Reading;
use rusqlite::{Connection, TransactionBehavior::Immediate};
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;
use surehand::Relay;
use surehand::transport::Local;

const PER_SECOND: u64 = 200;

pub fn run(work: &Work) -> Outcome<Reading> {
    let mut db = host(&shop(work))?;
    db.execute_batch("CREATE TABLE visit (at INTEGER)")?;
    let mut alone = Reading::of("surehand");
    alone.latencies(visits(&mut db, work.seconds)?);

    let handled = Counter::default();
    let inbox = counting(work, "consumer.db", &handled)?;
    let relay = Relay::open(shop(work))?.drain_for(Duration::from_secs(1));
    let running = Running::start(relay.subscribe(subscription(work)?, Local::new(inbox)));
    let limit = Limit::of(work.seconds);
    let times = visits(&mut db, work.seconds)?;
    let mut reading = Reading::of("surehand");
    (reading.count, reading.seconds) = (handled.load(Relaxed), limit.elapsed());
    reading.pragmas = vec![pragmas("host", &db)?];
    reading.latencies(times);
    let left: i64 =
        db.query_row("SELECT EXISTS (SELECT 1 FROM outbox_message)", [], |row| row.get(0))?;
    running.stop()?;
    if left == 0 {
        return Err("the relay was done before the turn was over".into());
    }
    let (Some(alone), Some(beside)) = (alone.latency_us, reading.latency_us) else {
        return Err("nothing was measured".into());
    };
    reading.set("p99 alone, us", alone.p99);
    reading.set("p99 by alone", beside.p99 / alone.p99);
    Ok(reading)
}

/// One row in a transaction, at an even pace: a late one delays no other.
fn visits(db: &mut Connection, seconds: f64) -> Outcome<Vec<Duration>> {
    let (began, mut times) = (now(), Vec::new());
    let step = Duration::from_micros(1_000_000 / PER_SECOND);
    let count = (seconds * PER_SECOND as f64) as u32;
    for number in 0..count {
        sleep((step * number).saturating_sub(began.elapsed()));
        let one = now();
        let tx = db.transaction_with_behavior(Immediate)?;
        tx.execute("INSERT INTO visit (at) VALUES (1)", [])?;
        tx.commit()?;
        times.push(one.elapsed());
    }
    Ok(times)
}
