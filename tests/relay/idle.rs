//! A relay that runs until nothing is left: what a unit test of its user steps with.

use super::stage::{PATIENCE, Shelf, Shop, keyed, main_line, main_line_named, millis, plain};
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;
use surehand::{Failure, Relay, Result};

/// Runs it on this thread; panics when it does not end.
#[track_caller]
fn until_idle(relay: Relay) -> Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    let ended =
        runtime.block_on(async { tokio::time::timeout(PATIENCE, relay.run_until_idle()).await });
    ended.expect("it becomes idle")
}

impl Shop {
    fn pending(&self) -> Vec<i64> {
        let db = surehand::rusqlite::Connection::open(self.path()).unwrap();
        let pending = self.outbox.pending(&db).unwrap();
        pending.iter().map(|one| serde_json::from_slice(one.payload()).unwrap()).collect()
    }
}

#[test]
fn it_delivers_what_is_pending_retries_included_and_ends() {
    let mut shop = Shop::open();
    let shelf = Shelf::new(shop.file("shelf.db"));
    shop.put((1..=5).map(|number| keyed("k", number)));
    assert_eq!(shop.pending(), [1, 2, 3, 4, 5]);
    let failures = AtomicI64::new(2);
    let check = move |number| match number {
        3 if failures.fetch_sub(1, Ordering::SeqCst) > 0 => Err(Failure::retry("no stock")),
        _ => Ok(()),
    };
    until_idle(shop.relay().subscribe(main_line(), shelf.transport(check))).unwrap();
    assert_eq!(shelf.numbers(), [1, 2, 3, 4, 5]);
    assert!(shop.pending().is_empty());
}

#[test]
fn it_does_not_wait_for_dead_letters_nor_for_what_is_behind_them() {
    let mut shop = Shop::open();
    let shelf = Shelf::new(shop.file("shelf.db"));
    shop.put([keyed("k", 1), keyed("k", 2), keyed("j", 3)]);
    let check = |number| match number {
        1 => Err(Failure::permanent("no such customer")),
        _ => Ok(()),
    };
    until_idle(shop.relay().subscribe(main_line(), shelf.transport(check))).unwrap();
    assert_eq!(shelf.numbers(), [3]);
    assert_eq!(shop.pending(), [1, 2]);
    let stats = shop.stats("main");
    assert_eq!((stats.dead, stats.parked), (1, 1));
}

#[test]
fn a_paused_subscription_does_not_keep_it_from_ending() {
    let mut shop = Shop::open();
    let shelf = Shelf::new(shop.file("shelf.db"));
    let relay = || shop.relay().subscribe(main_line(), shelf.transport(|_| Ok(())));
    until_idle(relay()).unwrap();
    shop.operator().pause("main").unwrap();
    let relay = relay().subscribe(main_line_named("other"), shelf.transport(|_| Ok(())));
    shop.put([plain(1)]);
    until_idle(relay).unwrap();
    assert_eq!(shelf.numbers(), [1], "the other one's");
    assert_eq!(shop.pending(), [1]);
}

#[test]
fn a_delayed_message_is_waited_for() {
    let hour = Duration::from_secs(3_600);
    let mut shop = Shop::open();
    let shelf = Shelf::new(shop.file("shelf.db"));
    shop.put([plain(1).delay(hour)]);
    let relay = shop.relay().subscribe(main_line(), shelf.transport(|_| Ok(())));
    let clock = shop.clock.clone();
    let hands = std::thread::spawn(move || {
        // Whether it would have ended by now.
        std::thread::sleep(millis(100));
        clock.pass(hour);
    });
    until_idle(relay).unwrap();
    hands.join().unwrap();
    assert_eq!(shelf.numbers(), [1]);
}
