//! Events of the SDK are taken by the receiver as what they are, and once.

use crate::foreign::{Answer, post};
use crate::server::Server;
use crate::stage::{Stage, secret};
use cloudevents::{Event, EventBuilder, EventBuilderV10};
use serde_json::json;
use std::net::SocketAddr;
use surehand::clock::{Clock, System};
use surehand::http::Signer;
use surehand::rusqlite::Connection;
use surehand::{Effect, Inbox, Receiver};

const EVENT: (&str, &str) = ("content-type", "application/cloudevents+json; charset=UTF-8");
const BATCH: (&str, &str) = ("content-type", "application/cloudevents-batch+json");
const TOPICS: [&str; 3] = ["com.example.order.placed", "\u{540d}\u{524d}", "other"];

/// What a handler saw: topic, key, content type, headers and payload.
type Seen = (String, Option<String>, Option<String>, String, Vec<u8>);

fn inbox(stage: &Stage) -> Inbox {
    let store = Connection::open(&stage.warehouse).unwrap();
    store.execute_batch("CREATE TABLE seen (topic, key, content_type, headers, payload)").unwrap();
    TOPICS.into_iter().fold(Inbox::open(&stage.warehouse).unwrap(), |inbox, topic| {
        inbox.on(topic, |tx: &Effect, payload: Vec<u8>| {
            let it = tx.envelope();
            let headers = it.headers_json().into_owned();
            let seen = (it.topic(), it.key(), it.content_type(), headers, payload);
            tx.execute("INSERT INTO seen VALUES (?1, ?2, ?3, ?4, ?5)", seen)?;
            Ok(())
        })
    })
}

fn seen(stage: &Stage) -> Vec<Seen> {
    let store = Connection::open(&stage.warehouse).unwrap();
    let mut read = store.prepare("SELECT * FROM seen ORDER BY rowid").unwrap();
    let rows = read.query_map([], |row| row.try_into()).unwrap();
    rows.map(Result::unwrap).collect()
}

fn builder(id: &str) -> EventBuilderV10 {
    EventBuilderV10::new().id(id).source("https://shop.example/\u{e9}").ty(TOPICS[0])
}

/// Each event, and what the handler has to see of it.
fn samples() -> Vec<(Event, Seen)> {
    let topic = || TOPICS[0].to_owned();
    let (none, object) = ("{}".to_owned(), json!({"order_id": 41, "note": "\u{e9}\n"}));
    let text = "\"text\"\r\n\u{20ac}\0";
    let full = builder("1")
        .ty(TOPICS[1])
        .subject("K\u{f6}ln \"1\"\n")
        .time(jiff::Timestamp::now().to_string())
        .extension("tenant", "north")
        .extension("urgent", true)
        .extension("weight", -7_i64)
        .data("application/vnd.shop+json", object.clone());
    let headers = r#"{"tenant":"north","urgent":"true","weight":"-7"}"#.to_owned();
    let json = |payload: &[u8]| {
        (topic(), None, Some("application/json".into()), none.clone(), payload.to_vec())
    };
    let mut untyped = builder("7").build().unwrap();
    untyped.set_data_unchecked(json!([1, 2]));
    let samples = [
        (
            full,
            (
                TOPICS[1].to_owned(),
                Some("K\u{f6}ln \"1\"\n".to_owned()),
                Some("application/vnd.shop+json".to_owned()),
                headers,
                object.to_string().into_bytes(),
            ),
        ),
        (
            builder("2").data("text/plain", text),
            (topic(), None, Some("text/plain".into()), none.clone(), text.into()),
        ),
        (
            builder("3").data("image/png", vec![137, 80, 0, 255]),
            (topic(), None, Some("image/png".into()), none.clone(), vec![137, 80, 0, 255]),
        ),
        // A string beside a JSON type is JSON, quotation marks and all (section 3.1.1).
        (builder("4").data("application/json", "4"), json(b"\"4\"")),
        (builder("5").data("application/json", b" {} ".to_vec()), json(b" {} ")),
        (builder("6"), (topic(), None, None, none.clone(), Vec::new())),
    ];
    let mut samples: Vec<_> =
        samples.into_iter().map(|(builder, seen)| (builder.build().unwrap(), seen)).collect();
    samples.push((untyped, (topic(), None, None, none, b"[1,2]".to_vec())));
    samples
}

