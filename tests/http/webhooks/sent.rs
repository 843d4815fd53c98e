//! What the transport sends.

use super::theirs;
use crate::foreign::{Consumer, Taken, sent, until_idle};
use crate::stage::{Stage, order, secret};
use axum::response::IntoResponse;
use http::StatusCode;
use std::io::Read;
use surehand::http::Signer;
use surehand::transport::{Http, HttpBuilder};
use surehand::{Message, Relay};

/// What is signed is what the body is before it is packed.
fn body(taken: &Taken) -> Vec<u8> {
    let mut body = Vec::new();
    match taken.fields.get("content-encoding") {
        Some(coding) => {
            assert_eq!(coding, "gzip");
            flate2::read::GzDecoder::new(&taken.body[..]).read_to_end(&mut body).unwrap();
        }
        None => body.extend_from_slice(&taken.body),
    }
    body
}

async fn are_verified(form: fn(HttpBuilder) -> HttpBuilder) {
    let stage = Stage::set();
    stage.place(0..20);
    let long = "\u{20ac}".repeat(5_000);
    stage.put([Message::new("order.noted").key("\u{e9}").payload(long).content_type("text/plain")]);
    let signer = Signer::new(secret(1)).and(secret(2));
    let taken = sent(&stage, |url| form(Http::signed(url, signer))).await;
    assert!(!taken.is_empty());
    for one in taken {
        let body = body(&one);
        theirs(1).verify(&body, &one.fields).unwrap();
        theirs(2).verify(&body, &one.fields).unwrap();
        theirs(3).verify(&body, &one.fields).expect_err("it is nobody's secret");
        theirs(1).verify(&[&body[..], b" "].concat(), &one.fields).expect_err("of another body");
    }
}

#[tokio::test]
async fn what_is_sent_one_by_one_verifies() {
    are_verified(|http| http).await;
}

#[tokio::test]
async fn what_is_sent_in_batches_verifies() {
    are_verified(|http| http.batches(8)).await;
}

#[tokio::test]
async fn what_is_sent_as_fields_and_a_body_verifies() {
    are_verified(HttpBuilder::binary).await;
}

#[tokio::test]
async fn what_is_sent_packed_verifies() {
    are_verified(HttpBuilder::gzip).await;
}

/// The id stays and the signature is of the attempt; so is nothing in the body.
#[tokio::test]
async fn a_second_attempt_has_the_same_id_and_body_and_verifies() {
    let stage = Stage::set();
    stage.put([order(1)]);
    let consumer = Consumer::answering(|before, _| match before {
        0 => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
        _ => StatusCode::OK.into_response(),
    });
    let http = Http::signed(consumer.url(), secret(1)).start().unwrap();
    let relay = Relay::open(&stage.shop).unwrap().deliver_to(http);
    until_idle(relay).await;
    stage.has_handed_over_all();
    let [first, second] = &consumer.taken()[..] else { panic!("it is sent twice") };
    for one in [first, second] {
        theirs(1).verify(&one.body, &one.fields).unwrap();
    }
    assert_eq!(first.field("webhook-id"), second.field("webhook-id"));
    assert_eq!(first.body, second.body);
}
