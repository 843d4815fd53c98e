//! Rule 4, the other way round: a consumer's store that went back in time is noticed, and what it
//! lost is delivered again, once.

use crate::backup::{back_up, delete, exchange, restore};
use crate::world::{World, insert, prepare_store, until, within};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use surehand::operator::SkipState;
use surehand::rusqlite::Connection;
use surehand::transport::Local;
use surehand::{
    Effect, Error, ErrorKind, Failure, Inbox, Json, Operator, Relay, RetryPolicy, Subscription,
};

const HOUR: Duration = Duration::from_secs(3_600);

/// A relay over which a message dies of its first failure.
fn relay(world: &World, keep_settled: Duration, inbox: Inbox) -> Relay {
    let strict = Subscription::new("default").retry(RetryPolicy::default().max_failures(1));
    let relay = Relay::open(world.shop()).unwrap().keep_settled(keep_settled);
    relay.subscribe(strict, Local::new(inbox))
}

async fn deliver(world: &World, inbox: Inbox) -> Result<(), Error> {
    within(relay(world, HOUR, inbox).run_until_idle()).await
}

/// The place that the error says to rewind to.
#[track_caller]
fn place_in(error: &Error) -> i64 {
    assert_eq!(error.kind(), ErrorKind::ConsumerRewound, "{error}");
    let (_, rest) = error.advice().split_once("Operator::rewind(\"default\", ").unwrap();
    rest.split_once(')').unwrap().0.parse().unwrap()
}

/// Halts, rewinds to the place it is told, delivers, and returns that place.
async fn is_healed(world: &World) -> i64 {
    let place = place_in(&deliver(world, world.warehouse()).await.unwrap_err());
    Operator::open(world.shop()).unwrap().rewind("default", place).unwrap();
    deliver(world, world.warehouse()).await.unwrap();
    place
}

#[tokio::test]
async fn a_restored_consumer_halts_delivery_and_a_rewind_brings_every_effect_back_once() {
    let world = World::new();
    world.place(1..=10);
    deliver(&world, world.warehouse()).await.unwrap();
    back_up(&world.store());
    world.place(11..=20);
    deliver(&world, world.warehouse()).await.unwrap();
    restore(&world.store());
    world.place(21..=25);
    assert_eq!(is_healed(&world).await, 10);
    assert_eq!(world.effects(), Vec::from_iter(1..=25));
}

/// The largest place the backup has seen is 10; but the third message was applied after it.
#[tokio::test]
async fn what_was_applied_late_before_the_place_that_was_seen_last_comes_back_too() {
    let world = World::new();
    let out_of_stock = Arc::new(AtomicBool::new(true));
    let inbox = || {
        let out_of_stock = Arc::clone(&out_of_stock);
        Inbox::open(world.store()).unwrap().on("n", move |effect: &Effect, n: Json<i64>| {
            if *n == 3 && out_of_stock.load(Ordering::SeqCst) {
                return Err(Failure::retry("not this one yet"));
            }
            insert(effect, n)
        })
    };
    world.place(1..=10);
    deliver(&world, inbox()).await.unwrap();
    back_up(&world.store());
    out_of_stock.store(false, Ordering::SeqCst);
    let mut operator = Operator::open(world.shop()).unwrap();
    assert_eq!(operator.dead_letters("default").unwrap().redrive_all().unwrap(), 1);
    drop(operator);
    world.place(11..=12);
    deliver(&world, inbox()).await.unwrap();
    assert_eq!(world.effects(), Vec::from_iter(1..=12));
    restore(&world.store());

    let place = is_healed(&world).await;
    assert_eq!(world.effects(), Vec::from_iter(1..=12));
    assert_eq!(place, 2);
}

#[tokio::test]
async fn a_rewind_past_a_skipped_message_leaves_it_skipped_and_says_so_again() {
    let world = World::new();
    let refusing = Inbox::open(world.store()).unwrap().on("n", |effect: &Effect, n: Json<i64>| {
        if *n == 3 { Err(Failure::retry("not this one")) } else { insert(effect, n) }
    });
    world.place(1..=10);
    deliver(&world, refusing).await.unwrap();
    back_up(&world.store());
    let mut operator = Operator::open(world.shop()).unwrap();
    let mut letters = operator.dead_letters("default").unwrap();
    let letter = letters.list(0, 10).unwrap().remove(0);
    letters.skip(&letter).unwrap();
    world.place([11]);
    deliver(&world, world.warehouse()).await.unwrap();
    assert_eq!(letters.skips().unwrap()[0].state, SkipState::Confirmed);
    restore(&world.store());

    is_healed(&world).await;
    assert_eq!(world.effects(), [1, 2, 4, 5, 6, 7, 8, 9, 10, 11]);
    let letters = operator.dead_letters("default").unwrap();
    assert_eq!(letters.skips().unwrap()[0].state, SkipState::Confirmed);
}

