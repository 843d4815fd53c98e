//! Enqueue, relay, dedup and effect, acknowledge, delete.

use super::flow::{Flow, Steady, produce};
use super::{consumer, log};
use crate::Outcome;
use crate::common::{FILL_BATCH, now, pragmas};
use crate::measure::Work;
use crate::reading::Reading;

pub fn run(work: &Work) -> Outcome<Reading> {
    let path = work.directory.join("log.db");
    let mut producer = log(&path)?;
    produce(&mut producer, work.backlog, FILL_BATCH, work, &|| ())?;
    let relay = log(&path)?;
    let inbox = consumer(&work.directory.join("consumer.db"))?;
    let mut reading = Reading::of("floor");
    reading.pragmas = vec![
        pragmas("producer", &producer)?,
        pragmas("relay", &relay)?,
        pragmas("consumer", &inbox)?,
    ];
    let total = work.backlog + work.count;
    let began = now();
    let flow = Flow::start(relay, inbox, Steady { batch: work.batch, total, effect: true });
    produce(&mut producer, work.count, work.batch, work, &|| flow.committed())?;
    while !flow.is_over() {
        crate::common::sleep(std::time::Duration::from_micros(500));
    }
    reading.seconds = began.elapsed().as_secs_f64();
    flow.join()?;
    reading.count = total;
    Ok(reading)
}
