//! A row that nobody can deliver becomes a dead letter with its reason, and delays nothing.

use super::super::support::{Shop, settle};
use super::{deliver, insert};
use surehand::{Operator, Relay, Subscription, transport};

/// The row dies for that reason; its neighbours, of the same key, are delivered.
async fn dies(columns: &str, values: &str, reason: &str) {
    let shop = Shop::new();
    insert(&shop, "topic, key, payload", "'order.placed', 'k', 'before'");
    insert(&shop, columns, values);
    insert(&shop, "topic, key, payload", "'order.placed', 'k', 'after'");
    let delivered = deliver(&shop).await;
    assert_eq!(delivered.payloads(), ["before", "after"], "beside {values}");
    let [letter] = &delivered.dead[..] else { panic!("{values}: {:?}", delivered.dead) };
    assert_eq!((letter.seq, letter.reason.as_str()), (2, "malformed"), "{values}");
    assert_eq!(letter.last_error.as_deref(), Some(reason), "{values}");
    assert_eq!(letter.attempts, 0, "{values}");
    // It stays for a person to look at, and nothing else does.
    assert_eq!(shop.read::<i64>("SELECT group_concat(seq) = '2' FROM outbox_message"), 1);
}

#[tokio::test]
async fn a_version_that_is_unknown() {
    let unknown = |version: &str| format!("the row has the unknown version {version}");
    dies("topic, version", "'order.placed', 2", &unknown("2")).await;
    dies("topic, version", "'order.placed', 0", &unknown("0")).await;
    dies("topic, version", "'order.placed', 1.5", &unknown("no number")).await;
    dies("topic, version", "'order.placed', 'new'", &unknown("no number")).await;
}

#[tokio::test]
async fn an_id_that_is_not_16_bytes() {
    let reason = "the id is not 16 bytes long";
    dies("topic, id", "'order.placed', zeroblob(15)", reason).await;
    dies("topic, id", "'order.placed', zeroblob(17)", reason).await;
    dies("topic, id", "'order.placed', x''", reason).await;
    dies("topic, id", "'order.placed', 41", reason).await;
    dies("topic, id", "'order.placed', '01890a5d-ac96-774b-bcce-b302099a8057'", reason).await;
}

#[tokio::test]
async fn headers_that_are_no_json_object() {
    let reason = "the headers are no JSON object";
    dies("topic, headers", "'order.placed', 'tenant=north'", reason).await;
    dies("topic, headers", "'order.placed', '[1]'", reason).await;
    dies("topic, headers", "'order.placed', 'null'", reason).await;
    dies("topic, headers", "'order.placed', ''", reason).await;
    dies("topic, headers", "'order.placed', '{} {}'", reason).await;
    dies("topic, headers", "'order.placed', x'7b7d'", "the headers are no text").await;
}

#[tokio::test]
async fn a_part_that_is_too_large() {
    let long = |bytes: usize| format!("'{}'", "x".repeat(bytes));
    let reason = |what: &str, limit: usize| {
        format!("the {what} has {} bytes, more than the limit of {limit}", limit + 1)
    };
    dies("topic", &long(256), &reason("topic", 255)).await;
    let two = |value: String| format!("'order.placed', {value}");
    dies("topic, key", &two(long(256)), &reason("key", 255)).await;
    dies("topic, content_type", &two(long(256)), &reason("content type", 255)).await;
    let headers = format!(r#"'{{"h":"{}"}}'"#, "v".repeat(16 * 1024 + 1 - 8));
    dies("topic, headers", &two(headers), &reason("headers", 16 * 1024)).await;
    let payload = "zeroblob(1048577)".into();
    dies("topic, payload", &two(payload), &reason("payload", 1024 * 1024)).await;
}

#[tokio::test]
async fn a_topic_that_is_no_text_or_empty() {
    dies("topic", "x'6f'", "the topic is no text").await;
    dies("topic", "CAST(x'6fff' AS TEXT)", "the topic is no text").await;
    dies("topic", "''", "the topic is empty").await;
}

#[tokio::test]
async fn a_key_or_content_type_that_is_no_text() {
    dies("topic, key", "'order.placed', x'6b'", "the key is no text").await;
    dies("topic, key", "'order.placed', CAST(x'ff' AS TEXT)", "the key is no text").await;
    let reason = "the content type is no text";
    dies("topic, content_type", "'order.placed', x'6b'", reason).await;
}

#[tokio::test]
async fn a_time_that_is_no_number() {
    let reason = "created_at_ms is no number";
    dies("topic, created_at_ms", "'order.placed', '2023-11-14 22:13:20'", reason).await;
    let reason = "expires_at_ms is no number";
    dies("topic, expires_at_ms", "'order.placed', 'tomorrow'", reason).await;
}

#[tokio::test]
async fn a_checksum_that_is_not_the_contents() {
    let reason = "the content does not match its checksum";
    dies("topic, checksum", "'order.placed', 1", reason).await;
    dies("topic, checksum", "'order.placed', 'sum'", reason).await;
}

#[tokio::test]
async fn it_is_dead_for_the_subscriptions_that_take_its_topic_and_for_no_other() {
    let shop = Shop::new();
    insert(&shop, "topic, id", "'order.placed', 'no id'");
    insert(&shop, "topic, version", "'order.placed', 7");
    let mut relay = Relay::open(&shop.path).unwrap();
    for topic in ["order.placed", "bill.paid"] {
        let transport = transport::function(async |_| Ok(()));
        relay = relay.subscribe(Subscription::new(topic).topics([topic]), transport);
    }
    settle(relay).await;
    let mut operator = Operator::open(&shop.path).unwrap();
    let mut dead = |name| operator.dead_letters(name).unwrap().list(0, 10).unwrap().len();
    assert_eq!((dead("order.placed"), dead("bill.paid")), (2, 0));
}

#[tokio::test]
async fn one_that_is_scheduled_dies_when_it_is_due() {
    let shop = Shop::new();
    let columns = "(topic, due_at_ms, version, id, headers, payload)";
    for values in ["1, NULL, NULL, 'well'", "7, NULL, NULL, ''", "1, x'41', NULL, ''"] {
        let values = format!("('order.placed', 1, {values})");
        shop.db
            .execute(&format!("INSERT INTO outbox_scheduled {columns} VALUES {values}"), [])
            .unwrap();
    }
    let delivered = deliver(&shop).await;
    assert_eq!(delivered.payloads(), ["well"]);
    let why = delivered.dead.iter().map(|letter| letter.last_error.as_deref().unwrap());
    let expected = ["the row has the unknown version 7", "the id is not 16 bytes long"];
    assert_eq!(why.collect::<Vec<_>>(), expected);
}