fn post_signed(to: SocketAddr, content_type: (&str, &str), id: &str, body: &[u8]) -> Answer {
    let now_s = System.now().wall_ms / 1_000;
    let signature = Signer::new(secret(1)).sign(id, now_s, body);
    let timestamp = now_s.to_string();
    let fields = [
        content_type,
        ("webhook-id", id),
        ("webhook-timestamp", &timestamp),
        ("webhook-signature", &signature),
    ];
    post(to, &fields, body)
}

#[test]
fn each_is_taken_as_what_it_is_and_once() {
    for signed in [false, true] {
        let stage = Stage::set();
        let inbox = inbox(&stage);
        let server = Server::start(move || match signed {
            true => Receiver::verified(inbox, secret(1)).into_router(),
            false => Receiver::unsigned(inbox).into_router(),
        });
        let mut expected = Vec::new();
        for (event, seen) in samples() {
            let document = serde_json::to_vec(&event).unwrap();
            expected.push(seen);
            for is_again in [false, true] {
                let answer = match signed {
                    // The id of a request is not that of the event.
                    true => post_signed(server.address, EVENT, &format!("{is_again}"), &document),
                    false => post(server.address, &[EVENT], &document),
                };
                assert!(matches!(answer.status, 200 | 204), "{answer:?} to {event}");
                assert_eq!(answer.has_field("surehand-duplicate: true"), is_again, "{answer:?}");
            }
        }
        server.stop();
        assert_eq!(seen(&stage), expected);
    }
}

#[test]
fn a_batch_is_taken_event_by_event_and_once() {
    let stage = Stage::set();
    let inbox = inbox(&stage);
    let server = Server::start(move || Receiver::verified(inbox, secret(1)).into_router());
    let (mut events, mut expected): (Vec<_>, Vec<_>) = samples().into_iter().unzip();
    // One that nothing takes spoils no other.
    events.insert(1, builder("8").ty("unknown").build().unwrap());
    let document = serde_json::to_vec(&events).unwrap();
    for is_again in [false, true] {
        let answer = post_signed(server.address, BATCH, "batch", &document);
        assert_eq!(answer.status, 200, "{answer:?}");
        let answers: Vec<serde_json::Value> = serde_json::from_str(&answer.body).unwrap();
        assert_eq!(answers.len(), events.len());
        for one in answers {
            match one["id"].as_str().unwrap() {
                "8" => assert_eq!(one["problem"]["type"], "urn:surehand:problem:unhandled"),
                _ => assert_eq!(one["duplicate"] == true, is_again, "{one}"),
            }
        }
    }
    server.stop();
    let mut seen = seen(&stage);
    seen.sort();
    expected.sort();
    assert_eq!(seen, expected);
}

/// The specification only advises against names of more than 20 letters.
#[test]
fn an_extension_with_a_long_name_is_a_header() {
    let stage = Stage::set();
    let inbox = inbox(&stage);
    let server = Server::start(move || Receiver::unsigned(inbox).into_router());
    let event = builder("1").extension("partitionkeyofthewarehouse", "north").build().unwrap();
    let answer = post(server.address, &[EVENT], &serde_json::to_vec(&event).unwrap());
    assert!(matches!(answer.status, 200 | 204), "{answer:?}");
    server.stop();
    assert_eq!(seen(&stage)[0].3, r#"{"partitionkeyofthewarehouse":"north"}"#);
}

#[test]
fn an_id_is_unique_within_its_source() {
    let stage = Stage::set();
    let inbox = inbox(&stage);
    let server = Server::start(move || Receiver::unsigned(inbox).into_router());
    for source in ["/one", "/two", "/one"] {
        let event = builder("1").source(source).data("text/plain", source).build().unwrap();
        let answer = post(server.address, &[EVENT], &serde_json::to_vec(&event).unwrap());
        assert!(matches!(answer.status, 200 | 204), "{answer:?}");
    }
    server.stop();
    let payloads: Vec<_> = seen(&stage).into_iter().map(|seen| seen.4).collect();
    assert_eq!(payloads, [b"/one".to_vec(), b"/two".to_vec()]);
}
