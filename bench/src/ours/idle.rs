//! What an idle relay, inbox and async handle take of the processor.

use super::service::{Counter, Running, TOPIC, counting, shop, subscription};
use crate::Outcome;
use crate::common::{Limit, host, pragmas, processor_seconds, sleep, wait};
use crate::measure::Work;
use crate::reading::Reading;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;
use surehand::transport::Local;
use surehand::{AsyncOutbox, Message, Outbox, Relay};

pub fn run(work: &Work) -> Outcome<Reading> {
    let outbox = Outbox::open(shop(work))?;
    let handled = Counter::default();
    let inbox = Local::new(counting(work, "consumer.db", &handled)?);
    let relay = Relay::open(shop(work))?.woken_by(outbox.doorbell());
    let running = Running::start(relay.subscribe(subscription(work)?, inbox));
    let mut reading = Reading::of("surehand");
    reading.pragmas = vec![pragmas("another", &host(&shop(work))?)?];
    let outbox = AsyncOutbox::start(outbox)?;
    let runtime = tokio::runtime::Builder::new_current_thread().build()?;
    runtime.block_on(outbox.enqueue(Message::new(TOPIC)))?;
    wait(|| handled.load(Relaxed) > 0 || running.is_over());
    // What the message left to be written is written within a moment.
    sleep(Duration::from_secs(1));
    let (limit, before) = (Limit::of(0.0), processor_seconds());
    sleep(Duration::from_secs_f64(work.seconds));
    let used = processor_seconds() - before;
    (reading.count, reading.seconds) = (1, limit.elapsed());
    reading.set("% of a core", used / reading.seconds * 100.0);
    running.stop()?;
    Ok(reading)
}
