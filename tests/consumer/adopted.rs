//! A new identity of the producer's store changes the id of no message that is an exception, even
//! of one that a plain insert left without an id of its own.

use crate::world::{World, deliver, eager, number, one, until, within};
use std::time::Duration;
use surehand::rusqlite::Connection;
use surehand::transport::Local;
use surehand::{Effect, Failure, Inbox, Json, Operator, Outbox, Relay};

/// A shop with messages that another program wrote.
fn shop_of_another_program(numbers: &[i64]) -> World {
    let world = World::new();
    drop(Outbox::open(world.shop()).unwrap());
    let shop = Connection::open(world.shop()).unwrap();
    for n in numbers {
        let insert = "INSERT INTO outbox_message (topic, payload) VALUES ('n', ?1)";
        shop.execute(insert, [n.to_string()]).unwrap();
    }
    world
}

/// A warehouse whose handler says this to every message.
fn failing(world: &World, failure: impl Fn() -> Failure + Send + 'static) -> Inbox {
    let handler = move |_: &Effect, _: Json<i64>| Err::<(), _>(failure());
    Inbox::open(world.store()).unwrap().on("n", handler)
}

fn refusing(world: &World) -> Inbox {
    failing(world, || Failure::permanent("not yet"))
}

#[tokio::test]
async fn adopting_loses_no_plain_insert_that_waits() {
    let world = shop_of_another_program(&[1]);
    deliver(&world.shop(), refusing(&world)).await;
    let mut operator = Operator::open(world.shop()).unwrap();
    operator.adopt_new_identity().unwrap();
    assert_eq!(operator.dead_letters("default").unwrap().redrive_all().unwrap(), 1);
    deliver(&world.shop(), world.warehouse()).await;
    assert_eq!(world.effects(), [1]);
}

#[tokio::test]
async fn adopting_loses_no_plain_insert_that_is_retried() {
    let world = shop_of_another_program(&[1]);
    let later = || Failure::retry("not yet").after(Duration::from_millis(300));
    let transport = Local::new(failing(&world, later));
    let relay = Relay::open(world.shop()).unwrap().subscribe(eager(), transport);
    let shop = world.shop();
    let waits = "SELECT count(*) FROM outbox_delivery WHERE state = 'waiting'";
    within(relay.run_until(until(|| one(&shop, waits) == 1))).await.unwrap();
    Operator::open(world.shop()).unwrap().adopt_new_identity().unwrap();
    deliver(&world.shop(), world.warehouse()).await;
    assert_eq!(world.effects(), [1]);
}

#[tokio::test]
async fn adopting_keeps_a_plain_insert_that_is_dead_replaceable() {
    let world = shop_of_another_program(&[1]);
    deliver(&world.shop(), refusing(&world)).await;
    let mut operator = Operator::open(world.shop()).unwrap();
    operator.adopt_new_identity().unwrap();
    let mut letters = operator.dead_letters("default").unwrap();
    let letter = letters.list(0, 10).unwrap().remove(0);
    letters.replace(&letter, number(2)).unwrap();
    deliver(&world.shop(), world.warehouse()).await;
    assert_eq!(world.effects(), [2]);
}

/// What was replaced and skipped is delivered again by a rewind: the one as it was replaced, the
/// other not.
#[tokio::test]
async fn adopting_keeps_what_people_said_about_plain_inserts() {
    let world = shop_of_another_program(&[1, 2]);
    let kept = |inbox| {
        let relay = Relay::open(world.shop()).unwrap().keep_settled(Duration::from_secs(3_600));
        relay.subscribe(eager(), Local::new(inbox))
    };
    let shop = world.shop();
    let dead = "SELECT count(*) FROM outbox_delivery WHERE state = 'dead'";
    within(kept(refusing(&world)).run_until(until(|| one(&shop, dead) == 2))).await.unwrap();
    let mut operator = Operator::open(world.shop()).unwrap();
    let mut letters = operator.dead_letters("default").unwrap();
    let both = letters.list(0, 10).unwrap();
    letters.replace(&both[0], number(3)).unwrap();
    letters.skip(&both[1]).unwrap();
    let applied = || world.effects() == [3];
    within(kept(world.warehouse()).run_until(until(applied))).await.unwrap();
    operator.adopt_new_identity().unwrap();
    operator.rewind("default", 0).unwrap();
    let again = || world.effects() == [3, 3];
    let settled = "SELECT settled_to FROM outbox_subscription";
    let relay = kept(world.warehouse());
    within(relay.run_until(until(|| again() && one(&shop, settled) == 2))).await.unwrap();
    assert_eq!(world.effects(), [3, 3]);
}
