//! When the commit fails, everybody who shared it is told, and the handle goes on.

use super::super::support::{Shop, order, placed};
use super::{Call, call, hand_in, held_up, in_one_group, start};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use surehand::rusqlite::Connection;
use surehand::{AsyncOutbox, Error, ErrorKind};

/// An order and its message, and then this statement.
fn buy(handle: &AsyncOutbox, number: i64, statement: &'static str) -> Call<Result<(), Error>> {
    let handle = handle.clone();
    call(async move {
        handle
            .transact(move |tx, outbox| {
                order(tx, number);
                outbox.enqueue(tx, placed())?;
                // What the statement says is not what the caller is told.
                let _ = tx.execute_batch(statement);
                Ok(())
            })
            .await
    })
}

#[track_caller]
fn all_failed(answers: Vec<Result<(), Error>>, kind: ErrorKind) -> Vec<Error> {
    let errors: Vec<Error> = answers.into_iter().map(|answer| answer.unwrap_err()).collect();
    assert!(errors.iter().all(|error| error.kind() == kind), "{errors:?}");
    errors
}

#[tokio::test]
async fn whoever_ends_the_transaction_fails_the_group_and_nothing_is_written() {
    for statement in ["COMMIT", "ROLLBACK", "COMMIT; BEGIN", "ROLLBACK TO _rusqlite_sp; COMMIT"] {
        let shop = Shop::new();
        let handle = start(&shop);
        let calls = vec![buy(&handle, 1, ""), buy(&handle, 2, statement), buy(&handle, 3, "")];
        let answers = in_one_group(&handle, calls).await;
        assert!(answers.iter().all(Result::is_err), "{statement}: {answers:?}");
        assert_eq!(shop.written(), (0, 0), "{statement}");
        buy(&handle, 4, "").await.unwrap();
        assert_eq!(shop.written(), (1, 1), "{statement}");
    }
}

/// The first of them ran before it happened, the last would have run after it.
#[tokio::test]
async fn everybody_is_told_who_ended_the_transaction() {
    let shop = Shop::new();
    let handle = start(&shop);
    let calls = vec![buy(&handle, 1, ""), buy(&handle, 2, "COMMIT"), buy(&handle, 3, "")];
    let answers = in_one_group(&handle, calls).await;
    for error in all_failed(answers, ErrorKind::NotInTransaction) {
        assert!(!error.is_retryable());
        let text = error.to_string();
        assert!(text.contains("nothing of the group was written; do not COMMIT"), "{text}");
    }
}

/// In rollback mode a commit waits for readers. Five seconds: how long our connections wait for a
/// lock is not to be set.
#[tokio::test]
async fn a_lock_that_is_held_for_too_long_is_busy_for_everybody() {
    let shop = Shop::new();
    shop.db.pragma_update(None, "journal_mode", "delete").unwrap();
    let handle = start(&shop);
    let reader = Arc::new(Mutex::new(Connection::open(&shop.path).unwrap()));
    let mut calls: Vec<_> = (1..=3).map(|number| buy(&handle, number, "")).collect();
    calls.push(call({
        let (handle, reader) = (handle.clone(), Arc::clone(&reader));
        let read = "BEGIN; SELECT count(*) FROM orders";
        let begin = move || reader.lock().unwrap().execute_batch(read);
        async move {
            handle
                .transact(move |_, _| {
                    begin().unwrap();
                    Ok(())
                })
                .await
        }
    }));
    for error in all_failed(in_one_group(&handle, calls).await, ErrorKind::Busy) {
        assert!(error.is_retryable());
        assert!(error.to_string().contains("held the lock"), "{error}");
        assert!(std::error::Error::source(&error).is_some());
    }
    assert_eq!(shop.written(), (0, 0));
    reader.lock().unwrap().execute_batch("ROLLBACK").unwrap();
    buy(&handle, 4, "").await.unwrap();
    assert_eq!(shop.written(), (1, 1));
}

#[cfg(unix)]
#[tokio::test]
async fn a_file_that_is_gone_fails_everybody_and_no_other_is_made() {
    let shop = Shop::new();
    let handle = start(&shop);
    let away = shop.path.with_extension("away");
    let mut calls: Vec<_> = (1..=3).map(|number| buy(&handle, number, "")).collect();
    let held = held_up(&handle, || {
        calls.iter_mut().for_each(hand_in);
        std::fs::rename(&shop.path, &away).unwrap();
    });
    let mut answers = vec![held.await];
    calls.push(buy(&handle, 4, ""));
    for call in calls {
        answers.push(call.await);
    }
    for error in answers.into_iter().map(Result::unwrap_err) {
        assert_eq!(error.kind(), ErrorKind::Replaced);
        assert!(!error.is_retryable());
        assert!(error.to_string().contains("nothing was written"), "{error}");
    }
    assert!(!shop.path.exists(), "a database was made where there was none");
    std::fs::rename(&away, &shop.path).unwrap();
    buy(&handle, 5, "").await.unwrap();
    assert_eq!(shop.written(), (1, 1));
}

/// The way to open connections is its user's code, and may panic.
#[tokio::test]
async fn a_panic_around_the_commit_leaves_the_outcome_unknown_and_the_handle_alive() {
    let broken = Arc::new(AtomicBool::new(false));
    let shop = Shop::with(|database| {
        let broken = Arc::clone(&broken);
        database.opened_by(move |path| {
            assert!(!broken.load(Ordering::SeqCst), "of the way to open");
            Connection::open(path)
        })
    });
    let handle = start(&shop);
    // The connection that met this is opened anew.
    buy(&handle, 1, "COMMIT").await.unwrap_err();
    broken.store(true, Ordering::SeqCst);
    let error = buy(&handle, 2, "").await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unknown);
    assert!(!error.is_retryable());
    assert!(error.to_string().contains("idempotency key"), "{error}");
    broken.store(false, Ordering::SeqCst);
    buy(&handle, 3, "").await.unwrap();
    assert_eq!(shop.written(), (1, 1));
}

/// A read that nobody ended would hold the thread's connection at what it saw, for ever.
#[tokio::test]
async fn a_read_left_open_in_transact_stops_nobody() {
    let shop = Shop::new();
    let handle = start(&shop);
    let leaving = handle.transact(|tx, outbox| {
        let statement = Box::leak(Box::new(tx.prepare("SELECT 1 FROM outbox_store").unwrap()));
        let mut rows = statement.query([]).unwrap();
        assert!(rows.next().unwrap().is_some());
        std::mem::forget(rows);
        outbox.enqueue(tx, placed())
    });
    leaving.await.unwrap();
    for number in 0..2 {
        // Somebody else commits, and what the thread saw is old.
        order(&shop.db, number);
        handle.enqueue(placed()).await.unwrap();
    }
    assert_eq!(shop.written(), (2, 3));
}
