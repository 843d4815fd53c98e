//! Rule 4: a producer's store that went back in time is noticed, nothing is sent, nothing is
//! answered as a duplicate, and a new identity heals it.

use crate::backup::{back_up, restore};
use crate::world::{
    World, capture, column, deliver, eager, halts, number, one, place, process, until, words,
};
use std::path::Path;
use surehand::rusqlite::Connection;
use surehand::transport::Local;
use surehand::{ErrorKind, Inbox, Operator, Relay};

/// What the warehouse was asked and did: nobody may do anything to it that changes this.
fn warehouse_of(world: &World) -> (Vec<i64>, i64, i64) {
    let duplicates = world.in_store("SELECT sum(duplicates) FROM inbox_source");
    let asked = "SELECT sum(applied + failed + blocked + conflicts + superseded) FROM inbox_source";
    (world.effects(), duplicates, world.in_store(asked))
}

/// The relay halts, the warehouse is left alone, and what is pending stays pending.
async fn is_noticed(world: &World, shop: &Path) -> String {
    let before = (warehouse_of(world), one(shop, "SELECT count(*) FROM outbox_message"));
    let error = halts(shop, world.warehouse()).await;
    assert_eq!(error.kind(), ErrorKind::Rewound, "{error}");
    let after = (warehouse_of(world), one(shop, "SELECT count(*) FROM outbox_message"));
    assert_eq!(before, after);
    error.to_string()
}

/// 1 to 10 are in the backup, 11 to 20 are not, and all of them are applied.
async fn restored() -> World {
    let world = World::new();
    world.place(1..=10);
    deliver(&world.shop(), world.warehouse()).await;
    back_up(&world.shop());
    world.place(11..=20);
    deliver(&world.shop(), world.warehouse()).await;
    restore(&world.shop());
    world
}

#[tokio::test]
async fn a_restored_store_halts_delivery_although_nothing_new_was_enqueued() {
    let world = restored().await;
    let text = is_noticed(&world, &world.shop()).await;
    assert!(text.contains("the consumer knows epoch 2, and this store is at 2"), "{text}");
    assert_eq!(world.effects(), Vec::from_iter(1..=20));
}

#[tokio::test]
async fn a_restored_store_that_goes_on_producing_gets_no_duplicate_for_what_is_new() {
    let world = restored().await;
    world.place(21..=25); // At the places of 11 to 15.
    is_noticed(&world, &world.shop()).await;
    assert_eq!(world.in_shop("SELECT min(seq) FROM outbox_message"), 11);
}

#[tokio::test]
async fn a_restored_store_is_noticed_in_every_later_epoch() {
    let world = restored().await;
    world.place(21..=25);
    for _ in 0..5 {
        is_noticed(&world, &world.shop()).await;
    }
    // Having caught up with the places does not help: how far it sent is what counts.
    world.place(26..=60);
    let text = is_noticed(&world, &world.shop()).await;
    assert!(text.contains("the consumer has seen place 20, we sent up to 10"), "{text}");
}

#[tokio::test]
async fn a_backup_made_beside_a_running_relay_is_noticed_when_it_is_restored() {
    let world = World::new();
    world.place(1..=10);
    let relay = Relay::open(world.shop()).unwrap();
    let relay = relay.subscribe(eager(), Local::new(world.warehouse()));
    let while_it_runs = async {
        until(|| world.effects().len() == 10).await;
        let backup = world.directory.path().join("shop.db.backup");
        let into = format!("VACUUM INTO '{}'", backup.display());
        Connection::open(world.shop()).unwrap().execute_batch(&into).unwrap();
        world.place(11..=20);
        until(|| world.effects().len() == 20).await;
    };
    relay.run_until(while_it_runs).await.unwrap();
    restore(&world.shop());
    world.place([21]);
    let text = is_noticed(&world, &world.shop()).await;
    assert!(text.contains("the consumer has seen place 20, we sent up to 10"), "{text}");
}

#[tokio::test]
async fn a_new_identity_heals_a_restored_store() {
    let world = restored().await;
    world.place(21..=25);
    is_noticed(&world, &world.shop()).await;
    Operator::open(world.shop()).unwrap().adopt_new_identity().unwrap();
    deliver(&world.shop(), world.warehouse()).await;
    assert_eq!(world.effects(), Vec::from_iter(1..=25));
    assert_eq!(world.in_store("SELECT count(*) FROM inbox_source"), 2);
    assert_eq!(world.in_shop("SELECT count(*) FROM outbox_message"), 0);
}

