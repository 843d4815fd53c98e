//! What the transport makes of a foreign consumer's answer to a batch: only what it proves is
//! settled, and the rest comes again.

mod cut_off;

use crate::foreign::{Consumer, Taken, until_idle};
use crate::stage::{Stage, order};
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use serde_json::{Value, json};
use std::time::Duration;
use surehand::transport::Http;
use surehand::{Operator, Relay, Subscription};

const ANSWERS: &str = "application/vnd.surehand.answers+json";

/// The ids of a batch, and the orders they are about.
fn events(body: &[u8]) -> Vec<(String, i64)> {
    let events: Vec<Value> = serde_json::from_slice(body).unwrap();
    let event = |event: &Value| (event["id"].as_str().unwrap().into(), event["data"].as_i64());
    events.iter().map(event).map(|(id, order)| (id, order.unwrap())).collect()
}

fn orders(body: &[u8]) -> Vec<i64> {
    events(body).into_iter().map(|(_, order)| order).collect()
}

fn ids(body: &[u8]) -> Vec<String> {
    events(body).into_iter().map(|(id, _)| id).collect()
}

/// Four orders of four keys, sent together to this URL.
async fn hand_over(stage: &Stage, url: String) {
    stage.put((0..4).map(order));
    let http = Http::unsigned(url).batches(10).start().unwrap();
    let soon = Subscription::new("foreign").ack_timeout(Duration::from_millis(200));
    let relay = Relay::open(&stage.shop).unwrap().subscribe(soon, http);
    until_idle(relay).await;
}

/// Hands over to a consumer that answers the first batch with this, and any other with a bare 200;
/// returns the orders of each request.
async fn requests(
    stage: &Stage,
    first: impl Fn(&[String]) -> Response + Clone + Send + Sync + 'static,
) -> Vec<Vec<i64>> {
    let consumer = Consumer::answering(move |before, taken: &Taken| match before {
        0 => first(&ids(&taken.body)),
        _ => StatusCode::OK.into_response(),
    });
    hand_over(stage, consumer.url()).await;
    consumer.taken().iter().map(|taken| orders(&taken.body)).collect()
}

#[track_caller]
fn all_came_again(requests: &[Vec<i64>]) {
    assert_eq!(requests[0], [0, 1, 2, 3]);
    let mut later = requests[1..].concat();
    later.sort_unstable();
    assert_eq!(later, [0, 1, 2, 3], "of {requests:?}");
}

fn itemised(document: impl Into<String>) -> Response {
    ([("content-type", ANSWERS)], document.into()).into_response()
}

/// Settled is what is not sent again, and all is handed over in the end.
async fn comes_again(again: &[i64], first: fn(&[String]) -> Value) {
    let stage = Stage::set();
    let requests = requests(&stage, move |ids| itemised(first(ids).to_string())).await;
    assert_eq!(requests[0], [0, 1, 2, 3]);
    let mut later = requests[1..].concat();
    later.sort_unstable();
    assert_eq!(later, again, "of {requests:?}");
    stage.has_handed_over_all();
}

#[tokio::test]
async fn a_bare_2xx_acknowledges_all() {
    for status in [200, 202, 204] {
        let stage = Stage::set();
        let bare = StatusCode::from_u16(status).unwrap();
        let all = requests(&stage, move |_| bare.into_response()).await;
        assert_eq!(all, [[0, 1, 2, 3]], "{status}");
        let page = requests(&stage, move |_| (bare, "[]").into_response()).await;
        assert_eq!(page, [[0, 1, 2, 3]], "{status} and a body that is no answers document");
        stage.has_handed_over_all();
    }
}

#[tokio::test]
async fn an_answer_that_names_each_acknowledges_all() {
    comes_again(&[], |ids| ids.iter().rev().map(|id| json!({ "id": id })).collect()).await;
}

#[tokio::test]
async fn one_that_is_not_named_comes_again() {
    comes_again(&[2], |ids| json!([{"id": ids[0]}, {"id": ids[3]}, {"id": ids[1]}])).await;
    comes_again(&[0, 1, 2, 3], |_| json!([])).await;
}

#[tokio::test]
async fn a_name_that_was_not_sent_proves_nothing() {
    comes_again(&[1, 2, 3], |ids| {
        let other = "01890a5d-ac96-774b-bcce-b302099a8057";
        json!([{"id": ids[0]}, {"id": other}, {"id": "no UUID"}, {"id": 7}, {}, null, "text"])
    })
    .await;
}

#[tokio::test]
async fn a_place_that_is_not_its_own_proves_nothing() {
    comes_again(&[1], |ids| {
        let place = |place: i64| format!("{place:019}");
        json!([
            {"id": ids[0], "sequence": place(1)},
            {"id": ids[1], "sequence": place(1)},
            {"id": ids[2]},
            {"id": ids[3], "sequence": place(4)},
        ])
    })
    .await;
}

#[tokio::test]
async fn an_answer_that_contradicts_itself_proves_nothing_of_that_one() {
    comes_again(&[1, 2], |ids| {
        let problem = json!({"type": "urn:surehand:problem:rejected", "detail": "no"});
        json!([
            {"id": ids[0]},
            {"id": ids[1]},
            {"id": ids[1], "problem": problem},
            {"id": ids[2], "problem": problem},
            {"id": ids[3]},
            {"id": ids[2]},
        ])
    })
    .await;
}

#[tokio::test]
async fn a_problem_that_is_not_understood_proves_nothing_of_that_one() {
    comes_again(&[0, 1, 2], |ids| {
        json!([
            {"id": ids[0], "problem": {"type": "about:blank"}},
            {"id": ids[1], "problem": "no"},
            {"id": ids[2], "problem": {}},
            {"id": ids[3]},
        ])
    })
    .await;
}

#[tokio::test]
async fn a_failure_comes_again_and_a_refusal_is_a_dead_letter() {
    let stage = Stage::set();
    let all = requests(&stage, |ids| {
        let failed = json!({"type": "urn:surehand:problem:failed", "after_ms": 1});
        let rejected = json!({"type": "urn:surehand:problem:rejected", "detail": "no such"});
        let answers = json!([
            {"id": ids[0]},
            {"id": ids[1], "problem": failed},
            {"id": ids[2], "problem": rejected},
            {"id": ids[3]},
        ]);
        itemised(answers.to_string())
    });
    assert_eq!(all.await, [vec![0, 1, 2, 3], vec![1]]);
    let mut operator = Operator::open(&stage.shop).unwrap();
    let dead = operator.dead_letters("foreign").unwrap().list(0, 10).unwrap();
    assert_eq!(dead.len(), 1, "{dead:?}");
}

#[tokio::test]
async fn what_cannot_be_read_proves_nothing() {
    for document in ["", "[", "{}", "null", "<html>", "[{\"id\":", "[]]", "\u{feff}[]"] {
        let stage = Stage::set();
        let all = requests(&stage, move |_| itemised(document)).await;
        all_came_again(&all);
        stage.has_handed_over_all();
    }
}
