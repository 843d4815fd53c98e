//! Issue point 15: effect and memory in one transaction, many messages in one, a savepoint each.

use crate::clock::Held;
use crate::world::{World, capture, greet, insert, number, one, place, process, words};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use surehand::rusqlite::{Connection, ErrorCode};
use surehand::{Database, Effect, Failure, Inbox, Json, Message};

/// What another connection sees of the effects while each handler runs.
fn watched(world: &World, inbox: Inbox) -> (Inbox, Arc<Mutex<Vec<i64>>>) {
    let visible = Arc::new(Mutex::new(Vec::new()));
    let (noted, store) = (Arc::clone(&visible), world.store());
    let inbox = inbox.on("n", move |effect: &Effect, n: Json<i64>| {
        noted.lock().unwrap().push(one(&store, "SELECT count(*) FROM effect"));
        insert(effect, n)
    });
    (inbox, visible)
}

#[test]
fn many_messages_share_a_transaction_and_are_answered_after_its_commit() {
    let world = World::new();
    let captured = world.captured(1..=9);
    // However slow the machine is.
    let inbox = Inbox::open(world.store()).unwrap().batch(256, Duration::from_secs(3_600));
    let (mut inbox, visible) = watched(&world, inbox);
    captured.greet(&mut inbox);
    let mut at_the_first_answer = None;
    let processed = inbox.process(&captured.all(), &mut |_, _| {
        at_the_first_answer.get_or_insert_with(|| (world.effects().len(), world.seen().len()));
    });
    processed.map(drop).unwrap();
    assert_eq!(*visible.lock().unwrap(), [0; 9], "one transaction");
    assert_eq!(at_the_first_answer, Some((9, 9)), "effect and memory are durable by then");
}

#[test]
fn the_write_lock_is_held_before_the_first_handler_runs() {
    let world = World::new();
    let captured = world.captured([1]);
    let store = world.store();
    let mut inbox =
        Inbox::open(world.store()).unwrap().on("n", move |effect: &Effect, n: Json<i64>| {
            let other = Connection::open(&store)?;
            other.busy_timeout(Duration::ZERO)?;
            let begun = other.execute_batch("BEGIN IMMEDIATE");
            let busy = begun.err().and_then(|error| error.sqlite_error_code());
            assert_eq!(busy, Some(ErrorCode::DatabaseBusy));
            insert(effect, n)
        });
    captured.greet(&mut inbox);
    assert_eq!(words(&process(&mut inbox, &captured.all())), ["applied"]);
}

#[test]
fn a_handler_that_fails_undoes_its_own_rows_alone() {
    let world = World::new();
    let captured = world.captured(1..=5);
    let mut inbox = Inbox::open(world.store()).unwrap().on("n", |effect: &Effect, n: Json<i64>| {
        effect.execute("INSERT INTO effect (n) VALUES (?1)", [*n])?;
        if *n == 3 { Err(Failure::retry("not this one")) } else { Ok(()) }
    });
    captured.greet(&mut inbox);
    let answers = process(&mut inbox, &captured.all());
    assert_eq!(words(&answers), ["applied", "applied", "failed", "applied", "applied"]);
    assert_eq!(world.effects(), [1, 2, 4, 5]);
    assert_eq!(world.seen(), [1, 2, 4, 5]);
}

#[test]
fn a_handler_takes_json_of_its_type_or_the_bytes_as_they_came() {
    #[derive(serde::Deserialize)]
    struct Order {
        number: i64,
    }
    let world = World::new();
    let order = serde_json::json!({ "number": 41 });
    let bytes = Message::new("bytes").payload(vec![0, 159, 146, 150]);
    place(&world.shop(), [Message::new("json").json(&order).unwrap(), bytes]);
    let captured = capture(&world.shop(), 2);
    let mut inbox = Inbox::open(world.store())
        .unwrap()
        .on("json", |effect: &Effect, order: Json<Order>| insert(effect, Json(order.number)))
        .on("bytes", |effect: &Effect, bytes: Vec<u8>| {
            assert_eq!(bytes, effect.envelope().payload());
            insert(effect, Json(bytes.iter().map(|byte| i64::from(*byte)).sum()))
        });
    captured.greet(&mut inbox);
    assert_eq!(words(&process(&mut inbox, &captured.all())), ["applied", "applied"]);
    assert_eq!(world.effects(), [41, 455]);
}

#[test]
fn two_consumers_in_one_database_deduplicate_separately() {
    let world = World::new();
    let captured = world.captured(1..=3);
    for consumer in ["stock", "billing"] {
        let mut inbox = world.warehouse().named(consumer);
        captured.greet(&mut inbox);
        assert_eq!(words(&process(&mut inbox, &captured.all())), ["applied"; 3]);
        assert_eq!(words(&process(&mut inbox, &captured.all())), ["duplicate"; 3]);
    }
    assert_eq!(world.effects(), [1, 1, 2, 2, 3, 3]);
}

