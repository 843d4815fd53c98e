//! The host's own transactions: how long they take beside a relay, and alone.

use crate::Outcome;
use crate::common::{now, sleep};
use crate::reading::Reading;
use rusqlite::{Connection, TransactionBehavior::Immediate};
use std::time::Duration;

const PER_SECOND: u64 = 200;

/// One row in a transaction, at an even pace: a late one delays no other.
pub fn visits(db: &mut Connection, seconds: f64) -> Outcome<Vec<Duration>> {
    db.execute_batch("CREATE TABLE IF NOT EXISTS visit (at INTEGER)")?;
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

/// The latencies beside a relay, and their p99 by that of those alone.
pub fn compare(reading: &mut Reading, alone: Vec<Duration>, beside: Vec<Duration>) -> Outcome<()> {
    let mut before = Reading::default();
    before.latencies(alone);
    reading.latencies(beside);
    let (Some(alone), Some(beside)) = (&before.latency_us, &reading.latency_us) else {
        return Err("nothing was measured".into());
    };
    let (alone, beside) = (alone.p99, beside.p99);
    reading.set("p99 alone, us", alone);
    reading.set("p99 by alone", beside / alone);
    Ok(())
}
