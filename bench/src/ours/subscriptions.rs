//! Many subscriptions on one log, each into an inbox of its own, while somebody enqueues.

use super::service::{Counter, Running, counting, produce, shop};
use crate::Outcome;
use crate::common::{FILL_BATCH, Limit, host, pragmas, wait};
use crate::measure::Work;
use crate::reading::Reading;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::Duration;
use surehand::transport::Local;
use surehand::{Outbox, Relay, Subscription};

/// In a commit of the producer's meanwhile.
const BATCH: u64 = 64;

/// `callers` subscriptions; the time until each has handled the backlog.
pub fn run(work: &Work) -> Outcome<Reading> {
    let outbox = Outbox::open(shop(work))?;
    let mut db = host(&shop(work))?;
    produce(&outbox, &mut db, work.backlog, FILL_BATCH, work)?;
    let mut relay = Relay::open(shop(work))?.woken_by(outbox.doorbell());
    relay = relay.drain_for(Duration::from_secs(1));
    let counters: Vec<_> = (0..work.callers).map(|_| Counter::default()).collect();
    for (number, handled) in counters.iter().enumerate() {
        let inbox = counting(work, &format!("consumer-{number}.db"), handled)?;
        let wanted = named(work, number)?;
        relay = relay.subscribe(wanted, Local::new(inbox));
    }
    let mut reading = Reading::of("surehand");
    reading.pragmas = vec![pragmas("producer", &db)?];

    let is_over = Arc::new(AtomicBool::new(false));
    let limit = Limit::of(120.0);
    let running = Running::start(relay);
    let producing = {
        let (work, is_over) = (work.clone(), Arc::clone(&is_over));
        std::thread::spawn(move || -> Outcome<u64> {
            let mut made = 0;
            while !is_over.load(Relaxed) {
                produce(&outbox, &mut db, BATCH, BATCH, &work)?;
                made += BATCH;
            }
            Ok(made)
        })
    };
    let done = || counters.iter().all(|handled| handled.load(Relaxed) >= work.backlog);
    wait(|| done() || running.is_over() || limit.is_over());
    reading.seconds = limit.elapsed();
    is_over.store(true, Relaxed);
    let made = producing.join().map_err(|_| "the producer panicked")??;
    reading.count = work.backlog;
    reading.set("enqueued/s meanwhile", made as f64 / reading.seconds);
    if !done() {
        return Err("not all subscriptions were done after 120 s".into());
    }
    running.stop()?;
    Ok(reading)
}

fn named(work: &Work, number: usize) -> Outcome<Subscription> {
    let batch = usize::try_from(work.batch)?;
    Ok(Subscription::new(format!("bench-{number}")).batch(batch).window(4 * batch))
}
