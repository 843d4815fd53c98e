//! One steady run: whether what was handled long ago is still paid for.

use super::service::{Counter, Running, counting, produce, shop, subscription};
use crate::Outcome;
use crate::common::{Limit, host, pragmas, sleep};
use crate::measure::Work;
use crate::reading::Reading;
use crate::results::spread;
use serde_json::json;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;
use surehand::transport::Local;
use surehand::{Outbox, Relay};

/// The producer waits when it is so far ahead.
const AHEAD: u64 = 20_000;
/// Windows of a run; the first few warm up.
const WINDOWS: u64 = 50;
const WARM_UP: usize = 2;
/// So many of the first and of the last are compared.
const COMPARED: usize = 10;
const MEBIBYTE: f64 = 1_048_576.0;

struct Window {
    handled: u64,
    rate: f64,
    /// The producer's database, and the consumer's.
    databases: [u64; 2],
    wals: [u64; 2],
}

pub fn run(work: &Work) -> Outcome<Reading> {
    let (mut reading, windows) = steadily(work)?;
    compare(&mut reading, &windows)?;
    Ok(reading)
}

/// So many that are over: what they leave behind.
pub fn finished(work: &Work) -> Outcome<Reading> {
    Ok(steadily(work)?.0)
}

fn steadily(work: &Work) -> Outcome<(Reading, Vec<Window>)> {
    let outbox = Outbox::open(shop(work))?;
    let handled = Counter::default();
    let inbox = counting(work, "consumer.db", &handled)?;
    let relay = Relay::open(shop(work))?.woken_by(outbox.doorbell());
    let relay = relay.subscribe(subscription(work)?, Local::new(inbox));
    let mut reading = Reading::of("surehand");
    reading.pragmas = vec![pragmas("producer", &host(&shop(work))?)?];
    let limit = Limit::of(0.0);
    let running = Running::start(relay);
    let producing = {
        let (work, handled) = (work.clone(), Arc::clone(&handled));
        std::thread::spawn(move || produce_steadily(&outbox, &work, &handled))
    };
    let windows = windows(work, &limit, &handled, &|| running.is_over());
    (reading.count, reading.seconds) = (handled.load(Relaxed), limit.elapsed());
    producing.join().map_err(|_| "the producer panicked")??;
    running.stop()?;
    Ok((reading, windows))
}

/// Until the last one is handled: the last windows are as busy as the first.
fn produce_steadily(outbox: &Outbox, work: &Work, handled: &Counter) -> Outcome<()> {
    let mut db = host(&shop(work))?;
    let mut made = 0;
    while handled.load(Relaxed) < work.count {
        if made > handled.load(Relaxed) + AHEAD {
            sleep(Duration::from_millis(1));
            continue;
        }
        produce(outbox, &mut db, work.batch, work.batch, work)?;
        made += work.batch;
    }
    Ok(())
}

fn windows(
    work: &Work,
    limit: &Limit,
    handled: &Counter,
    is_over: &dyn Fn() -> bool,
) -> Vec<Window> {
    let size = work.count / WINDOWS;
    let (mut windows, mut before) = (Vec::new(), (0, 0.0));
    while before.0 + size <= work.count && !is_over() {
        let now = (handled.load(Relaxed), limit.elapsed());
        if now.0 < before.0 + size {
            sleep(Duration::from_micros(500));
            continue;
        }
        let rate = (now.0 - before.0) as f64 / (now.1 - before.1);
        let size = |name| std::fs::metadata(work.directory.join(name)).map_or(0, |file| file.len());
        let databases = ["shop.db", "consumer.db"].map(size);
        let wals = ["shop.db-wal", "consumer.db-wal"].map(size);
        windows.push(Window { handled: now.0, rate, databases, wals });
        before = now;
    }
    windows
}

fn compare(reading: &mut Reading, windows: &[Window]) -> Outcome<()> {
    if windows.len() < WARM_UP + 2 * COMPARED {
        return Err(format!("only {} windows", windows.len()).into());
    }
    let rates: Vec<_> = windows.iter().map(|window| window.rate).collect();
    let median = |rates: &[f64]| spread(rates.to_vec()).map_or(0.0, |spread| spread.median);
    let first = median(&rates[WARM_UP..WARM_UP + COMPARED]);
    let last = median(&rates[rates.len() - COMPARED..]);
    let largest = |windows: &[Window]| {
        windows.iter().map(|window| window.databases.iter().sum::<u64>()).max().unwrap_or(0)
    };
    let (early, late) = windows.split_at(windows.len() / 2);
    reading.set("last by first", last / first);
    reading.set("growth", largest(late) as f64 / largest(early) as f64);
    reading.set("databases, MiB", largest(late) as f64 / MEBIBYTE);
    let wal = windows.iter().flat_map(|window| window.wals).max().unwrap_or(0);
    reading.set("WAL, MiB", wal as f64 / MEBIBYTE);
    let window = |window: &Window| {
        let ([shop, consumer], [shop_wal, consumer_wal]) = (window.databases, window.wals);
        json!([window.handled, window.rate.round(), shop, consumer, shop_wal, consumer_wal])
    };
    reading.set("windows", windows.iter().map(window).collect::<Vec<_>>());
    Ok(())
}
