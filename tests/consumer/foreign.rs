//! Rows that another program wrote, and not as agreed: none of them delays another one.

use crate::world::{World, deliver, one};
use surehand::rusqlite::Connection;
use surehand::{Effect, Inbox, Operator, Outbox};

/// Columns and values of one row.
type Row = (&'static str, &'static str);

const UNDELIVERABLE: [Row; 7] = [
    ("topic, version", "'n', 'one'"),
    ("topic, version", "'n', 2"),
    ("topic, id", "'n', x'00'"),
    ("topic, headers", "'n', '[1]'"),
    ("topic, key", "'n', x'00'"),
    ("topic, checksum", "'n', 'none'"),
    ("topic, payload", "'n', zeroblob(1048577)"),
];

const TAKEN_AS_TEXT: [(Row, &str); 4] = [
    (("topic, payload", "'n', 41"), "41"),
    (("topic, payload", "'n', 1.5"), "1.5"),
    (("topic, payload", "'n', NULL"), ""),
    (("topic, payload, key, content_type", "'n', 'text', 7, 8"), "text"),
];

fn insert(world: &World, (columns, values): Row) {
    let shop = Connection::open(world.shop()).unwrap();
    let insert = format!("INSERT INTO outbox_message ({columns}) VALUES ({values})");
    shop.execute(&insert, []).unwrap();
}

/// Keeps the payloads as text.
fn texts(world: &World) -> Inbox {
    Inbox::open(world.store()).unwrap().on("n", |effect: &Effect, payload: Vec<u8>| {
        let text = String::from_utf8(payload)?;
        effect.execute("INSERT INTO effect (n) VALUES (?1)", [text])?;
        Ok(())
    })
}

fn kept(world: &World) -> Vec<String> {
    let store = Connection::open(world.store()).unwrap();
    let mut statement = store.prepare("SELECT CAST(n AS TEXT) FROM effect ORDER BY rowid").unwrap();
    let rows = statement.query_map([], |row| row.get(0)).unwrap();
    rows.map(Result::unwrap).collect()
}

#[tokio::test]
async fn a_row_that_nobody_can_deliver_is_a_dead_letter_and_delays_nothing() {
    for row in UNDELIVERABLE {
        let world = World::new();
        Outbox::open(world.shop()).unwrap();
        insert(&world, row);
        insert(&world, ("topic, payload", "'n', 'the next one'"));
        deliver(&world.shop(), texts(&world)).await;
        assert_eq!(kept(&world), ["the next one"], "behind {row:?}");
        let mut operator = Operator::open(world.shop()).unwrap();
        let dead = operator.dead_letters("default").unwrap().list(0, 10).unwrap();
        assert_eq!(dead.len(), 1, "{row:?}");
        assert_eq!(dead[0].reason, "malformed", "{row:?}");
    }
}

#[tokio::test]
async fn numbers_that_are_meant_as_text_are_taken_as_text() {
    for (row, expected) in TAKEN_AS_TEXT {
        let world = World::new();
        Outbox::open(world.shop()).unwrap();
        insert(&world, row);
        deliver(&world.shop(), texts(&world)).await;
        assert_eq!(kept(&world), [expected], "{row:?}");
        assert_eq!(one(&world.shop(), "SELECT count(*) FROM outbox_message"), 0);
    }
}
