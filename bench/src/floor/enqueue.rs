//! Inserts by one connection, so many in each commit.

use super::flow::produce;
use super::log;
use crate::Outcome;
use crate::common::{Limit, pragmas};
use crate::measure::Work;
use crate::reading::Reading;

pub fn run(work: &Work) -> Outcome<Reading> {
    let mut db = log(&work.directory.join("log.db"))?;
    let mut reading = Reading::of("floor");
    reading.pragmas = vec![pragmas("producer", &db)?];
    let limit = Limit::of(work.seconds);
    while !limit.is_over() && reading.count < work.count {
        produce(&mut db, work.batch, work.batch, work, &|| ())?;
        reading.count += work.batch;
    }
    reading.seconds = limit.elapsed();
    Ok(reading)
}
