//! Enqueue: in transactions of one's own, or by many callers through the async handle.

use super::service::{TOPIC, produce, shop};
use crate::Outcome;
use crate::common::{Limit, host, now, payload, pragmas};
use crate::measure::Work;
use crate::reading::Reading;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use surehand::{AsyncOutbox, Message, Outbox};

pub fn run(work: &Work) -> Outcome<Reading> {
    if work.callers > 1 { by_callers(work) } else { by_one(work) }
}

fn by_one(work: &Work) -> Outcome<Reading> {
    let outbox = Outbox::open(shop(work))?;
    let mut db = host(&shop(work))?;
    let mut reading = Reading::of("surehand");
    reading.pragmas = vec![pragmas("producer", &db)?];
    let limit = Limit::of(work.seconds);
    while !limit.is_over() && reading.count < work.count {
        produce(&outbox, &mut db, work.batch, work.batch, work)?;
        reading.count += work.batch;
    }
    reading.seconds = limit.elapsed();
    Ok(reading)
}

/// Each caller is a task that waits for its commit before it enqueues the next.
fn by_callers(work: &Work) -> Outcome<Reading> {
    let outbox = AsyncOutbox::start(Outbox::open(shop(work))?)?;
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).build()?;
    let mut reading = Reading::of("surehand");
    reading.pragmas = vec![pragmas("another", &host(&shop(work))?)?];
    let limit = Arc::new(Limit::of(work.seconds));
    let given = Arc::new(AtomicU64::new(0));
    let callers: Vec<_> = (0..work.callers)
        .map(|_| runtime.spawn(caller(outbox.clone(), work.clone(), limit.clone(), given.clone())))
        .collect();
    let mut times = Vec::new();
    for caller in callers {
        times.extend(runtime.block_on(caller)??);
    }
    (reading.count, reading.seconds) = (times.len() as u64, limit.elapsed());
    reading.latencies(times);
    let fair = work.callers as f64 / reading.rate() * 1e6;
    let p99 = reading.latency_us.map_or(0.0, |latency| latency.p99);
    reading.set("p99_by_fair_time", p99 / fair);
    Ok(reading)
}

async fn caller(
    outbox: AsyncOutbox,
    work: Work,
    limit: Arc<Limit>,
    given: Arc<AtomicU64>,
) -> Outcome<Vec<Duration>> {
    let payload = payload(work.payload);
    let mut times = Vec::new();
    while !limit.is_over() && given.fetch_add(1, Ordering::Relaxed) < work.count {
        let began = now();
        outbox.enqueue(Message::new(TOPIC).payload(payload.clone())).await?;
        times.push(began.elapsed());
    }
    Ok(times)
}
