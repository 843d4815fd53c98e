//! What becomes of a call when somebody lets go of it, or of the handle.

use super::super::support::{Shop, eventually, placed};
use super::{call, hand_in, held_up, start};
use std::sync::Arc;
use surehand::rusqlite::Connection;
use surehand::{AsyncOutbox, Error};

#[tokio::test]
async fn a_call_that_nobody_awaits_hands_nothing_in() {
    let shop = Shop::new();
    let handle = start(&shop);
    drop(handle.enqueue(placed()));
    handle.transact(|_, _| Ok::<_, Error>(())).await.unwrap();
    assert_eq!(shop.written().1, 0);
}

#[tokio::test]
async fn a_call_that_was_handed_in_is_committed_though_nobody_waits_for_it() {
    let shop = Shop::new();
    let handle = start(&shop);
    held_up(&handle, || {
        let handle = handle.clone();
        let mut waiting = call(async move { handle.enqueue(placed()).await });
        hand_in(&mut waiting);
        drop(waiting);
    })
    .await
    .unwrap();
    handle.transact(|_, _| Ok::<_, Error>(())).await.unwrap();
    assert_eq!(shop.written().1, 1);
}

/// So many may wait; whoever comes then waits for room.
#[tokio::test]
async fn a_call_that_waits_for_room_hands_nothing_in_before_there_is_some() {
    const ROOM: usize = 1_024;
    let shop = Shop::new();
    let handle = start(&shop);
    let enqueue = |payload: &'static str| {
        let handle = handle.clone();
        let mut call = call(async move { handle.enqueue(placed().payload(payload)).await });
        hand_in(&mut call);
        call
    };
    let mut waiting = Vec::new();
    let held = held_up(&handle, || {
        waiting.extend((0..ROOM).map(|_| enqueue("handed in")));
        drop(enqueue("given up"));
        waiting.push(enqueue("patient"));
    });
    held.await.unwrap();
    for call in waiting {
        call.await.unwrap();
    }
    let count = |payload: &str| {
        let sql = "SELECT count(*) FROM outbox_message WHERE CAST(payload AS TEXT) =";
        shop.read::<i64>(&format!("{sql} '{payload}'"))
    };
    assert_eq!((count("handed in"), count("given up"), count("patient")), (1_024, 0, 1));
}

/// A result that nobody takes is dropped by the store's thread.
struct Grenade;

impl Drop for Grenade {
    fn drop(&mut self) {
        panic!("of what a caller left behind");
    }
}

#[tokio::test]
async fn what_a_caller_leaves_behind_does_no_harm_to_others() {
    let shop = Shop::new();
    let handle = start(&shop);
    let (left, other) = (handle.clone(), handle.clone());
    let mut other = call(async move { other.enqueue(placed()).await });
    held_up(&handle, || {
        let mut left = call(async move { left.transact(|_, _| Ok::<_, Error>(Grenade)).await });
        hand_in(&mut left);
        drop(left);
        hand_in(&mut other);
    })
    .await
    .unwrap();
    other.await.unwrap();
    handle.enqueue(placed()).await.unwrap();
    assert_eq!(shop.written().1, 2);
}

#[tokio::test]
async fn the_thread_ends_with_the_last_handle_and_after_what_was_handed_in() {
    let open = Arc::new(());
    let token = Arc::downgrade(&open);
    let shop = Shop::with(|database| {
        database.opened_by(move |path| {
            let _open = &open;
            Connection::open(path)
        })
    });
    // The thread has the way to open connections for as long as it lives.
    let Shop { directory: _directory, path, outbox, db: _db } = shop;
    let first = AsyncOutbox::start(outbox).unwrap();
    let second = first.clone();
    drop(first);
    let other = second.clone();
    let mut waiting = call(async move { other.enqueue(placed()).await });
    held_up(&second, || hand_in(&mut waiting)).await.unwrap();
    drop((waiting, second));
    assert!(eventually(|| (token.strong_count() == 0).then_some(())).is_some(), "it goes on");
    assert_eq!(super::super::support::written(&path).1, 1);
}
