//! What is on the wire when nothing goes wrong.

use proptest::prelude::*;
use proptest::sample::select;
use std::time::Duration;
use surehand::testing::wire::Sent;
use surehand::transport::{Applied, Outcome};
use surehand::{Failure, Incarnation, Message, Ranges};

const CONTENT_TYPES: &[&str] = &[
    "application/json",
    "Application/JSON; charset=utf-8",
    "application/vnd.shop+json",
    "text/plain",
    "application/octet-stream",
    " text/plain ",
    "",
    "text/\u{20AC}",
];

/// Small numbers, and the ends of what there is.
fn number() -> impl Strategy<Value = i64> {
    prop_oneof![0..50_i64, Just(i64::MAX), Just(i64::MIN), any::<i64>()]
}

/// JSON of every kind, as compact as it is mostly written, and as it is not.
fn json() -> impl Strategy<Value = String> {
    let leaf = prop_oneof![
        select(vec!["null", "true", "-0", "1e400", "12", "\"\"", "\"\\ud800\"", "{ }", "[\n]"])
            .prop_map(str::to_owned),
        ".{0,8}".prop_map(|text| serde_json::to_string(&text).expect("a string is JSON")),
    ];
    leaf.prop_recursive(3, 12, 3, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..3)
                .prop_map(|all| format!("[{}]", all.join(","))),
            inner.prop_map(|value| format!("{{\"a\": {value}}}")),
        ]
    })
}

fn payload() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        json().prop_map(String::into_bytes),
        json().prop_map(|json| format!(" {json}\n").into_bytes()),
        ".{0,20}".prop_map(String::into_bytes),
        prop::collection::vec(any::<u8>(), 0..40),
    ]
}

fn message() -> impl Strategy<Value = Message> {
    let name = prop_oneof![
        select(vec!["traceparent", "tracestate", "tenant", "id", "data", "surehandkey", "A-b"])
            .prop_map(str::to_owned),
        "[a-z0-9]{1,22}",
        ".{0,5}",
    ];
    (
        "[a-z]{1,9}(\\.[a-z]{1,9}){0,2}|.{1,20}",
        prop::option::of("[a-z0-9]{0,9}|.{0,20}"),
        prop::collection::vec((name, "[ -~]{0,9}|.{0,9}"), 0..4),
        prop::option::of(select(CONTENT_TYPES)),
        payload(),
    )
        .prop_map(|(topic, key, headers, content_type, payload)| {
            let mut message = Message::new(topic).payload(payload);
            if let Some(key) = key {
                message = message.key(key);
            }
            for (name, value) in headers {
                message = message.header(name, value);
            }
            match content_type {
                Some(content_type) => message.content_type(content_type),
                None => message,
            }
        })
}

/// A message as a relay may send it.
pub(crate) fn sent() -> impl Strategy<Value = Sent> {
    let ids = any::<([u8; 16], [u8; 16], [u8; 16])>();
    let numbers = (number(), number(), number(), number(), number());
    let place = (prop_oneof![1..50_i64, 1..=i64::MAX], any::<u32>());
    let times = prop_oneof![0..2_000_000_000_000_i64, number(), -62_200_000_000_000..0_i64];
    let settled = prop::collection::vec((1..90_i64, 1..90_i64), 0..4);
    (message(), ids, place, numbers, times, settled).prop_map(
        |(message, ids, (seq, attempt), numbers, created_at_ms, settled)| {
            let (id, store, subscription) = ids;
            let (epoch, nonce, revision, after, _) = numbers;
            let (incarnation, settled) =
                (Incarnation { epoch, nonce }, Ranges::from_ranges(settled));
            Sent {
                message,
                id,
                store,
                subscription,
                incarnation,
                seq,
                revision,
                attempt,
                after,
                created_at_ms,
                settled,
            }
        },
    )
}

/// What may become of a message.
pub(crate) fn outcome() -> impl Strategy<Value = Outcome> {
    let wait = prop::option::of(0..=u64::MAX).prop_map(|ms| ms.map(Duration::from_millis));
    let failed = (".{0,20}", any::<bool>(), wait).prop_map(|(why, is_permanent, wait)| {
        let failure = if is_permanent { Failure::permanent(why) } else { Failure::retry(why) };
        Outcome::Failed(match wait {
            Some(wait) => failure.after(wait),
            None => failure,
        })
    });
    let refused = (select(vec!["conflict", "stale", "unhandled"]), ".{0,20}");
    let applied = (prop::option::of(number()), any::<bool>(), prop::option::of(json()));
    prop_oneof![
        applied.prop_map(|(revision, duplicate, reply)| {
            let reply = reply.map(String::into_bytes);
            Outcome::Applied(Applied { revision, duplicate, reply })
        }),
        failed,
        refused.prop_map(|(reason, detail)| Outcome::Refused { reason, detail }),
        Just(()).prop_map(|()| Outcome::Blocked),
        Just(()).prop_map(|()| Outcome::Unknown),
    ]
}

/// Answers to a batch by anybody: each names an id and a place, and not always the same message.
pub(crate) fn answers() -> impl Strategy<Value = String> {
    let place = prop::option::of(0..6_i64);
    let one = (1..5_u8, place, any::<bool>()).prop_map(|(id, place, is_problem)| {
        let id = surehand::MessageId::from_bytes([id * 0x11; 16]);
        let place = place.map(|place| format!(",\"sequence\":\"{place}\"")).unwrap_or_default();
        let problem = ",\"problem\":{\"type\":\"urn:surehand:problem:failed\"}";
        format!("{{\"id\":\"{id}\"{place}{}}}", if is_problem { problem } else { "" })
    });
    prop::collection::vec(one, 0..5).prop_map(|all| format!("[{}]", all.join(",")))
}
