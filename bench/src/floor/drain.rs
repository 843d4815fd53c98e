//! Emptying a log that has a backlog.

use super::flow::{Flow, Steady, produce};
use super::{consumer, log};
use crate::Outcome;
use crate::common::{FILL_BATCH, Limit, drain_again, now, pragmas, wait};
use crate::measure::Work;
use crate::reading::Reading;

/// Closed and checkpointed when this returns.
pub fn fill(work: &Work) -> Outcome<Reading> {
    let began = now();
    let mut producer = log(&work.directory.join("log.db"))?;
    produce(&mut producer, work.count, FILL_BATCH, work, &|| ())?;
    let mut reading = Reading::of("floor");
    (reading.count, reading.seconds) = (work.count, began.elapsed().as_secs_f64());
    Ok(reading)
}

/// What is there, for so long.
pub fn handle(work: &Work) -> Outcome<Reading> {
    let relay = log(&work.directory.join("log.db"))?;
    let inbox = consumer(&work.directory.join("consumer.db"))?;
    let total: i64 = relay.query_row("SELECT max(seq) FROM log", [], |row| row.get(0))?;
    let mut reading = Reading::of("floor");
    reading.pragmas = vec![pragmas("relay", &relay)?, pragmas("consumer", &inbox)?];
    let total = u64::try_from(total)?;
    let limit = Limit::of(work.seconds);
    let flow = Flow::start(relay, inbox, Steady { batch: work.batch, total, effect: false });
    wait(|| flow.handled() >= total || flow.is_over() || limit.is_over());
    (reading.count, reading.seconds) = (flow.handled(), limit.elapsed());
    flow.stop()?;
    Ok(reading)
}

/// The same small backlog over and over.
pub fn drains(work: &Work) -> Outcome<Reading> {
    let path = work.directory.join("log.db");
    let (mut producer, relay) = (log(&path)?, log(&path)?);
    let inbox = consumer(&work.directory.join("consumer.db"))?;
    let mut reading = Reading::of("floor");
    reading.pragmas = vec![pragmas("relay", &relay)?, pragmas("consumer", &inbox)?];
    let total = u64::MAX >> 1;
    let flow = Flow::start(relay, inbox, Steady { batch: work.batch, total, effect: false });
    drain_again(&mut reading, work, &|| flow.handled(), &mut || {
        produce(&mut producer, work.backlog, work.backlog, work, &|| flow.committed())
    })?;
    flow.stop()?;
    Ok(reading)
}
