//! Webhooks of others, into the receiver.

use super::theirs;
use crate::foreign::{Answer, post};
use crate::server::Server;
use crate::stage::{Stage, secret};
use serde_json::Value;
use standardwebhooks::Webhook;
use std::net::SocketAddr;
use surehand::clock::{Clock, System};
use surehand::rusqlite::Connection;
use surehand::{Effect, Inbox, Receiver};

fn now_s() -> i64 {
    System.now().wall_ms / 1_000
}

/// A webhook on its way to a receiver.
struct Hook<'a> {
    id: &'a str,
    at: i64,
    secret: &'a Webhook,
    body: &'a str,
}

impl Hook<'_> {
    fn send(&self, to: SocketAddr) -> Answer {
        self.send_without(to, "")
    }

    fn send_without(&self, to: SocketAddr, field: &str) -> Answer {
        let at = self.at.to_string();
        let signature = self.secret.sign(self.id, self.at, self.body.as_bytes()).unwrap();
        let mut fields = vec![
            ("content-type", "application/json"),
            ("webhook-id", self.id),
            ("webhook-timestamp", &at),
            ("webhook-signature", &signature),
        ];
        fields.retain(|(name, _)| *name != field);
        post(to, &fields, self.body.as_bytes())
    }
}

const BODY: &str = r#"{ "type": "invoice.paid", "timestamp": "TIME", "data": {"invoice": 7} }"#;

/// Something that happened just now.
fn fresh() -> String {
    let time = jiff::Timestamp::from_second(now_s()).unwrap();
    BODY.replace("TIME", &time.to_string())
}

fn inbox(stage: &Stage) -> Inbox {
    let store = Connection::open(&stage.warehouse).unwrap();
    store.execute_batch("CREATE TABLE paid (topic TEXT, payload TEXT)").unwrap();
    let inbox = Inbox::open(&stage.warehouse).unwrap();
    ["invoice.paid", "webhook"].into_iter().fold(inbox, |inbox, topic| {
        inbox.on(topic, |tx: &Effect, body: Vec<u8>| {
            let body = String::from_utf8(body)?;
            assert_eq!(tx.envelope().content_type(), Some("application/json"));
            tx.execute("INSERT INTO paid VALUES (?1, ?2)", (tx.envelope().topic(), body))?;
            Ok(())
        })
    })
}

fn paid(stage: &Stage) -> Vec<(String, String)> {
    let store = Connection::open(&stage.warehouse).unwrap();
    let mut read = store.prepare("SELECT topic, payload FROM paid ORDER BY rowid").unwrap();
    let rows = read.query_map([], |row| row.try_into()).unwrap();
    rows.map(Result::unwrap).collect()
}

fn receiver(stage: &Stage) -> Server {
    let inbox = inbox(stage);
    Server::start(move || Receiver::verified(inbox, secret(1)).into_router())
}

#[track_caller]
fn is_unsigned(answer: &Answer) {
    assert_eq!(answer.status, 401, "{answer:?}");
    assert!(answer.has_field("content-type: application/problem+json"), "{answer:?}");
    let problem: Value = serde_json::from_str(&answer.body).unwrap();
    assert_eq!(problem["type"], "urn:surehand:problem:unsigned");
    assert_eq!(problem["status"], 401);
}

#[test]
fn a_webhook_is_taken_by_its_type_and_once_for_its_id() {
    let stage = Stage::set();
    let server = receiver(&stage);
    let body = fresh();
    // Each attempt has a time of its own.
    for (attempt, at) in [now_s() - 200, now_s() - 100, now_s()].into_iter().enumerate() {
        let hook = Hook { id: "msg_1", at, secret: &theirs(1), body: &body };
        let answer = hook.send(server.address);
        assert!(matches!(answer.status, 200 | 204), "{answer:?}");
        assert_eq!(answer.has_field("surehand-duplicate: true"), attempt > 0, "{answer:?}");
    }
    let other = Hook { id: "msg_2", at: now_s(), secret: &theirs(1), body: &body };
    assert!(matches!(other.send(server.address).status, 200 | 204));
    server.stop();
    let one = ("invoice.paid".to_owned(), body);
    assert_eq!(paid(&stage), [one.clone(), one]);
}

/// Not every sender keeps to what is only suggested for the body.
#[test]
fn a_type_counts_whatever_the_rest_of_the_body_is() {
    let stage = Stage::set();
    let server = receiver(&stage);
    let bodies = [
        (r#"{"type":"invoice.paid"}"#, "invoice.paid"),
        (r#"{"type":"invoice.paid","timestamp":1700000000}"#, "invoice.paid"),
        (r#"{"type":"invoice.paid","timestamp":{"seconds":1}}"#, "invoice.paid"),
        (r#"{"type":"invoice.paid","timestamp":"yesterday"}"#, "invoice.paid"),
        (r#"{"type":"invoice\u002epaid","timestamp":null,"data":[]}"#, "invoice.paid"),
        (r#"{"type":7}"#, "webhook"),
        (r#"{"type":""}"#, "webhook"),
        (r#"["invoice.paid"]"#, "webhook"),
        ("no JSON", "webhook"),
        ("", "webhook"),
    ];
    for (index, (body, _)) in bodies.iter().enumerate() {
        let id = format!("msg_{index}");
        let answer = Hook { id: &id, at: now_s(), secret: &theirs(1), body }.send(server.address);
        assert!(matches!(answer.status, 200 | 204), "{answer:?} to {body}");
    }
    server.stop();
    let expected = bodies.map(|(body, topic)| (topic.to_owned(), body.to_owned()));
    assert_eq!(paid(&stage), expected);
}

#[test]
fn what_is_not_signed_or_not_lately_has_no_effect() {
    let stage = Stage::set();
    let server = receiver(&stage);
    let body = fresh();
    let good = Hook { id: "msg_1", at: now_s(), secret: &theirs(1), body: &body };
    is_unsigned(&Hook { secret: &theirs(2), ..good }.send(server.address));
    for seconds in [-310, 310, -1_000_000_000] {
        is_unsigned(&Hook { at: now_s() + seconds, ..good }.send(server.address));
    }
    for field in ["webhook-id", "webhook-signature", "webhook-timestamp"] {
        is_unsigned(&good.send_without(server.address, field));
    }
    assert_eq!(paid(&stage), []);
    // The id of what was refused is not remembered.
    assert!(matches!(good.send(server.address).status, 200 | 204));
    server.stop();
    assert_eq!(paid(&stage).len(), 1);
}

/// Where nothing is signed, the id is what tells a webhook from anything else.
#[test]
fn without_signatures_a_webhook_is_what_has_an_id() {
    let stage = Stage::set();
    let inbox = inbox(&stage);
    let server = Server::start(move || Receiver::unsigned(inbox).into_router());
    let json = ("content-type", "application/json");
    let refused = post(server.address, &[json], fresh().as_bytes());
    assert_eq!(refused.status, 415, "{refused:?}");
    let taken = post(server.address, &[json, ("webhook-id", "msg_1")], fresh().as_bytes());
    assert!(matches!(taken.status, 200 | 204), "{taken:?}");
    server.stop();
    assert_eq!(paid(&stage).len(), 1);
}