#[tokio::test]
async fn a_restore_that_lost_nothing_goes_on() {
    let world = World::new();
    world.place(1..=10);
    deliver(&world.shop(), world.warehouse()).await;
    back_up(&world.shop());
    restore(&world.shop());
    world.place(11..=12);
    deliver(&world.shop(), world.warehouse()).await;
    assert_eq!(world.effects(), Vec::from_iter(1..=12));
}

#[tokio::test]
async fn a_copy_that_runs_beside_the_original_halts_and_the_original_goes_on() {
    let world = World::new();
    world.place(1..=10);
    deliver(&world.shop(), world.warehouse()).await;
    let copy = back_up(&world.shop());
    let relay = Relay::open(world.shop()).unwrap();
    let relay = relay.subscribe(eager(), Local::new(world.warehouse()));
    let beside_it = async {
        world.place([11]);
        until(|| world.effects().len() == 11).await;
        place(&copy, [number(21)]);
        let error = halts(&copy, world.warehouse()).await;
        assert_eq!(error.kind(), ErrorKind::Rewound, "{error}");
        world.place(12..=15);
        until(|| world.effects().len() == 15).await;
    };
    relay.run_until(beside_it).await.unwrap();
    assert_eq!(world.effects(), Vec::from_iter(1..=15));
    assert_eq!(world.in_store("SELECT sum(duplicates) FROM inbox_source"), 0);
}

#[tokio::test]
async fn a_copy_that_takes_the_originals_place_halts_the_original() {
    let world = World::new();
    world.place(1..=10);
    deliver(&world.shop(), world.warehouse()).await;
    let copy = back_up(&world.shop());
    let relay = Relay::open(world.shop()).unwrap();
    let relay = relay.subscribe(eager(), Local::new(world.warehouse()));
    let beside_it = async {
        until(|| world.in_store("SELECT epoch FROM inbox_source") == 2).await;
        // Two openings: the second one's epoch is later than the original's.
        halts(&copy, world.warehouse()).await;
        place(&copy, [number(21)]);
        deliver(&copy, world.warehouse()).await;
        world.place([11]);
        std::future::pending().await
    };
    let error = relay.run_until(beside_it).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Rewound, "{error}");
    assert_eq!(column(&world.store(), "SELECT max(n) FROM effect"), [21]);
    assert_eq!(world.effects().len(), 11);
}

/// The original's third message is remembered; a copy sent another third one to a consumer of its
/// own, and then meets the original's.
#[test]
fn another_message_at_a_place_halts_delivery() {
    let world = World::new();
    world.place(1..=2);
    let mut inbox = world.warehouse();
    let captured = capture(&world.shop(), 2);
    captured.greet(&mut inbox);
    assert_eq!(words(&process(&mut inbox, &captured.all())), ["applied"; 2]);
    let copy = back_up(&world.shop());
    let originals = world.place([3]);
    let captured = capture(&world.shop(), 3);
    captured.greet(&mut inbox);
    assert_eq!(words(&process(&mut inbox, &captured.all())), ["duplicate", "duplicate", "applied"]);
    let copies = place(&copy, [number(30)]);
    capture(&copy, 3);
    capture(&copy, 3);
    drop(inbox);

    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let error = runtime.block_on(halts(&copy, world.warehouse()));
    assert_eq!(error.kind(), ErrorKind::Rewound, "{error}");
    let both = format!("place 3 was message {} and is {} now", originals[0], copies[0]);
    assert!(error.to_string().contains(&both), "{error}");
    assert_eq!(world.effects(), [1, 2, 3]);
}

#[tokio::test]
async fn a_log_that_ends_before_what_was_sent_halts_before_anybody_is_asked() {
    let world = World::new();
    world.place(1..=10);
    deliver(&world.shop(), world.warehouse()).await;
    // As a disk that forgets what it was told to keep leaves it.
    let shop = Connection::open(world.shop()).unwrap();
    shop.execute("UPDATE sqlite_sequence SET seq = 4 WHERE name = 'outbox_message'", []).unwrap();
    drop(shop);
    world.place(11..=13);
    let text = is_noticed(&world, &world.shop()).await;
    assert!(text.contains("the log ends before what was sent"), "{text}");
    assert_eq!(world.in_store("SELECT epoch FROM inbox_source"), 1, "nobody was asked");
}
