//! Every bound on a message is checked when it is enqueued, and named in the error.

use super::support::{Shop, placed};
use surehand::{ErrorKind, Message, limits};

/// Just allowed is written; one byte more is refused, with the limit and the value in the text.
#[track_caller]
fn check(what: &str, limit: usize, message: impl Fn(usize) -> Message) {
    let mut shop = Shop::new();
    shop.enqueue(message(limit)).unwrap();
    assert_eq!(shop.written().1, 1);
    let (tx, outbox) = shop.begin();
    let error = outbox.enqueue(&tx, message(limit + 1)).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidMessage);
    let text = error.to_string();
    for part in [what, &format!("{limit}"), &format!("{}", limit + 1), "nothing was written"] {
        assert!(text.contains(part), "{part:?} is not in {text:?}");
    }
    tx.commit().unwrap();
    assert_eq!(shop.written().1, 1, "the transaction goes on without the message");
}

#[test]
fn a_topic_has_a_limit() {
    check("topic", limits::TOPIC_BYTES, |bytes| Message::new("t".repeat(bytes)));
}

#[test]
fn a_key_has_a_limit() {
    check("key", limits::KEY_BYTES, |bytes| placed().key("k".repeat(bytes)));
}

#[test]
fn headers_have_a_limit_as_json_text() {
    let around = r#"{"h":""}"#.len();
    check("headers", limits::HEADER_BYTES, |bytes| {
        placed().header("h", "v".repeat(bytes - around))
    });
}

#[test]
fn a_content_type_has_a_limit() {
    check("content type", limits::CONTENT_TYPE_BYTES, |bytes| {
        placed().content_type("c".repeat(bytes))
    });
}

#[test]
fn an_idempotency_key_has_a_limit() {
    check("idempotency key", limits::IDEMPOTENCY_KEY_BYTES, |bytes| {
        placed().idempotency_key("i".repeat(bytes))
    });
}

#[test]
fn a_payload_has_a_limit() {
    check("payload", limits::PAYLOAD_BYTES, |bytes| placed().payload(vec![b'p'; bytes]));
}

#[test]
fn limits_count_bytes_and_not_letters() {
    let mut shop = Shop::new();
    let error = shop.enqueue(placed().key("\u{e4}".repeat(128))).unwrap_err();
    assert!(error.to_string().contains("256 bytes"), "{error}");
}

#[test]
fn a_topic_must_not_be_empty() {
    let mut shop = Shop::new();
    let error = shop.enqueue(Message::new("")).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidMessage);
    assert!(error.to_string().contains("topic is empty"), "{error}");
    assert_eq!(shop.written().1, 0);
}

#[test]
fn a_scheduled_message_has_the_same_limits() {
    let mut shop = Shop::new();
    let delay = std::time::Duration::from_secs(60);
    let error = shop.enqueue(placed().key("k".repeat(256)).delay(delay)).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidMessage);
    assert_eq!(shop.read::<i64>("SELECT count(*) FROM outbox_scheduled"), 0);
}
