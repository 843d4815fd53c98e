//! What a relay at full speed costs its host: the commit latency of a service that writes to the
//! same database, in turns alone and beside a relay that drains a backlog.
//!
//! `cargo run --release --example fairness [-- --rounds N]`
#![allow(clippy::disallowed_methods, reason = "it measures, and paces itself")]

use std::error::Error;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};
use surehand::rusqlite::{Connection, TransactionBehavior};
use surehand::transport::Local;
use surehand::{Effect, Inbox, Message, Outbox, Relay};

/// More than a relay delivers in one turn.
const BACKLOG: usize = 300_000;
const TURN: Duration = Duration::from_secs(4);

fn main() -> Result<(), Box<dyn Error>> {
    let rounds = std::env::args().skip_while(|word| word != "--rounds").nth(1);
    let rounds: usize = rounds.map_or(Ok(3), |text| text.parse())?;
    let (mut alone, mut busy) = (Vec::new(), Vec::new());
    for round in 1..=rounds {
        eprintln!("round {round} of {rounds}");
        let directory = tempfile::tempdir()?;
        let shop = directory.path().join("shop.db");
        let outbox = Outbox::open(&shop)?;
        let mut db = Connection::open(&shop)?;
        db.execute_batch("CREATE TABLE visit (at INTEGER)")?;
        alone.extend(visits(&mut db, || true)?);
        fill(&outbox, &mut db, BACKLOG)?;
        busy.extend(beside_a_relay(&shop, directory.path(), &mut db)?);
    }
    report("alone", &mut alone);
    report("beside a relay at full speed", &mut busy);
    let ratio = percentile(&busy, 99).as_secs_f64() / percentile(&alone, 99).as_secs_f64();
    println!("p99 is {ratio:.1} times as long");
    Ok(())
}

/// Commits a row every other millisecond for a turn, as long as it is told to go on.
fn visits(db: &mut Connection, go_on: impl Fn() -> bool) -> Result<Vec<Duration>, Box<dyn Error>> {
    let started = Instant::now();
    let mut times = Vec::new();
    while go_on() && started.elapsed() < TURN {
        let began = Instant::now();
        let tx = db.transaction_with_behavior(TransactionBehavior::Immediate)?;
        tx.execute("INSERT INTO visit (at) VALUES (1)", [])?;
        tx.commit()?;
        times.push(began.elapsed());
        std::thread::sleep(Duration::from_millis(2));
    }
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
    if !running.load(Ordering::SeqCst) {
        eprintln!("the relay was done before the turn was over");
    }
    drain.join().map_err(|_| "the relay panicked")???;
    Ok(times)
}

fn percentile(sorted: &[Duration], percent: usize) -> Duration {
    sorted[(sorted.len() * percent / 100).min(sorted.len() - 1)]
}

fn report(what: &str, times: &mut [Duration]) {
    times.sort_unstable();
    let sorted = &*times;
    let (p50, p99) = (percentile(sorted, 50), percentile(sorted, 99));
    println!("{what}: {} commits, p50 {p50:?}, p99 {p99:?}", sorted.len());
}