#[tokio::test]
async fn a_rewind_past_what_the_log_has_is_refused_and_changes_nothing() {
    let world = World::new();
    world.place(1..=10);
    within(relay(&world, Duration::ZERO, world.warehouse()).run_until_idle()).await.unwrap();
    back_up(&world.store());
    world.place(11..=20);
    within(relay(&world, Duration::ZERO, world.warehouse()).run_until_idle()).await.unwrap();
    restore(&world.store());
    let place = place_in(&deliver(&world, world.warehouse()).await.unwrap_err());
    assert_eq!(place, 10);
    let mut operator = Operator::open(world.shop()).unwrap();
    let before = operator.stats().unwrap();
    let error = operator.rewind("default", place).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound);
    assert!(error.to_string().contains("the log was emptied up to place 20, past 10"), "{error}");
    assert_eq!(operator.stats().unwrap(), before);
}

#[tokio::test]
async fn a_consumers_restore_that_lost_nothing_goes_on() {
    let world = World::new();
    world.place(1..=10);
    deliver(&world, world.warehouse()).await.unwrap();
    back_up(&world.store());
    restore(&world.store());
    world.place(11..=12);
    deliver(&world, world.warehouse()).await.unwrap();
    assert_eq!(world.effects(), Vec::from_iter(1..=12));
}

/// While a relay runs that has delivered 1 to 20, something happens to the warehouse's file; then
/// one more message is placed.
async fn behind_the_back_of_a_relay(change: impl Fn(&Path)) -> (World, Error) {
    let world = World::new();
    world.place(1..=10);
    let running = relay(&world, HOUR, world.warehouse());
    let meanwhile = async {
        until(|| world.effects().len() == 10).await;
        let backup = world.directory.path().join("warehouse.db.backup");
        let into = format!("VACUUM INTO '{}'", backup.display());
        Connection::open(world.store()).unwrap().execute_batch(&into).unwrap();
        world.place(11..=20);
        until(|| world.effects().len() == 20).await;
        change(&world.store());
        world.place([21]);
        std::future::pending().await
    };
    let error = within(running.run_until(meanwhile)).await.unwrap_err();
    (world, error)
}

#[tokio::test]
async fn an_older_copy_of_the_consumers_file_under_a_running_relay_is_noticed() {
    let (world, error) = behind_the_back_of_a_relay(exchange).await;
    assert_eq!(error.kind(), ErrorKind::ConsumerRewound, "{error}");
    is_healed(&world).await;
    assert_eq!(world.effects(), Vec::from_iter(1..=21));
}

#[tokio::test]
async fn a_backup_restored_into_the_consumers_open_file_is_noticed() {
    let (world, error) = behind_the_back_of_a_relay(|store| {
        let open = Connection::open(store).unwrap();
        let backup = store.with_extension("db.backup");
        open.execute("ATTACH ?1 AS backup", [backup.to_str().unwrap()]).unwrap();
        let mut restore = String::from("BEGIN IMMEDIATE;");
        for table in ["effect", "inbox_source", "inbox_settled", "inbox_seen"] {
            restore += &format!("DELETE FROM main.{table};");
            restore += &format!("INSERT INTO main.{table} SELECT * FROM backup.{table};");
        }
        open.execute_batch(&(restore + "COMMIT")).unwrap();
    })
    .await;
    assert_eq!(error.kind(), ErrorKind::ConsumerRewound, "{error}");
    is_healed(&world).await;
    assert_eq!(world.effects(), Vec::from_iter(1..=21));
}

#[tokio::test]
async fn a_deleted_consumers_file_under_a_running_relay_is_noticed() {
    let (world, error) = behind_the_back_of_a_relay(|store| {
        delete(store);
        prepare_store(store);
    })
    .await;
    assert_eq!(error.kind(), ErrorKind::ConsumerRewound, "{error}");
    is_healed(&world).await;
    assert_eq!(world.effects(), Vec::from_iter(1..=21));
}