#[test]
fn a_transaction_closes_after_so_many_messages() {
    let world = World::new();
    let captured = world.captured(1..=7);
    let inbox = Inbox::open(world.store()).unwrap().batch(3, Duration::from_secs(3_600));
    let (mut inbox, visible) = watched(&world, inbox);
    captured.greet(&mut inbox);
    assert_eq!(words(&process(&mut inbox, &captured.all())), ["applied"; 7]);
    assert_eq!(*visible.lock().unwrap(), [0, 0, 0, 3, 3, 3, 6]);
}

#[test]
fn a_transaction_closes_after_so_much_time_of_handlers() {
    let world = World::new();
    let captured = world.captured(1..=5);
    let clock = Held::at_noon();
    let database = Database::new(world.store()).clock(Arc::clone(&clock) as _);
    let visible = Arc::new(Mutex::new(Vec::new()));
    let (noted, store) = (Arc::clone(&visible), world.store());
    let mut inbox = Inbox::open(database).unwrap().batch(256, Duration::from_millis(20)).on(
        "n",
        move |effect: &Effect, n: Json<i64>| {
            noted.lock().unwrap().push(one(&store, "SELECT count(*) FROM effect"));
            clock.pass(Duration::from_millis(12));
            insert(effect, n)
        },
    );
    captured.greet(&mut inbox);
    assert_eq!(words(&process(&mut inbox, &captured.all())), ["applied"; 5]);
    assert_eq!(*visible.lock().unwrap(), [0, 0, 2, 2, 4]);
}

#[test]
fn a_request_may_take_several_transactions_and_keeps_the_order_of_keys() {
    let world = World::new();
    let captured = world.captured([11, 12, 21, 13]);
    let mut inbox = Inbox::open(world.store()).unwrap().batch(1, Duration::ZERO).on(
        "n",
        |effect: &Effect, n: Json<i64>| {
            if *n == 11 { Err(Failure::retry("not yet")) } else { insert(effect, n) }
        },
    );
    captured.greet(&mut inbox);
    let answers = process(&mut inbox, &captured.all());
    assert_eq!(words(&answers), ["failed", "blocked", "applied", "blocked"]);
    assert_eq!(world.effects(), [21]);
}

#[test]
fn a_part_of_an_effect_that_fails_is_undone_alone() {
    let world = World::new();
    let captured = world.captured([1]);
    let mut inbox = Inbox::open(world.store()).unwrap().on("n", |effect: &Effect, _: Json<i64>| {
        insert(effect, Json(10))?;
        let failed = effect.savepoint(|part| {
            insert(part, Json(20))?;
            let deeper: Result<(), _> = part.savepoint(|deeper| insert(deeper, Json(21)));
            deeper?;
            Err::<(), _>(Failure::retry("only this part"))
        });
        assert!(failed.is_err());
        effect.savepoint(|part| insert(part, Json(30)))
    });
    captured.greet(&mut inbox);
    assert_eq!(words(&process(&mut inbox, &captured.all())), ["applied"]);
    assert_eq!(world.effects(), [10, 30]);
}

#[test]
fn a_part_of_an_effect_that_panics_is_undone_even_if_the_handler_goes_on() {
    let world = World::new();
    let captured = world.captured([1]);
    let mut inbox = Inbox::open(world.store()).unwrap().on("n", |effect: &Effect, _: Json<i64>| {
        let part = std::panic::AssertUnwindSafe(|| {
            effect.savepoint(|part| -> Result<(), Failure> {
                insert(part, Json(20))?;
                panic!("in the middle of a part")
            })
        });
        assert!(std::panic::catch_unwind(part).is_err());
        insert(effect, Json(30))
    });
    captured.greet(&mut inbox);
    assert_eq!(words(&process(&mut inbox, &captured.all())), ["applied"]);
    assert_eq!(world.effects(), [30]);
}

#[test]
fn the_inbox_is_a_guest_in_the_consumers_own_database() {
    let world = World::new();
    let own = world.directory.path().join("own.db");
    let host = Connection::open(&own).unwrap();
    let tables = "CREATE TABLE effect (n INTEGER NOT NULL); PRAGMA user_version = 7; \
        INSERT INTO effect VALUES (5);";
    host.execute_batch(tables).unwrap();
    place(&world.shop(), [number(6)]);
    let captured = capture(&world.shop(), 1);
    let mut inbox = Inbox::open(&own).unwrap().on("n", insert);
    greet(&mut inbox, captured.source);
    assert_eq!(words(&process(&mut inbox, &captured.all())), ["applied"]);
    assert_eq!(one(&own, "SELECT sum(n) FROM effect"), 11);
    assert_eq!(one(&own, "PRAGMA user_version"), 7);
    let mode: String = host.query_row("PRAGMA journal_mode", [], |row| row.get(0)).unwrap();
    assert_eq!(mode, "delete", "the host's journal mode is left alone");
    let foreign = "SELECT count(*) FROM sqlite_schema WHERE name NOT LIKE 'inbox%' \
        AND name NOT LIKE 'sqlite%'";
    assert_eq!(one(&own, foreign), 1, "nothing of ours without the prefix");
    assert_eq!(one(&own, "SELECT count(*) FROM sqlite_schema WHERE type = 'trigger'"), 0);
    assert!(inbox.durability().unwrap().survives_power_cut());
}
