//! What an endpoint is spared: more requests at a time, or in a second, than it was promised.

use crate::server::Server;
use crate::stage::{Stage, secret};
use axum::Router;
use axum::routing::post;
use http::StatusCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::time::Duration;
use surehand::clock::{Clock, System};
use surehand::transport::{Http, HttpBuilder};
use surehand::{Message, Operator, Relay, Subscription};

#[derive(Default)]
struct Seen {
    asked: AtomicUsize,
    under_way: AtomicUsize,
    crowd: AtomicUsize,
}

/// Hands over messages to an endpoint that takes its time; says what it saw, and for how long.
async fn hands_over(messages: i64, form: fn(HttpBuilder) -> HttpBuilder) -> (Arc<Seen>, Duration) {
    let stage = Stage::set();
    // Without keys: nobody waits for an answer to another.
    stage.put((0..messages).map(|number| Message::new("tick").json(&number).unwrap()));
    let seen = Arc::<Seen>::default();
    let kept = Arc::clone(&seen);
    let answer = move || {
        let seen = Arc::clone(&kept);
        async move {
            seen.asked.fetch_add(1, SeqCst);
            seen.crowd.fetch_max(seen.under_way.fetch_add(1, SeqCst) + 1, SeqCst);
            tokio::time::sleep(Duration::from_millis(5)).await;
            seen.under_way.fetch_sub(1, SeqCst);
            StatusCode::NO_CONTENT
        }
    };
    let server = Server::start(move || Router::new().route("/", post(answer)));
    let http = form(Http::signed(server.url(), secret(1))).start().unwrap();
    // Shorter than all of them take at that rate: who waited inside would run out of time.
    let subscription = Subscription::new("main").ack_timeout(Duration::from_millis(5_500));
    let relay = Relay::open(&stage.shop).unwrap().subscribe(subscription, http);
    let began = System.now().tick;
    relay.run_until_idle().await.unwrap();
    let took = System.now().tick - began;
    server.stop();
    stage.has_handed_over_all();
    let stats = Operator::open(&stage.shop).unwrap().stats().unwrap();
    assert_eq!(stats[0].late_acks, 0, "none waited inside past its time");
    (seen, took)
}

#[tokio::test]
async fn no_more_requests_are_under_way_than_were_allowed() {
    let (seen, _) = hands_over(200, |http| http.requests(3)).await;
    assert_eq!((seen.crowd.load(SeqCst), seen.asked.load(SeqCst)), (3, 200));
}

/// And none of them waits inside for longer than its acknowledgement may take: each is sent once.
#[tokio::test]
async fn no_more_requests_begin_in_a_second_than_were_allowed() {
    let (seen, took) = hands_over(251, |http| http.rate(25)).await;
    assert!(took >= Duration::from_secs(10), "{took:?}");
    assert_eq!(seen.asked.load(SeqCst), 251);
}
