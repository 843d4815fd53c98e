//! Rule 10: whatever a handler does to its transaction, never an effect without its memory, never
//! a memory without its effect.

use crate::world::{Captured, World, deliver, insert, process, words};
use surehand::rusqlite::Connection;
use surehand::{Effect, Failure, Inbox, Json, Operator};

const GUILTY: i64 = 3;

/// The third of five handlers misbehaves before and goes on writing after it.
fn misbehaving(world: &World, misbehave: fn(&Effect<'_>), ends_well: bool) -> Inbox {
    Inbox::open(world.store()).unwrap().on("n", move |effect: &Effect, n: Json<i64>| {
        if *n != GUILTY {
            return insert(effect, n);
        }
        insert(effect, Json(GUILTY))?;
        misbehave(effect);
        // Refused or undone; what matters is that it does not stay.
        let _ = insert(effect, Json(GUILTY));
        let _ = effect.execute_batch("BEGIN; INSERT INTO effect (n) VALUES (3); COMMIT");
        if ends_well { Ok(()) } else { Err(Failure::retry("and it fails, too")) }
    })
}

fn five(world: &World) -> Captured {
    let unique = "CREATE TABLE one_row (n INTEGER PRIMARY KEY); INSERT INTO one_row VALUES (1)";
    Connection::open(world.store()).unwrap().execute_batch(unique).unwrap();
    world.captured(1..=5)
}

/// The guilty message fails, the others are applied once, and so is what comes later.
#[track_caller]
fn is_contained(misbehave: fn(&Effect<'_>)) {
    for ends_well in [true, false] {
        let world = World::new();
        let captured = five(&world);
        let mut inbox = misbehaving(&world, misbehave, ends_well);
        captured.greet(&mut inbox);
        let answers = process(&mut inbox, &captured.all());
        let outcomes = words(&answers);
        assert_eq!(outcomes, ["applied", "applied", "failed", "applied", "applied"]);
        assert_eq!(world.effects(), [1, 2, 4, 5]);
        assert_eq!(world.seen(), [1, 2, 4, 5]);
        // Somebody else writes in between; then the guilty one comes again, and a new one.
        let host = Connection::open(world.store()).unwrap();
        host.execute("INSERT INTO effect (n) VALUES (100)", []).unwrap();
        let answers = process(&mut inbox, &captured.source.request(&captured.envelopes[1..4]));
        assert_eq!(words(&answers), ["duplicate", "failed", "duplicate"]);
        let other = World::new().captured(6..=7);
        other.greet(&mut inbox);
        assert_eq!(words(&process(&mut inbox, &other.all())), ["applied"; 2]);
        assert_eq!(world.effects(), [1, 2, 4, 5, 6, 7, 100]);
        assert_eq!(world.in_store("SELECT count(*) FROM inbox_seen"), 6);
    }
}

fn run(effect: &Effect<'_>, sql: &str) {
    let _ = effect.execute_batch(sql);
}

#[test]
fn an_insert_or_rollback_that_hits_a_constraint_is_contained() {
    is_contained(|effect| run(effect, "INSERT OR ROLLBACK INTO one_row VALUES (1)"));
}

#[test]
fn a_commit_of_a_handler_is_contained() {
    is_contained(|effect| run(effect, "COMMIT"));
}

#[test]
fn a_rollback_of_a_handler_is_contained() {
    is_contained(|effect| run(effect, "ROLLBACK"));
}

#[test]
fn a_rollback_followed_by_a_transaction_of_the_handlers_own_is_contained() {
    is_contained(|effect| {
        run(effect, "ROLLBACK; BEGIN IMMEDIATE; INSERT INTO effect VALUES (3)");
    });
}

#[test]
fn a_rollback_followed_by_a_transaction_with_a_savepoint_of_the_old_name_is_contained() {
    is_contained(|effect| {
        run(effect, "ROLLBACK; BEGIN IMMEDIATE; SAVEPOINT surehand_message");
    });
}

#[test]
fn query_only_that_is_left_on_is_contained() {
    is_contained(|effect| run(effect, "PRAGMA query_only = ON"));
}

#[tokio::test]
async fn a_message_that_leaves_query_only_on_dies_alone() {
    let world = World::new();
    world.place([1, 2, 3, 4]);
    let inbox = Inbox::open(world.store()).unwrap().on("n", |effect: &Effect, n: Json<i64>| {
        if *n == 2 {
            run(effect, "PRAGMA query_only = ON");
            return Err(Failure::permanent("it forgot to set it back"));
        }
        insert(effect, n)
    });
    deliver(&world.shop(), inbox).await;
    let stats = Operator::open(world.shop()).unwrap().stats().unwrap().remove(0);
    assert_eq!((world.effects(), stats.dead), (vec![1, 3, 4], 1));
}

/// What fails leaves nothing, and no handler can make it otherwise: it does not know the name.
#[test]
fn the_messages_savepoint_is_not_the_handlers_to_release() {
    for sql in ["RELEASE surehand_message", "RELEASE surehand_message; SAVEPOINT surehand_message"]
    {
        let world = World::new();
        let captured = world.captured(1..=5);
        let mut inbox =
            Inbox::open(world.store()).unwrap().on("n", move |effect: &Effect, n: Json<i64>| {
                let guilty = *n == GUILTY;
                insert(effect, n)?;
                if guilty {
                    run(effect, sql);
                    return Err(Failure::retry("no"));
                }
                Ok(())
            });
        captured.greet(&mut inbox);
        let answers = process(&mut inbox, &captured.all());
        assert_eq!(words(&answers), ["applied", "applied", "failed", "applied", "applied"]);
        assert_eq!((world.effects(), world.seen()), (vec![1, 2, 4, 5], vec![1, 2, 4, 5]), "{sql}");
    }
}

#[test]
fn a_select_that_is_left_open_is_contained() {
    is_contained(|effect| {
        let statement = Box::leak(Box::new(effect.prepare("SELECT n FROM effect").unwrap()));
        let mut rows = statement.query([]).unwrap();
        assert!(rows.next().unwrap().is_some());
        std::mem::forget(rows);
    });
}

#[test]
fn an_insert_with_returning_that_is_left_open_is_contained() {
    is_contained(|effect| {
        let insert = "INSERT INTO effect (n) VALUES (3), (3) RETURNING n";
        let statement = Box::leak(Box::new(effect.prepare(insert).unwrap()));
        let mut rows = statement.query([]).unwrap();
        assert!(rows.next().unwrap().is_some());
        std::mem::forget(rows);
    });
}

#[test]
fn a_cached_statement_that_is_left_open_is_contained() {
    is_contained(|effect| {
        let mut statement = effect.prepare_cached("SELECT n FROM effect").unwrap();
        let mut rows = statement.query([]).unwrap();
        assert!(rows.next().unwrap().is_some());
        std::mem::forget(rows);
    });
}

#[test]
fn a_savepoint_that_is_left_open_goes_with_the_message() {
    for ends_well in [true, false] {
        let world = World::new();
        let captured = world.captured(1..=5);
        let mut inbox =
            Inbox::open(world.store()).unwrap().on("n", move |effect: &Effect, n: Json<i64>| {
                let guilty = *n == GUILTY;
                if guilty {
                    effect.execute_batch("SAVEPOINT mine")?;
                }
                insert(effect, n)?;
                if guilty && !ends_well { Err(Failure::retry("no")) } else { Ok(()) }
            });
        captured.greet(&mut inbox);
        let answers = process(&mut inbox, &captured.all());
        let third = if ends_well { "applied" } else { "failed" };
        assert_eq!(words(&answers), ["applied", "applied", third, "applied", "applied"]);
        let expected: &[i64] = if ends_well { &[1, 2, 3, 4, 5] } else { &[1, 2, 4, 5] };
        assert_eq!(world.effects(), expected);
        assert_eq!(world.seen(), expected);
    }
}

#[test]
fn two_handlers_of_a_batch_may_break_out_and_each_is_blamed_alone() {
    let world = World::new();
    let captured = world.captured(1..=5);
    let mut inbox = Inbox::open(world.store()).unwrap().on("n", |effect: &Effect, n: Json<i64>| {
        if *n % 2 == 0 {
            run(effect, "ROLLBACK");
        }
        insert(effect, n)
    });
    captured.greet(&mut inbox);
    let answers = process(&mut inbox, &captured.all());
    assert_eq!(words(&answers), ["applied", "failed", "applied", "failed", "applied"]);
    assert_eq!(world.effects(), [1, 3, 5]);
    assert_eq!(inbox.stats().unwrap()[0].applied, 3, "each counted once");
}

#[test]
fn a_message_of_a_key_does_not_overtake_one_that_broke_out() {
    let world = World::new();
    let captured = world.captured([11, 12, 21]);
    let mut inbox = Inbox::open(world.store()).unwrap().on("n", |effect: &Effect, n: Json<i64>| {
        if *n == 11 {
            run(effect, "ROLLBACK");
        }
        insert(effect, n)
    });
    captured.greet(&mut inbox);
    let answers = process(&mut inbox, &captured.all());
    assert_eq!(words(&answers), ["failed", "blocked", "applied"]);
    assert_eq!(world.effects(), [21]);
}

#[test]
fn a_handler_of_a_message_without_a_place_is_contained_too() {
    let world = World::new();
    let mut inbox = misbehaving(&world, |effect| run(effect, "ROLLBACK"), true);
    let id = |n: u8| surehand::MessageId::from_bytes([n; 16]);
    let day = std::time::Duration::from_secs(86_400);
    for (n, expected) in [(2, "applied"), (GUILTY, "failed"), (4, "applied")] {
        let message = crate::world::number(n);
        let outcome = inbox.receive("web", day, id(n.try_into().unwrap()), 1_000, message);
        assert_eq!(crate::world::word(&outcome.unwrap()), expected);
    }
    assert_eq!(world.effects(), [2, 4]);
    assert_eq!(world.in_store("SELECT count(*) FROM inbox_admitted"), 2);
}
