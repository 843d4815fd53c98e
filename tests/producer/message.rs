//! What is told about a message reaches its row, by the clock and the randomness that are given.

use super::support::{START_MS, SetClock, Shop, placed};
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::time::{Duration, UNIX_EPOCH};
use surehand::clock::Entropy;
use surehand::{Message, MessageId, Outbox};

#[test]
fn every_part_is_in_the_row() {
    let mut shop = Shop::new();
    let message = Message::new("order.placed")
        .key(41)
        .header("tenant", "north")
        .traceparent("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01")
        .content_type("text/plain")
        .payload("hello");
    shop.enqueue(message).unwrap();
    let row = shop.read::<String>(
        "SELECT topic || '|' || key || '|' || content_type || '|' || CAST(payload AS TEXT) \
        FROM outbox_message",
    );
    assert_eq!(row, "order.placed|41|text/plain|hello");
    let header = |name: &str| {
        shop.read::<String>(&format!("SELECT headers ->> '{name}' FROM outbox_message"))
    };
    assert_eq!(header("tenant"), "north");
    assert_eq!(header("traceparent"), "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01");
}

#[test]
fn every_part_is_in_what_travels() {
    let mut shop = Shop::new();
    let id = "00000000-0000-4000-8000-000000000041".parse().unwrap();
    let message = placed().id(id).key(41).header("tenant", "north").traceparent("00-4b-00-01");
    shop.enqueue(message.content_type("text/plain").payload([0, 255])).unwrap();
    let pending = shop.outbox.pending(&shop.db).unwrap();
    let [envelope] = &pending[..] else { panic!("{pending:?}") };
    assert_eq!((envelope.id(), envelope.seq(), envelope.revision()), (id, 1, 0));
    assert_eq!((envelope.topic(), envelope.key()), ("order.placed", Some("41")));
    assert_eq!(envelope.header("tenant").as_deref(), Some("north"));
    assert_eq!(envelope.header("traceparent").as_deref(), Some("00-4b-00-01"));
    assert_eq!((envelope.content_type(), envelope.payload()), (Some("text/plain"), &[0, 255][..]));
    assert!(envelope.is_intact());
}

#[test]
fn what_is_not_told_is_null() {
    let mut shop = Shop::new();
    shop.enqueue(placed()).unwrap();
    let nulls = "SELECT (key IS NULL) + (headers IS NULL) + (content_type IS NULL) \
        + (expires_at_ms IS NULL) FROM outbox_message";
    assert_eq!(shop.read::<i64>(nulls), 4);
}

#[test]
fn what_is_not_told_is_not_left_over_from_the_message_before() {
    let mut shop = Shop::new();
    let (tx, outbox) = shop.begin();
    let told = placed().key(1).header("tenant", "north").content_type("text/plain");
    let told = told.expires_after(Duration::from_secs(60));
    outbox.enqueue_all(&tx, [told, placed()]).unwrap();
    tx.commit().unwrap();
    let told = |column: &str| {
        let counted = format!("SELECT group_concat({column} IS NOT NULL, '') FROM outbox_message");
        shop.read::<String>(&counted)
    };
    for column in ["key", "headers", "content_type", "expires_at_ms"] {
        assert_eq!(told(column), "10", "{column}");
    }
}

