//! The host's own transactions beside bare SQL at full speed, and before it.

use super::flow::{Flow, Steady};
use super::{consumer, log};
use crate::Outcome;
use crate::common::{Limit, host, pragmas};
use crate::measure::Work;
use crate::reading::Reading;
use crate::visits::{compare, visits};

pub fn run(work: &Work) -> Outcome<Reading> {
    let path = work.directory.join("log.db");
    let relay = log(&path)?;
    let total: i64 = relay.query_row("SELECT max(seq) FROM log", [], |row| row.get(0))?;
    let total = u64::try_from(total)?;
    let mut db = host(&path)?;
    let alone = visits(&mut db, work.seconds)?;

    let inbox = consumer(&work.directory.join("consumer.db"))?;
    let flow = Flow::start(relay, inbox, Steady { batch: work.batch, total, effect: false });
    let limit = Limit::of(work.seconds);
    let beside = visits(&mut db, work.seconds)?;
    let mut reading = Reading::of("floor");
    (reading.count, reading.seconds) = (flow.handled(), limit.elapsed());
    reading.pragmas = vec![pragmas("host", &db)?];
    compare(&mut reading, alone, beside)?;
    let is_over = flow.is_over();
    flow.stop()?;
    if is_over { Err("it was done before the turn was over".into()) } else { Ok(reading) }
}
