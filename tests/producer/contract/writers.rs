//! A plain insert is enough, from any language.

use super::super::support::Shop;
use super::{deliver, insert};
use std::process::Command;
use std::time::SystemTime;
use surehand::{Message, MessageId};

#[tokio::test]
async fn topic_and_payload_are_enough() {
    let shop = Shop::new();
    insert(&shop, "topic, payload", r#"'order.placed', '{"order_id": 41}'"#);
    let envelope = deliver(&shop).await.only();
    assert_eq!(envelope.topic(), "order.placed");
    assert_eq!(envelope.payload(), br#"{"order_id": 41}"#);
    assert_eq!((envelope.key(), envelope.content_type()), (None, None));
    assert_eq!(envelope.headers_json(), "{}");
    assert_eq!(envelope.id().uuid().get_version_num(), 7);
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_millis();
    let age = i128::try_from(now).unwrap() - i128::from(envelope.created_at_ms());
    assert!((-1_000..60_000).contains(&age), "{age} ms old");
}

#[tokio::test]
async fn every_column_that_is_written_arrives() {
    let shop = Shop::new();
    let id = "x'01890a5dac96774bbcceb302099a8057'";
    let values = format!(
        r#"1, {id}, 'order.placed', 'k', '{{"tenant":"north","n":1}}', 'text/plain', 1700000000000,
        9999999999999, x'00ff'"#
    );
    let columns = "version, id, topic, key, headers, content_type, created_at_ms, expires_at_ms, \
        payload";
    insert(&shop, columns, &values);
    let envelope = deliver(&shop).await.only();
    let id: MessageId = "01890a5d-ac96-774b-bcce-b302099a8057".parse().unwrap();
    assert_eq!(envelope.id(), id);
    assert_eq!((envelope.key(), envelope.content_type()), (Some("k"), Some("text/plain")));
    assert_eq!(envelope.header("tenant").as_deref(), Some("north"));
    assert_eq!(envelope.header("n").as_deref(), Some("1"));
    assert_eq!(envelope.created_at_ms(), 1_700_000_000_000);
    assert_eq!(envelope.payload(), [0, 255]);
}

#[tokio::test]
async fn numbers_are_taken_as_their_text() {
    let shop = Shop::new();
    insert(&shop, "topic, key, content_type, payload", "'order.placed', 41, 2, 4.5");
    let envelope = deliver(&shop).await.only();
    assert_eq!((envelope.key(), envelope.content_type()), (Some("41"), Some("2")));
    assert_eq!(envelope.payload(), b"4.5");
}

/// As `julianday` gives it.
#[tokio::test]
async fn a_time_may_have_a_fraction() {
    let shop = Shop::new();
    insert(&shop, "topic, created_at_ms", "'order.placed', 1700000000000.75");
    insert(&shop, "topic, expires_at_ms", "'order.placed', 1700000000000.75");
    let delivered = deliver(&shop).await;
    assert_eq!(delivered.envelopes[0].created_at_ms(), 1_700_000_000_000);
    assert_eq!(delivered.envelopes.len(), 1);
    assert_eq!(delivered.dead[0].reason, "expired");
}

#[tokio::test]
async fn messages_of_both_ways_keep_the_order_of_their_commits() {
    let mut shop = Shop::new();
    for round in 0..3 {
        shop.enqueue(Message::new("order.placed").payload(format!("{round} enqueued"))).unwrap();
        insert(&shop, "topic, payload", &format!("'order.placed', '{round} inserted'"));
    }
    let expected: Vec<_> =
        (0..3).flat_map(|n| [format!("{n} enqueued"), format!("{n} inserted")]).collect();
    assert_eq!(deliver(&shop).await.payloads(), expected);
}

/// Runs another program on the shop's database; says whether there is one of that name.
fn run(program: &str, arguments: &[&str]) -> bool {
    match Command::new(program).args(arguments).output() {
        Ok(output) => {
            assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
            true
        }
        Err(error) => {
            eprintln!("SKIPPED: there is no {program} here: {error}");
            false
        }
    }
}

#[tokio::test]
async fn the_command_line_of_sqlite_is_a_producer() {
    let shop = Shop::new();
    let sql = "INSERT INTO outbox_message (topic, payload) VALUES ('order.placed', 'by hand')";
    if run("sqlite3", &[shop.path.to_str().unwrap(), sql]) {
        assert_eq!(deliver(&shop).await.only().payload(), b"by hand");
    }
}

#[tokio::test]
async fn python_is_a_producer() {
    const PROGRAM: &str = r#"
import sqlite3, sys
db = sqlite3.connect(sys.argv[1], isolation_level=None)
db.execute("BEGIN IMMEDIATE")
db.execute("INSERT INTO orders (id) VALUES (41)")
db.execute("INSERT INTO outbox_message (topic, key, headers, payload) VALUES (?, ?, ?, ?)",
           ("order.placed", 41, '{"from": "python"}', b"bytes"))
db.execute("COMMIT")
"#;
    let shop = Shop::new();
    if run("python3", &["-c", PROGRAM, shop.path.to_str().unwrap()]) {
        assert_eq!(shop.written(), (1, 1));
        let envelope = deliver(&shop).await.only();
        assert_eq!((envelope.key(), envelope.payload()), (Some("41"), &b"bytes"[..]));
        assert_eq!(envelope.header("from").as_deref(), Some("python"));
    }
}
