//! Whatever stands in a column: it is delivered or dead, and everything beside it is delivered.

use super::super::support::Shop;
use super::{deliver, deliver_keeping, insert};
use std::time::Duration;
use surehand::Operator;

const COLUMNS: [&str; 10] = [
    "version",
    "id",
    "topic",
    "key",
    "headers",
    "content_type",
    "created_at_ms",
    "expires_at_ms",
    "checksum",
    "payload",
];

const VALUES: [&str; 25] = [
    "NULL",
    "0",
    "1",
    "-1",
    "41",
    "9223372036854775807",
    "-9223372036854775808",
    "253402300800000",
    "0.5",
    "-1.5",
    "1e300",
    "-1e300",
    "9e999",
    "-9e999",
    "''",
    "'41'",
    "'{}'",
    "'plain text'",
    "'with' || char(0) || 'zero'",
    "char(0x1F600)",
    "x''",
    "x'00'",
    "zeroblob(16)",
    "CAST(x'ff' AS TEXT)",
    "CAST(x'6fc328' AS TEXT)",
];

/// Rows that SQLite itself refuses harm nobody but their writer.
fn insert_odd(shop: &Shop, table: &str, column: &str, value: &str) -> usize {
    let (mut columns, mut values) = (column.to_owned(), value.to_owned());
    for (other, usual) in [("topic", "'order.placed'"), ("due_at_ms", "1")] {
        if column != other && (table == "outbox_scheduled" || other == "topic") {
            columns += &format!(", {other}");
            values += &format!(", {usual}");
        }
    }
    let sql = format!("INSERT INTO {table} ({columns}) VALUES ({values})");
    usize::from(shop.db.execute(&sql, []).is_ok())
}

async fn nothing_stops(table: &str) {
    let shop = Shop::new();
    shop.db.execute_batch("BEGIN").unwrap();
    let mut odd = 0;
    for column in COLUMNS {
        for value in VALUES {
            odd += insert_odd(&shop, table, column, value);
            insert(&shop, "topic, content_type", "'order.placed', 'well'");
        }
    }
    shop.db.execute_batch("COMMIT").unwrap();
    assert!(odd > 200, "{odd}");
    let delivered = deliver(&shop).await;
    let well = |envelope: &&surehand::Envelope| envelope.content_type() == Some("well");
    let well = delivered.envelopes.iter().filter(well).count();
    assert_eq!(well, COLUMNS.len() * VALUES.len());
    assert_eq!(delivered.envelopes.len() - well + delivered.dead.len(), odd);
    assert!(delivered.envelopes.iter().all(surehand::Envelope::is_intact));
    let left = shop.written().1;
    assert_eq!(usize::try_from(left).unwrap(), delivered.dead.len(), "only what is dead is left");
    assert!(deliver(&shop).await.envelopes.is_empty());
}

#[tokio::test]
async fn in_the_log_nothing_stops_the_relay() {
    nothing_stops("outbox_message").await;
}

#[tokio::test]
async fn among_what_is_scheduled_nothing_stops_the_relay() {
    nothing_stops("outbox_scheduled").await;
}

#[tokio::test]
async fn a_due_time_before_all_times_is_due() {
    let shop = Shop::new();
    for due in ["-9223372036854775808", "-9e999", "-1", "0.5", "'41'"] {
        let sql = format!(
            "INSERT INTO outbox_scheduled (topic, payload, due_at_ms) \
            VALUES ('order.placed', 'due', {due})"
        );
        shop.db.execute(&sql, []).unwrap();
    }
    assert_eq!(deliver(&shop).await.payloads(), ["due"; 5]);
}

#[test]
fn a_due_time_that_is_no_number_is_refused_when_it_is_written() {
    let shop = Shop::new();
    for due in ["'soon'", "x'41'", "''"] {
        let sql = format!("INSERT INTO outbox_scheduled (topic, due_at_ms) VALUES ('t', {due})");
        let error = shop.db.execute(&sql, []).unwrap_err();
        assert!(error.to_string().contains("due_at_ms_is_a_number"), "{error}");
    }
}

#[tokio::test]
async fn whatever_time_a_pending_message_has_there_are_statistics() {
    let shop = Shop::new();
    deliver(&shop).await;
    let times = [
        ("'yesterday'", None),
        ("9223372036854775807", Some(0)),
        ("-9223372036854775808", Some(u128::try_from(i64::MAX).unwrap())),
    ];
    for (time, age) in times {
        insert(&shop, "topic, created_at_ms", &format!("'order.placed', {time}"));
        let stats = &Operator::open(&shop.path).unwrap().stats().unwrap()[0];
        assert_eq!(stats.oldest_pending_age.map(|age| age.as_millis()), age, "{time}");
        deliver(&shop).await;
    }
}

/// A text is larger than every number.
#[tokio::test]
async fn a_time_that_is_no_number_does_not_keep_the_log() {
    let shop = Shop::new();
    insert(&shop, "topic, created_at_ms", "'order.placed', 'yesterday'");
    insert(&shop, "topic, created_at_ms, payload", "'order.placed', 1000, 'old'");
    insert(&shop, "topic, payload", "'order.placed', 'young'");
    let delivered = deliver_keeping(&shop, Duration::from_secs(3_600)).await;
    assert_eq!(delivered.payloads(), ["old", "young"]);
    assert_eq!(shop.read::<String>("SELECT group_concat(seq) FROM outbox_message"), "1,3");
}
