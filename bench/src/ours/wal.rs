//! How large the WAL grows under load while somebody reads all the time.

use super::service::{Counter, Running, counting, produce, shop, subscription};
use crate::Outcome;
use crate::common::{Limit, host, now, pragmas, sleep};
use crate::measure::Work;
use crate::reading::Reading;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::thread::JoinHandle;
use std::time::Duration;
use surehand::transport::Local;
use surehand::{Outbox, Relay};

const SNAPSHOT: Duration = Duration::from_millis(45);
/// The producer waits when it is so far ahead.
const AHEAD: u64 = 50_000;

/// `callers` readers; the snapshots of two overlap all the time.
pub fn run(work: &Work) -> Outcome<Reading> {
    let outbox = Outbox::open(shop(work))?;
    let handled = Counter::default();
    let inbox = Local::new(counting(work, "consumer.db", &handled)?);
    let relay = Relay::open(shop(work))?.woken_by(outbox.doorbell());
    let relay = relay.drain_for(Duration::from_secs(1));
    let running = Running::start(relay.subscribe(subscription(work)?, inbox));
    let is_over = Arc::new(AtomicBool::new(false));
    let readers: Vec<_> =
        (0..work.callers).map(|number| reader(shop(work), number, Arc::clone(&is_over))).collect();
    let largest = Arc::new(AtomicU64::new(0));
    let sampler = sampler(work.directory.clone(), Arc::clone(&largest), Arc::clone(&is_over));

    let mut db = host(&shop(work))?;
    let mut reading = Reading::of("surehand");
    reading.pragmas = vec![pragmas("producer", &db)?];
    let (limit, mut made, mut times) = (Limit::of(work.seconds), 0, Vec::new());
    while !limit.is_over() && !running.is_over() {
        if made > handled.load(Relaxed) + AHEAD {
            sleep(Duration::from_millis(1));
            continue;
        }
        let one = now();
        produce(&outbox, &mut db, work.batch, work.batch, work)?;
        times.push(one.elapsed());
        made += work.batch;
    }
    (reading.count, reading.seconds) = (handled.load(Relaxed), limit.elapsed());
    is_over.store(true, Relaxed);
    for thread in readers {
        thread.join().map_err(|_| "a reader panicked")??;
    }
    sampler.join().map_err(|_| "the sampler panicked")?;
    running.stop()?;
    reading.latencies(times);
    reading.set("commits", reading.latency_us.map_or(0, |_| made / work.batch));
    reading.set("WAL, MiB", largest.load(Relaxed) as f64 / f64::from(1 << 20));
    Ok(reading)
}

fn reader(path: PathBuf, number: u64, is_over: Arc<AtomicBool>) -> JoinHandle<Outcome<()>> {
    std::thread::spawn(move || {
        let db = host(&path)?;
        sleep(SNAPSHOT / 2 * u32::try_from(number)?);
        while !is_over.load(Relaxed) {
            db.execute_batch("BEGIN")?;
            let _: i64 =
                db.query_row("SELECT ifnull(max(seq), 0) FROM outbox_message", [], |row| {
                    row.get(0)
                })?;
            sleep(SNAPSHOT);
            db.execute_batch("COMMIT")?;
        }
        Ok(())
    })
}

/// Of the producer's WAL and of the consumer's, whichever was larger.
fn sampler(
    directory: PathBuf,
    largest: Arc<AtomicU64>,
    is_over: Arc<AtomicBool>,
) -> JoinHandle<()> {
    let size = |path: &Path| std::fs::metadata(path).map_or(0, |file| file.len());
    std::thread::spawn(move || {
        while !is_over.load(Relaxed) {
            for name in ["shop.db-wal", "consumer.db-wal"] {
                largest.fetch_max(size(&directory.join(name)), Relaxed);
            }
            sleep(Duration::from_millis(5));
        }
    })
}
