//! Producer, relay and consumer, each on a thread with a connection of its own.

use super::{DELETE, EFFECT, INSERT, MOVE, READ, SEEN, consumer, log};
use crate::Outcome;
use crate::common::{now, payload, pragmas};
use crate::measure::pipeline::Work;
use crate::reading::Reading;
use rusqlite::{Connection, TransactionBehavior::Immediate};
use std::sync::mpsc::{Receiver, Sender, channel};
use uuid::Uuid;

type Batch = Vec<(i64, [u8; 16], Vec<u8>)>;

/// Batches under way at the most: one is applied while the next is read.
const UNDER_WAY: usize = 2;

pub fn run(work: &Work) -> Outcome<Reading> {
    let path = work.directory.join("log.db");
    let mut producer = log(&path)?;
    produce(&mut producer, work.backlog, work.fill_batch, work.payload, &|| ())?;
    let relay = log(&path)?;
    let inbox = consumer(&work.directory.join("consumer.db"))?;
    let mut reading = Reading::of("floor");
    reading.pragmas = vec![
        pragmas("producer", &producer)?,
        pragmas("relay", &relay)?,
        pragmas("consumer", &inbox)?,
    ];

    let (batches, received) = channel();
    let (signal, signals) = channel();
    let (acked, committed) = (signal.clone(), signal);
    let (batch, total) = (work.batch, work.backlog + work.count);
    let began = now();
    let consuming = std::thread::spawn(move || consume(inbox, &received, &acked));
    let relaying = std::thread::spawn(move || deliver(relay, batch, total, &batches, &signals));
    produce(&mut producer, work.count, batch, work.payload, &|| {
        // The relay has ended when nobody listens.
        let _ = committed.send(None);
    })?;
    relaying.join().map_err(|_| "the relay panicked")??;
    reading.seconds = began.elapsed().as_secs_f64();
    consuming.join().map_err(|_| "the consumer panicked")??;
    reading.count = total;
    Ok(reading)
}

pub fn produce(
    db: &mut Connection,
    count: u64,
    batch: u64,
    bytes: usize,
    committed: &dyn Fn(),
) -> Outcome<()> {
    let payload = payload(bytes);
    let mut left = count;
    while left > 0 {
        let tx = db.transaction_with_behavior(Immediate)?;
        let mut insert = tx.prepare_cached(INSERT)?;
        for _ in 0..left.min(batch) {
            insert.execute((Uuid::now_v7().as_bytes(), &payload))?;
        }
        drop(insert);
        tx.commit()?;
        committed();
        left -= left.min(batch);
    }
    Ok(())
}

/// A signal is the last place of an acknowledged batch, or none when something was committed.
fn deliver(
    mut db: Connection,
    batch: u64,
    total: u64,
    batches: &Sender<Batch>,
    signals: &Receiver<Option<i64>>,
) -> Outcome<()> {
    let (mut sent, mut acked, mut settled, mut under_way) = (0, 0, 0, 0);
    while settled < i64::try_from(total)? {
        let mut news = signals.try_recv().ok();
        let rows = if under_way < UNDER_WAY { read(&db, sent, batch)? } else { Vec::new() };
        if rows.is_empty() && acked == settled && news.is_none() {
            news = Some(signals.recv()?);
        }
        while let Some(signal) = news {
            if let Some(last) = signal {
                (acked, under_way) = (last, under_way - 1);
            }
            news = signals.try_recv().ok();
        }
        if rows.is_empty() && acked == settled {
            continue;
        }
        let tx = db.transaction_with_behavior(Immediate)?;
        if acked > settled {
            tx.prepare_cached(DELETE)?.execute([acked])?;
        }
        sent = rows.last().map_or(sent, |(seq, ..)| *seq);
        tx.prepare_cached(MOVE)?.execute([sent, acked])?;
        tx.commit()?;
        settled = acked;
        if !rows.is_empty() {
            under_way += 1;
            batches.send(rows)?;
        }
    }
    Ok(())
}

fn read(db: &Connection, after: i64, limit: u64) -> Outcome<Batch> {
    let mut read = db.prepare_cached(READ)?;
    let rows = read.query_map((after, i64::try_from(limit)?), |row| {
        Ok((row.get(0)?, row.get(1)?, row.get(2)?))
    })?;
    Ok(rows.collect::<Result<_, _>>()?)
}

fn consume(
    mut db: Connection,
    batches: &Receiver<Batch>,
    acked: &Sender<Option<i64>>,
) -> Outcome<()> {
    while let Ok(batch) = batches.recv() {
        let tx = db.transaction_with_behavior(Immediate)?;
        let (mut seen, mut effect) = (tx.prepare_cached(SEEN)?, tx.prepare_cached(EFFECT)?);
        for (_, id, payload) in &batch {
            seen.execute([&id[..]])?;
            effect.execute([i64::try_from(payload.len())?])?;
        }
        drop((seen, effect));
        tx.commit()?;
        // The relay has ended when nobody listens.
        let _ = acked.send(batch.last().map(|(seq, ..)| *seq));
    }
    Ok(())
}