#[test]
fn a_header_is_replaced_by_a_second_one_of_its_name() {
    let mut shop = Shop::new();
    shop.enqueue(placed().header("tenant", "north").header("tenant", "south")).unwrap();
    assert_eq!(shop.read::<String>("SELECT headers FROM outbox_message"), r#"{"tenant":"south"}"#);
}

#[test]
fn json_has_its_content_type() {
    let mut shop = Shop::new();
    shop.enqueue(placed().json(&[1, 2]).unwrap()).unwrap();
    let sql = "SELECT content_type || CAST(payload AS TEXT) FROM outbox_message";
    assert_eq!(shop.read::<String>(sql), "application/json[1,2]");
}

#[test]
fn what_does_not_serialise_is_an_invalid_message() {
    let not_json = std::collections::BTreeMap::from([([1_u8], 1)]);
    let error = placed().json(&not_json).unwrap_err();
    assert_eq!(error.kind(), surehand::ErrorKind::InvalidMessage);
    assert!(std::error::Error::source(&error).is_some());
}

#[test]
fn ids_are_uuids_of_version_7_in_the_order_of_their_time() {
    let clock = SetClock::new();
    let mut shop = Shop::with(|database| database.clock(clock.clone()));
    let first = shop.enqueue(placed()).unwrap();
    clock.forward(Duration::from_millis(1));
    let second = shop.enqueue(placed()).unwrap();
    assert_eq!(first.uuid().get_version_num(), 7);
    let (seconds, nanos) = first.uuid().get_timestamp().unwrap().to_unix();
    let millis = i64::try_from(seconds).unwrap() * 1000 + i64::from(nanos / 1_000_000);
    assert_eq!(millis, START_MS);
    assert!(first < second);
}

#[test]
fn ids_of_one_moment_differ() {
    let clock = SetClock::new();
    let mut shop = Shop::with(|database| database.clock(clock));
    let (tx, outbox) = shop.begin();
    let mut ids = outbox.enqueue_all(&tx, (0..1000).map(|_| placed())).unwrap();
    ids.sort();
    ids.dedup();
    assert_eq!(ids.len(), 1000);
}

#[test]
fn the_callers_id_is_taken_as_it_is() {
    let mut shop = Shop::new();
    let id: MessageId = "00000000-0000-4000-8000-000000000041".parse().unwrap();
    assert_eq!(shop.enqueue(placed().id(id)).unwrap(), id);
    assert_eq!(shop.read::<[u8; 16]>("SELECT id FROM outbox_message"), *id.as_bytes());
}

#[test]
fn the_time_of_a_message_is_the_databases_clock() {
    let mut shop = Shop::with(|database| database.clock(SetClock::new()));
    shop.enqueue(placed()).unwrap();
    assert_eq!(shop.read::<i64>("SELECT created_at_ms FROM outbox_message"), START_MS);
}

#[test]
fn an_expiry_counts_from_the_enqueue_or_is_a_time() {
    let mut shop = Shop::with(|database| database.clock(SetClock::new()));
    shop.enqueue(placed().expires_after(Duration::from_secs(5))).unwrap();
    shop.enqueue(placed().expires_at(UNIX_EPOCH + Duration::from_secs(1_800_000_000))).unwrap();
    let sql = |seq: i64| format!("SELECT expires_at_ms FROM outbox_message WHERE seq = {seq}");
    assert_eq!(shop.read::<i64>(&sql(1)), START_MS + 5_000);
    assert_eq!(shop.read::<i64>(&sql(2)), 1_800_000_000_000);
}

#[test]
fn a_delayed_message_waits_outside_the_log_until_it_is_due() {
    let mut shop = Shop::with(|database| database.clock(SetClock::new()));
    shop.enqueue(placed().key("k").delay(Duration::from_secs(60))).unwrap();
    assert_eq!(shop.written().1, 0);
    assert_eq!(shop.read::<i64>("SELECT due_at_ms FROM outbox_scheduled"), START_MS + 60_000);
    assert_eq!(shop.read::<String>("SELECT key FROM outbox_scheduled"), "k");
}

#[test]
fn a_due_time_to_come_is_taken_as_it_is() {
    let mut shop = Shop::with(|database| database.clock(SetClock::new()));
    shop.enqueue(placed().due_at(UNIX_EPOCH + Duration::from_secs(1_800_000_000))).unwrap();
    assert_eq!(shop.written().1, 0);
    assert_eq!(shop.read::<i64>("SELECT due_at_ms FROM outbox_scheduled"), 1_800_000_000_000);
}

#[test]
fn a_due_time_that_is_over_joins_the_log_at_once() {
    let mut shop = Shop::with(|database| database.clock(SetClock::new()));
    shop.enqueue(placed().due_at(UNIX_EPOCH)).unwrap();
    shop.enqueue(placed().delay(Duration::ZERO)).unwrap();
    assert_eq!(shop.written().1, 2);
    assert_eq!(shop.read::<i64>("SELECT count(*) FROM outbox_scheduled"), 0);
}

#[test]
fn a_scheduled_message_is_gone_with_its_transaction_too() {
    let mut shop = Shop::new();
    let (tx, outbox) = shop.begin();
    outbox.enqueue(&tx, placed().delay(Duration::from_secs(60))).unwrap();
    tx.rollback().unwrap();
    assert_eq!(shop.read::<i64>("SELECT count(*) FROM outbox_scheduled"), 0);
}

#[tokio::test]
async fn a_due_message_is_delivered_with_its_content() {
    let mut shop = Shop::new();
    shop.enqueue(placed().payload("later").delay(Duration::from_millis(50))).unwrap();
    shop.enqueue(placed().payload("now")).unwrap();
    assert_eq!(super::support::deliver(&shop.path).await, ["now", "later"]);
}

#[derive(Debug)]
struct Counting(AtomicU8);

impl Entropy for Counting {
    fn fill(&self, buffer: &mut [u8]) {
        buffer.fill_with(|| self.0.fetch_add(1, Ordering::SeqCst));
    }
}

#[test]
fn the_same_randomness_and_time_give_the_same_ids() {
    let ids = [(); 2].map(|()| {
        let entropy = Arc::new(Counting(AtomicU8::new(0)));
        let mut shop = Shop::with(|database| database.clock(SetClock::new()).entropy(entropy));
        (shop.outbox.store_id(), shop.enqueue(placed()).unwrap())
    });
    assert_eq!(ids[0], ids[1]);
}

#[test]
fn an_outbox_keeps_its_identity_when_it_is_opened_again() {
    let shop = Shop::new();
    let again = Outbox::open(&shop.path).unwrap();
    assert_eq!(again.store_id(), shop.outbox.store_id());
    assert_ne!(Shop::new().outbox.store_id(), shop.outbox.store_id());
}
