//! The async handle: many callers, one durable commit, and an answer to each.

mod ending;
mod failures;
mod full;
mod sharing;

use super::support::Shop;
use std::path::Path;
use std::pin::{Pin, pin};
use std::sync::mpsc::channel;
use std::task::{Context, Waker};
use surehand::{AsyncOutbox, Error};
use tokio::sync::oneshot;

/// A call that was made and not awaited yet.
type Call<T> = Pin<Box<dyn Future<Output = T>>>;

fn call<T>(future: impl Future<Output = T> + 'static) -> Call<T> {
    Box::pin(future)
}

fn start(shop: &Shop) -> AsyncOutbox {
    AsyncOutbox::start(shop.outbox.clone()).unwrap()
}

/// Polls once: the call is handed in, and its answer is still to come.
fn hand_in<T>(call: &mut Call<T>) {
    let mut context = Context::from_waker(Waker::noop());
    // However many one task hands in: otherwise tokio makes it pause.
    let call = pin!(tokio::task::unconstrained(call));
    assert!(call.poll(&mut context).is_pending());
}

/// Holds up the store's thread by a transaction of its own while all calls are handed in, so that
/// they share the next one; then waits for their answers.
async fn in_one_group<T>(handle: &AsyncOutbox, mut calls: Vec<Call<T>>) -> Vec<T> {
    let held = held_up(handle, || calls.iter_mut().for_each(hand_in));
    held.await.unwrap();
    let mut answers = Vec::new();
    for call in calls {
        answers.push(call.await);
    }
    answers
}

/// Does something while the store's thread has begun a transaction; says what became of that.
async fn held_up(handle: &AsyncOutbox, meanwhile: impl FnOnce()) -> Result<(), Error> {
    let (begun, has_begun) = oneshot::channel();
    let (end, ended) = channel::<()>();
    let mut holding = pin!(handle.transact(move |_, _| {
        begun.send(()).unwrap();
        ended.recv().unwrap();
        Ok::<(), Error>(())
    }));
    tokio::select! {
        biased;
        _ = &mut holding => unreachable!("it was not told to end"),
        begun = has_begun => begun.unwrap(),
    }
    meanwhile();
    end.send(()).unwrap();
    holding.await
}

/// How many commits the write-ahead log holds: frames that say how large the database is after
/// them, and have the salt of the header, so that they are not left from before the last checkpoint
/// (<https://sqlite.org/fileformat2.html#walformat>).
fn commits(database: &Path) -> usize {
    let log = std::fs::read(database.with_extension("db-wal")).unwrap();
    let page = u32::from_be_bytes(log[8..12].try_into().unwrap()) as usize;
    let is_commit = |frame: &&[u8]| frame[4..8] != [0; 4] && frame[8..16] == log[16..24];
    log[32..].chunks(24 + page).filter(is_commit).count()
}
