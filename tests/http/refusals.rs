//! What a receiver refuses: each with a document that says why, and nothing of it applied.

use crate::post::{BATCH, EVENT, Post, event, now_s};
use crate::server::Server;
use crate::stage::{Stage, secret};
use flate2::Compression;
use flate2::write::GzEncoder;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;
use surehand::Receiver;

fn served(stage: &Stage, with: fn(Receiver) -> Receiver) -> Server {
    let inbox = stage.inbox();
    Server::start(move || with(Receiver::verified(inbox, secret(1))).into_router())
}

fn packed(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

#[tokio::test]
async fn what_is_not_signed_well_now_is_not_looked_at() {
    let stage = Stage::set();
    let server = served(&stage, |receiver| receiver);
    let post = || Post::new(EVENT, event("a", 1));
    let others = [
        post(),
        post().field("webhook-id", "a").field("webhook-timestamp", now_s().to_string()),
        post().signed_with(secret(2), "a", now_s()),
        post().signed_with(secret(1), "a", now_s() - 301),
        post().signed_with(secret(1), "a", now_s() + 360),
        Post { body: event("b", 1).into(), ..post().signed("a") },
        post().signed("a").field("webhook-id", "b"),
    ];
    for (index, other) in others.into_iter().enumerate() {
        let came = other.to(server.address).await;
        assert_eq!((came.status, came.problem().as_str()), (401, "unsigned"), "{index}");
    }
    server.stop();
    assert!(stage.shipped().is_empty());
}

#[tokio::test]
async fn a_request_that_is_replayed_is_answered_as_the_first_was() {
    let stage = Stage::set();
    let server = served(&stage, |receiver| receiver);
    let post = Post::new(EVENT, event("a", 1)).signed("a");
    let first = post.clone().to(server.address).await;
    let again = post.to(server.address).await;
    assert_eq!((first.status, first.field("surehand-duplicate")), (200, None));
    assert_eq!((again.status, again.field("surehand-duplicate")), (200, Some("true")));
    assert_eq!(first.body, b"{\"shipped\":1}");
    assert_eq!(first.body, again.body);
    server.stop();
    assert_eq!(stage.shipped(), [1]);
}

#[tokio::test]
async fn bodies_that_are_no_events_are_refused() {
    let stage = Stage::set();
    let server = served(&stage, |receiver| receiver);
    let nested = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
    let deep = event("a", 1).replace("\"data\":1", &format!("\"data\":{nested}"));
    let twice = event("a", 1).replace("\"id\":\"a\"", "\"id\":\"a\",\"id\":\"b\"");
    let bodies: [(&str, Vec<u8>); 9] = [
        (EVENT, b"".to_vec()),
        (EVENT, b"{\"specversion\":\"1.0\"".to_vec()),
        (EVENT, b"not json".to_vec()),
        (EVENT, b"{\"specversion\":\"1.0\",\"id\":\"\xff\"}".to_vec()),
        (EVENT, event("a", 1).replace("1.0", "0.3").into()),
        (EVENT, event("", 1).into()),
        (EVENT, twice.into()),
        (EVENT, nested.clone().into()),
        (BATCH, event("a", 1).into()),
    ];
    for (media_type, body) in bodies {
        let shown = String::from_utf8_lossy(&body[..body.len().min(60)]).into_owned();
        let came = Post::new(media_type, body).signed("a").to(server.address).await;
        assert_eq!((came.status, came.problem().as_str()), (400, "unreadable"), "{shown}");
    }
    // Depth alone is nothing to a receiver, which does not look into data; the handler does.
    let came = Post::new(EVENT, deep).signed("a").to(server.address).await;
    assert_eq!((came.status, came.problem().as_str()), (422, "rejected"), "by the handler");
    for media_type in ["text/plain", "application/json"] {
        let came = Post::new(media_type, event("a", 1)).to(server.address).await;
        assert_eq!((came.status, came.problem().as_str()), (401, "unsigned"));
    }
    let came = Post::new(EVENT, event("a", 1)).field("content-encoding", "br").signed("a");
    assert_eq!(came.to(server.address).await.problem(), "media-type");
    server.stop();
    assert!(stage.shipped().is_empty());
}

#[tokio::test]
async fn attributes_that_nobody_signed_are_refused() {
    let stage = Stage::set();
    let server = served(&stage, |receiver| receiver);
    let post = Post::new("application/json", "1").signed("a").field("ce-specversion", "1.0");
    let post = post.field("ce-id", "a").field("ce-source", "/").field("ce-type", "order.placed");
    let came = post.to(server.address).await;
    assert_eq!((came.status, came.problem().as_str()), (415, "media-type"));
    server.stop();
    assert!(stage.shipped().is_empty());
}

#[tokio::test]
async fn bodies_that_are_too_large_are_refused_packed_or_not() {
    let stage = Stage::set();
    let server = served(&stage, |receiver| receiver.longest_body(100_000));
    let blanks = format!("{}{}", " ".repeat(100_000), event("a", 1));
    let came = Post::new(EVENT, blanks.clone()).signed("a").to(server.address).await;
    assert_eq!((came.status, came.problem().as_str()), (413, "too-large"));
    // Small enough as it comes: only unpacking it is too much.
    let bomb = packed(&vec![b' '; 20 << 20]);
    assert!(bomb.len() < 100_000);
    let post = Post::new(EVENT, bomb).signed("a").field("content-encoding", "gzip");
    let came = post.to(server.address).await;
    assert_eq!((came.status, came.problem().as_str()), (413, "too-large"));
    let garbled = Post::new(EVENT, "no gzip").signed("a").field("content-encoding", "gzip");
    assert_eq!(garbled.to(server.address).await.problem(), "unreadable");
    let few = served(&stage, |receiver| receiver.largest_batch(2));
    let three = format!("[{0},{0},{0}]", event("a", 1));
    let came = Post::new(BATCH, three).signed("a").to(few.address).await;
    assert_eq!((came.status, came.problem().as_str()), (413, "too-large"));
    // What is signed is the content, whatever it travels in.
    let content = event("b", 2);
    let mut post = Post::new(EVENT, content.clone()).signed("b").field("content-encoding", "gzip");
    post.body = packed(content.as_bytes());
    assert_eq!(post.to(server.address).await.status, 200);
    server.stop();
    few.stop();
    assert_eq!(stage.shipped(), [2]);
}

#[tokio::test]
async fn in_a_batch_the_good_ones_land_and_the_bad_ones_are_named() {
    let stage = Stage::set();
    let server = served(&stage, |receiver| receiver);
    let unhandled = event("c", 3).replace("order.placed", "order.lost");
    let unreadable = event("d", 4).replace("\"type\"", "\"typo\"");
    let batch = format!(
        "[{},{},{unhandled},{unreadable},17,{},{}]",
        event("a", 1),
        event("b", 2),
        event("a", 1),
        event("a", 9)
    );
    let came = Post::new(BATCH, batch).signed("batch").to(server.address).await;
    assert_eq!(came.status, 200);
    let answers: Vec<serde_json::Value> = serde_json::from_slice(&came.body).unwrap();
    let told: Vec<String> = answers
        .iter()
        .map(|answer| match answer["problem"]["type"].as_str() {
            Some(kind) => format!("{} {}", answer["id"], kind.rsplit(':').next().unwrap()),
            None => format!("{} {} {}", answer["id"], answer["reply"], answer["duplicate"]),
        })
        .collect();
    assert_eq!(
        told,
        [
            r#""a" {"shipped":1} null"#,
            r#""b" {"shipped":2} null"#,
            r#""c" unhandled"#,
            r#""d" unreadable"#,
            r#""" unreadable"#,
            r#""a" {"shipped":1} true"#,
            r#""a" conflict"#,
        ]
    );
    assert!(answers[4]["problem"]["detail"].as_str().unwrap().contains("event 5"));
    server.stop();
    assert_eq!(stage.shipped(), [1, 2]);
}

#[tokio::test]
async fn what_can_never_be_applied_is_refused_for_good() {
    let stage = Stage::set();
    let horizon = |receiver: Receiver| receiver.horizon(Duration::from_secs(3_600));
    let server = served(&stage, horizon);
    let timed = |id: &str, order, time: &str| {
        event(id, order).replacen('{', &format!("{{\"time\":{time:?},"), 1)
    };
    let send = async |body: String| Post::new(EVENT, body).signed("x").to(server.address).await;
    assert_eq!(send(timed("a", 1, "2026-01-02T00:00:00Z")).await.status, 200);
    let stale = send(timed("b", 2, "2026-01-01T00:00:00Z")).await;
    assert_eq!((stale.status, stale.problem().as_str()), (422, "stale"));
    let conflict = send(timed("a", 2, "2026-01-02T00:00:00Z")).await;
    assert_eq!((conflict.status, conflict.problem().as_str()), (422, "conflict"));
    let unhandled = send(event("c", 3).replace("order.placed", "order.lost")).await;
    assert_eq!((unhandled.status, unhandled.problem().as_str()), (422, "unhandled"));
    server.stop();
    assert_eq!(stage.shipped(), [1]);
}

#[test]
fn only_post_is_understood() {
    let stage = Stage::set();
    let server = served(&stage, |receiver| receiver);
    let mut stream = TcpStream::connect(server.address).unwrap();
    stream.write_all(b"GET / HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 405"), "{answer}");
    assert!(answer.contains("urn:surehand:problem:method"), "{answer}");
    server.stop();
}
