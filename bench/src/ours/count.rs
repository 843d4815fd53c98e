//! Two programs that do the same every time, for instructions to be counted. What starts and ends
//! them is in two runs of different length the same: the difference is the messages'.

use super::service::{Counter, counting, produce, shop, subscription};
use crate::Outcome;
use crate::common::host;
use crate::measure::Work;
use crate::reading::Reading;
use std::sync::atomic::Ordering::Relaxed;
use surehand::transport::Local;
use surehand::{Outbox, Relay};

/// In commits of 100.
pub fn enqueue(work: &Work) -> Outcome<Reading> {
    produce(&Outbox::open(shop(work))?, &mut host(&shop(work))?, work.count, 100, work)?;
    let mut reading = Reading::of("surehand");
    reading.count = work.count;
    Ok(reading)
}

/// The relay, and an inbox with an effect of nothing. The messages are enqueued as well: that is
/// what [`enqueue`] counts.
pub fn handle(work: &Work) -> Outcome<Reading> {
    enqueue(work)?;
    let handled = Counter::default();
    let inbox = counting(work, "consumer.db", &handled)?;
    let relay = Relay::open(shop(work))?.subscribe(subscription(work)?, Local::new(inbox));
    tokio::runtime::Builder::new_current_thread().build()?.block_on(relay.run_until_idle())?;
    let mut reading = Reading::of("surehand");
    reading.count = handled.load(Relaxed);
    Ok(reading)
}
