//! A constraint that is checked at the commit only: the message that violates it is to blame, and
//! no other.

use crate::world::{World, column, deliver, number, process, word, words};
use std::time::Duration;
use surehand::rusqlite::Connection;
use surehand::{Database, Effect, Inbox, Json, MessageId, Operator};

/// Effects refer to stock, and the reference is looked at when the transaction ends.
fn stocked(numbers: impl IntoIterator<Item = i64>) -> World {
    let world = World::new();
    let store = Connection::open(world.store()).unwrap();
    let tables = "CREATE TABLE stock (n INTEGER PRIMARY KEY); \
        CREATE TABLE taken (n INTEGER REFERENCES stock DEFERRABLE INITIALLY DEFERRED)";
    store.execute_batch(tables).unwrap();
    for n in numbers {
        store.execute("INSERT INTO stock (n) VALUES (?1)", [n]).unwrap();
    }
    world
}

fn taking(world: &World) -> Inbox {
    let checking = Database::new(world.store()).opened_by(|path| {
        let connection = Connection::open(path)?;
        connection.pragma_update(None, "foreign_keys", true)?;
        Ok(connection)
    });
    Inbox::open(checking).unwrap().on("n", |effect: &Effect, n: Json<i64>| {
        effect.execute("INSERT INTO taken (n) VALUES (?1)", [*n])?;
        Ok(())
    })
}

fn taken(world: &World) -> Vec<i64> {
    column(&world.store(), "SELECT n FROM taken ORDER BY n")
}

#[test]
fn a_violation_found_at_the_commit_fails_its_message_alone() {
    let world = stocked([1, 2, 4, 51, 52]);
    let captured = world.captured([1, 2, 3, 4, 51, 52]);
    let mut inbox = taking(&world);
    captured.greet(&mut inbox);
    let answers = process(&mut inbox, &captured.all());
    let expected = ["applied", "applied", "failed", "applied", "applied", "applied"];
    assert_eq!(words(&answers), expected);
    assert_eq!(taken(&world), [1, 2, 4, 51, 52]);
    let stats = &inbox.stats().unwrap()[0];
    assert_eq!((stats.applied, stats.failed), (5, 1));
    // What it waited for is there.
    let store = Connection::open(world.store()).unwrap();
    store.execute("INSERT INTO stock (n) VALUES (3)", []).unwrap();
    let answers = process(&mut inbox, &captured.source.request(&captured.envelopes[2..3]));
    assert_eq!(words(&answers), ["applied"]);
}

#[tokio::test]
async fn a_message_that_no_commit_takes_becomes_a_dead_letter() {
    let world = stocked([1, 2, 4]);
    world.place(1..=4);
    deliver(&world.shop(), taking(&world)).await;
    assert_eq!(taken(&world), [1, 2, 4]);
    let mut operator = Operator::open(world.shop()).unwrap();
    let dead = operator.dead_letters("default").unwrap().list(0, 10).unwrap();
    assert_eq!(dead.len(), 1);
    assert_eq!((dead[0].seq, dead[0].reason.as_str()), (3, "too many failures"));
    let said = dead[0].last_error.as_deref().unwrap();
    assert!(said.contains("FOREIGN KEY constraint failed"), "{said}");
}

#[test]
fn a_message_without_a_place_is_to_blame_too() {
    let world = stocked([2]);
    let mut inbox = taking(&world);
    for (n, expected) in [(1, "failed"), (2, "applied"), (1, "failed")] {
        let id = MessageId::from_bytes([n; 16]);
        let day = Duration::from_secs(86_400);
        let outcome = inbox.receive("web", day, id, 1_000, number(n.into())).unwrap();
        assert_eq!(word(&outcome), expected, "{n}");
    }
    assert_eq!(taken(&world), [2]);
    assert_eq!(world.in_store("SELECT count(*) FROM inbox_admitted"), 1);
}
