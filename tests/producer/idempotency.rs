//! An idempotency key makes a repeated enqueue a no-op, for as long as it is kept.

use super::support::{SetClock, Shop, begin, placed};
use std::time::Duration;
use surehand::ErrorKind;

#[test]
fn the_second_use_writes_nothing_and_returns_the_first_id() {
    let mut shop = Shop::new();
    let message = || placed().payload("41").idempotency_key("request 41");
    let first = shop.enqueue(message()).unwrap();
    assert_eq!(shop.enqueue(message()).unwrap(), first);
    assert_eq!(shop.written().1, 1);
}

#[test]
fn it_holds_within_one_transaction() {
    let mut shop = Shop::new();
    let (tx, outbox) = shop.begin();
    let ids =
        outbox.enqueue_all(&tx, [(); 2].map(|()| placed().idempotency_key("request 41"))).unwrap();
    tx.commit().unwrap();
    assert_eq!(ids[0], ids[1]);
    assert_eq!(shop.written().1, 1);
}

#[test]
fn another_key_is_another_message() {
    let mut shop = Shop::new();
    let first = shop.enqueue(placed().idempotency_key("request 41")).unwrap();
    let second = shop.enqueue(placed().idempotency_key("request 42")).unwrap();
    assert_ne!(first, second);
    assert_eq!(shop.written().1, 2);
}

#[test]
fn other_content_is_a_conflict_and_writes_nothing() {
    let mut shop = Shop::new();
    let first = shop.enqueue(placed().payload("41").idempotency_key("request")).unwrap();
    let error = shop.enqueue(placed().payload("42").idempotency_key("request")).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Conflict);
    assert!(error.to_string().contains("\"request\""), "{error}");
    assert!(error.to_string().contains(&first.to_string()), "{error}");
    assert_eq!(shop.written().1, 1);
}

#[test]
fn a_rolled_back_use_is_no_use() {
    let mut shop = Shop::new();
    let (tx, outbox) = shop.begin();
    outbox.enqueue(&tx, placed().payload("41").idempotency_key("request")).unwrap();
    tx.rollback().unwrap();
    shop.enqueue(placed().payload("42").idempotency_key("request")).unwrap();
    assert_eq!(shop.written().1, 1);
}

#[test]
fn it_holds_for_a_message_that_is_not_due_yet() {
    let mut shop = Shop::new();
    let message = || placed().idempotency_key("request").delay(Duration::from_secs(60));
    assert_eq!(shop.enqueue(message()).unwrap(), shop.enqueue(message()).unwrap());
    assert_eq!(shop.read::<i64>("SELECT count(*) FROM outbox_scheduled"), 1);
}

#[test]
fn it_is_kept_for_a_day() {
    let clock = SetClock::new();
    let mut shop = Shop::with(|database| database.clock(clock.clone()));
    let first = shop.enqueue(placed().idempotency_key("request")).unwrap();
    clock.forward(Duration::from_secs(24 * 60 * 60 - 1));
    assert_eq!(shop.enqueue(placed().idempotency_key("request")).unwrap(), first);
    clock.forward(Duration::from_secs(1));
    assert_ne!(shop.enqueue(placed().idempotency_key("request")).unwrap(), first);
    assert_eq!(shop.written().1, 2);
}

#[test]
fn it_is_kept_for_as_long_as_told() {
    let clock = SetClock::new();
    let mut shop = Shop::with(|database| database.clock(clock.clone()));
    shop.outbox = shop.outbox.clone().keep_idempotency_keys(Duration::from_secs(60));
    let first = shop.enqueue(placed().payload("41").idempotency_key("request")).unwrap();
    clock.forward(Duration::from_secs(60));
    let second = shop.enqueue(placed().payload("42").idempotency_key("request")).unwrap();
    assert_ne!(first, second, "a forgotten key may be used for other content");
    let tx = begin(&mut shop.db);
    let third = shop.outbox.enqueue(&tx, placed().payload("42").idempotency_key("request"));
    assert_eq!(third.unwrap(), second);
}

#[test]
fn another_id_is_no_other_content_and_the_first_one_holds() {
    let mut shop = Shop::new();
    let message = |id: &str| placed().id(id.parse().unwrap()).idempotency_key("request");
    let first = shop.enqueue(message("00000000-0000-4000-8000-000000000041")).unwrap();
    let second = shop.enqueue(message("00000000-0000-4000-8000-000000000042")).unwrap();
    assert_eq!(first, second);
    assert_eq!(shop.read::<[u8; 16]>("SELECT id FROM outbox_message"), *first.as_bytes());
}

/// Whoever asks again does so in another trace.
#[test]
fn another_trace_is_no_other_content_and_another_header_is() {
    let mut shop = Shop::new();
    let message = || placed().header("tenant", "north").idempotency_key("request");
    let first = shop.enqueue(message().traceparent("00-4b-01-01")).unwrap();
    let again = message().traceparent("00-4b-02-01").header("TraceState", "vendor=1");
    assert_eq!(shop.enqueue(again).unwrap(), first);
    assert_eq!(shop.enqueue(message()).unwrap(), first);
    let other = shop.enqueue(message().header("tenant", "south")).unwrap_err();
    assert_eq!(other.kind(), ErrorKind::Conflict);
    let headers = shop.read::<String>("SELECT headers ->> 'traceparent' FROM outbox_message");
    assert_eq!(headers, "00-4b-01-01");
}

#[tokio::test]
async fn keys_that_are_not_kept_any_more_leave_the_database() {
    let mut shop = Shop::new();
    shop.enqueue(placed().idempotency_key("kept")).unwrap();
    shop.outbox = shop.outbox.clone().keep_idempotency_keys(Duration::ZERO);
    shop.enqueue(placed().idempotency_key("forgotten")).unwrap();
    super::support::deliver(&shop.path).await;
    assert_eq!(shop.read::<String>("SELECT group_concat(key) FROM outbox_idempotency"), "kept");
}
