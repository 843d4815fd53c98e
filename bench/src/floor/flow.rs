//! Relay and consumer, each on a thread with a connection of its own; and a producer.

use super::{DELETE, EFFECT, INSERT, MOVE, READ, SEEN};
use crate::Outcome;
use crate::measure::Work;
use rusqlite::{Connection, TransactionBehavior::Immediate};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::JoinHandle;
use uuid::Uuid;

type Batch = Vec<(i64, [u8; 16], Vec<u8>)>;

/// Batches under way at the most: one is applied while the next is read.
const UNDER_WAY: usize = 2;

pub struct Steady {
    pub batch: u64,
    pub total: u64,
    /// Whether the consumer inserts a row for each message.
    pub effect: bool,
}

/// What runs until so many messages are settled, or it is stopped.
pub struct Flow {
    relaying: JoinHandle<Outcome<()>>,
    consuming: JoinHandle<Outcome<()>>,
    /// None: something was committed.
    signals: Sender<Option<i64>>,
    stopped: Arc<AtomicBool>,
    handled: Arc<AtomicU64>,
}

impl Flow {
    pub fn start(relay: Connection, inbox: Connection, flow: Steady) -> Self {
        let Steady { batch, total, effect } = flow;
        let (batches, received) = channel();
        let (signals, signalled) = channel();
        let (stopped, handled) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
        let (acked, counted) = (signals.clone(), Arc::clone(&handled));
        let consuming =
            std::thread::spawn(move || consume(inbox, effect, &received, &acked, &counted));
        let is_over = Arc::clone(&stopped);
        let relaying = std::thread::spawn(move || {
            deliver(relay, (batch, total), &batches, &signalled, &is_over)
        });
        Self { relaying, consuming, signals, stopped, handled }
    }

    pub fn handled(&self) -> u64 {
        self.handled.load(Ordering::Relaxed)
    }

    pub fn is_over(&self) -> bool {
        self.relaying.is_finished()
    }

    pub fn committed(&self) {
        // The relay has ended when nobody listens.
        let _ = self.signals.send(None);
    }

    /// Waits until all is settled.
    pub fn join(self) -> Outcome<()> {
        drop(self.signals);
        self.relaying.join().map_err(|_| "the relay panicked")??;
        self.consuming.join().map_err(|_| "the consumer panicked")?
    }

    pub fn stop(self) -> Outcome<()> {
        self.stopped.store(true, Ordering::Relaxed);
        self.committed();
        self.join()
    }
}

pub fn produce(
    db: &mut Connection,
    count: u64,
    batch: u64,
    work: &Work,
    committed: &dyn Fn(),
) -> Outcome<()> {
    let payload = crate::common::payload(work.payload);
    let mut left = count;
    while left > 0 {
        let tx = db.transaction_with_behavior(Immediate)?;
        let mut insert = tx.prepare_cached(INSERT)?;
        for _ in 0..left.min(batch) {
            let id = if work.random_ids { Uuid::new_v4() } else { Uuid::now_v7() };
            insert.execute((id.as_bytes(), &payload))?;
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
    (batch, total): (u64, u64),
    batches: &Sender<Batch>,
    signals: &Receiver<Option<i64>>,
    is_over: &AtomicBool,
) -> Outcome<()> {
    let (mut sent, mut acked, mut settled, mut under_way) = (0, 0, 0, 0);
    while settled < i64::try_from(total)? && !is_over.load(Ordering::Relaxed) {
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
    has_effect: bool,
    batches: &Receiver<Batch>,
    acked: &Sender<Option<i64>>,
    handled: &AtomicU64,
) -> Outcome<()> {
    while let Ok(batch) = batches.recv() {
        let tx = db.transaction_with_behavior(Immediate)?;
        let (mut seen, mut effect) = (tx.prepare_cached(SEEN)?, tx.prepare_cached(EFFECT)?);
        for (_, id, payload) in &batch {
            seen.execute([&id[..]])?;
            if has_effect {
                effect.execute([i64::try_from(payload.len())?])?;
            }
            handled.fetch_add(1, Ordering::Relaxed);
        }
        drop((seen, effect));
        tx.commit()?;
        // The relay has ended when nobody listens.
        let _ = acked.send(batch.last().map(|(seq, ..)| *seq));
    }
    Ok(())
}
