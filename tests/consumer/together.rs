//! Issue point 18: producer and consumer in one process, over two files or one; and a consumer
//! that produces.

use crate::world::{World, column, deliver, insert, number, one, place, prepare_store};
use surehand::transport::Local;
use surehand::{Effect, Failure, Inbox, Json, Message, Outbox, Relay, Subscription};

#[tokio::test]
async fn two_files_hand_over_all_messages_once() {
    let world = World::new();
    world.place(1..=600);
    deliver(&world.shop(), world.warehouse()).await;
    assert_eq!(world.effects(), Vec::from_iter(1..=600));
    assert_eq!(world.in_shop("SELECT count(*) FROM outbox_message"), 0);
}

#[tokio::test]
async fn one_file_holds_both_sides() {
    let world = World::new();
    place(&world.store(), (1..=600).map(number));
    deliver(&world.store(), world.warehouse()).await;
    assert_eq!(world.effects(), Vec::from_iter(1..=600));
    assert_eq!(world.in_store("SELECT count(*) FROM outbox_message"), 0);
    assert_eq!(world.in_store("SELECT count(*) FROM inbox_seen"), 0);
}

#[tokio::test]
async fn two_consumers_of_one_database_get_every_message_each() {
    let world = World::new();
    world.place(1..=30);
    let stock = Local::new(world.warehouse().named("stock"));
    let billing = Local::new(world.warehouse().named("billing"));
    let relay = Relay::open(world.shop()).unwrap();
    let relay = relay.subscribe(Subscription::new("stock"), stock);
    let relay = relay.subscribe(Subscription::new("billing"), billing);
    relay.run_until_idle().await.unwrap();
    assert_eq!(world.effects(), Vec::from_iter((1..=30).flat_map(|n| [n, n])));
}

/// Applies a number, and passes half of an even one on, in the same transaction.
fn halving(world: &World) -> Inbox {
    let outbox = Outbox::open(world.store()).unwrap();
    Inbox::open(world.store()).unwrap().on("n", move |effect: &Effect, n: Json<i64>| {
        insert(effect, Json(*n))?;
        if *n % 2 == 0 {
            outbox.enqueue(effect, Message::new("n").json(&(*n / 2))?)?;
        }
        if *n == 6 { Err(Failure::permanent("not six")) } else { Ok(()) }
    })
}

#[tokio::test]
async fn what_a_handler_enqueues_is_committed_with_its_effect_or_gone_with_it() {
    let world = World::new();
    world.place([6, 8]);
    deliver(&world.shop(), halving(&world)).await;
    assert_eq!(world.effects(), [8]);
    let payloads = "SELECT CAST(CAST(payload AS TEXT) AS INTEGER) FROM outbox_message";
    assert_eq!(column(&world.store(), payloads), [4], "and none of the six that failed");
}

#[tokio::test]
async fn a_consumer_may_produce_into_the_very_outbox_it_is_fed_from() {
    let world = World::new();
    place(&world.store(), [number(8)]);
    deliver(&world.store(), halving(&world)).await;
    assert_eq!(world.effects(), [1, 2, 4, 8]);
}

#[tokio::test]
async fn an_outbox_of_another_database_is_refused_within_an_effect() {
    let world = World::new();
    world.place([1]);
    let elsewhere = world.directory.path().join("elsewhere.db");
    prepare_store(&elsewhere);
    let outbox = Outbox::open(&elsewhere).unwrap();
    let inbox =
        Inbox::open(world.store()).unwrap().on("n", move |effect: &Effect, n: Json<i64>| {
            insert(effect, n)?;
            outbox.enqueue(effect, Message::new("n"))?;
            Ok(())
        });
    deliver(&world.shop(), inbox).await;
    assert_eq!(world.effects(), [0_i64; 0]);
    assert_eq!(one(&elsewhere, "SELECT count(*) FROM outbox_message"), 0);
}
