//! What a relay at full speed costs its host: the commit latency of a service that writes to the
//! same database, first alone and then beside a relay that drains a backlog.
//!
//! `cargo run --release --example fairness [-- --backlog N]`
#![allow(clippy::disallowed_methods, reason = "it measures, and paces itself")]

use std::error::Error;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};
use surehand::rusqlite::{Connection, TransactionBehavior};
use surehand::transport::Local;
use surehand::{Effect, Inbox, Message, Outbox, Relay};

fn main() -> Result<(), Box<dyn Error>> {
    let backlog = std::env::args().skip_while(|word| word != "--backlog").nth(1);
    let backlog: usize = backlog.map_or(Ok(600_000), |text| text.parse())?;
    let directory = tempfile::tempdir()?;
    let shop = directory.path().join("shop.db");
    let outbox = Outbox::open(&shop)?;
    let mut db = Connection::open(&shop)?;
    db.execute_batch("CREATE TABLE visit (at INTEGER)")?;

    let alone = visits(&mut db, || true)?;
    report("alone", &alone);
    fill(&outbox, &mut db, backlog)?;
    let busy = beside_a_relay(&shop, directory.path(), &mut db)?;
    report("beside a relay at full speed", &busy);
    let ratio = percentile(&busy, 99).as_secs_f64() / percentile(&alone, 99).as_secs_f64();
    println!("p99 is {ratio:.1} times as long");
    Ok(())
}

/// Commits a row every other millisecond while told to, five seconds at the most.
fn visits(db: &mut Connection, go_on: impl Fn() -> bool) -> Result<Vec<Duration>, Box<dyn Error>> {
    let started = Instant::now();
    let mut times = Vec::new();
    while go_on() && started.elapsed() < Duration::from_secs(5) {
        let began = Instant::now();
        let tx = db.transaction_with_behavior(TransactionBehavior::Immediate)?;
        tx.execute("INSERT INTO visit (at) VALUES (1)", [])?;
        tx.commit()?;
        times.push(began.elapsed());
        std::thread::sleep(Duration::from_millis(2));
    }
    times.sort_unstable();
    Ok(times)
}

fn fill(outbox: &Outbox, db: &mut Connection, backlog: usize) -> Result<(), Box<dyn Error>> {
    for _ in 0..backlog.div_ceil(1_000) {
        let tx = db.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let message = || Message::new("visited").payload(vec![b'x'; 200]);
        outbox.enqueue_all(&tx, (0..1_000).map(|_| message()))?;
        tx.commit()?;
    }
    Ok(())
}

fn beside_a_relay(
    shop: &Path,
    directory: &Path,
    db: &mut Connection,
) -> Result<Vec<Duration>, Box<dyn Error>> {
    let inbox =
        Inbox::open(directory.join("counter.db"))?.on("visited", |_: &Effect, _: Vec<u8>| Ok(()));
    let relay = Relay::open(shop)?.deliver_to(Local::new(inbox));
    let running = Arc::new(AtomicBool::new(true));
    let drained = Arc::clone(&running);
    let drain = std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().build();
        let result = runtime.map(|runtime| runtime.block_on(relay.run_until_idle()));
        drained.store(false, Ordering::SeqCst);
        result
    });
    let times = visits(db, || running.load(Ordering::SeqCst))?;
    if running.load(Ordering::SeqCst) {
        println!("(the relay was busy for the whole measurement)");
    }
    drain.join().map_err(|_| "the relay panicked")???;
    Ok(times)
}

fn percentile(sorted: &[Duration], percent: usize) -> Duration {
    sorted[(sorted.len() * percent / 100).min(sorted.len() - 1)]
}

fn report(what: &str, sorted: &[Duration]) {
    let (p50, p99) = (percentile(sorted, 50), percentile(sorted, 99));
    println!("{what}: {} commits, p50 {p50:?}, p99 {p99:?}", sorted.len());
}
