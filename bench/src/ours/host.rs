//! The host's own transactions beside a relay at full speed, and before it.

use super::service::{Counter, Running, counting, is_pending, shop, subscription};
use crate::Outcome;
use crate::common::{Limit, host, pragmas};
use crate::measure::Work;
use crate::reading::Reading;
use crate::visits::{compare, visits};
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;
use surehand::Relay;
use surehand::transport::Local;

pub fn run(work: &Work) -> Outcome<Reading> {
    let mut db = host(&shop(work))?;
    let alone = visits(&mut db, work.seconds)?;

    let handled = Counter::default();
    let inbox = counting(work, "consumer.db", &handled)?;
    let relay = Relay::open(shop(work))?.drain_for(Duration::from_secs(1));
    let running = Running::start(relay.subscribe(subscription(work)?, Local::new(inbox)));
    let limit = Limit::of(work.seconds);
    let beside = visits(&mut db, work.seconds)?;
    let mut reading = Reading::of("surehand");
    (reading.count, reading.seconds) = (handled.load(Relaxed), limit.elapsed());
    reading.pragmas = vec![pragmas("host", &db)?];
    compare(&mut reading, alone, beside)?;
    let pending = is_pending(&db)?;
    running.stop()?;
    if pending { Ok(reading) } else { Err("the relay was done before the turn was over".into()) }
}
