//! Bad days of an endpoint: it is away, says nothing, says it late, moves, or asks for patience.

use crate::server::Server;
use crate::stage::{Stage, count, order, secret};
use axum::Router;
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use http::StatusCode;
use std::net::{SocketAddr, TcpListener};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use surehand::operator::SubscriptionStats;
use surehand::transport::{Http, HttpBuilder};
use surehand::{ErrorKind, Operator, Receiver, Relay, Subscription, SubscriptionState};
use tokio::sync::{Notify, oneshot};
use tokio::task::JoinHandle;

const PATIENCE: Duration = Duration::from_secs(30);

/// A relay at work.
struct Working {
    stop: oneshot::Sender<()>,
    task: JoinHandle<surehand::Result<(), surehand::Error>>,
}

impl Working {
    fn start(relay: Relay) -> Self {
        let (stop, stopped) = oneshot::channel::<()>();
        let until = async { drop(stopped.await) };
        Self { stop, task: tokio::spawn(relay.run_until(until)) }
    }

    async fn stop(self) {
        drop(self.stop);
        self.task.await.unwrap().unwrap();
    }
}

fn quick() -> Subscription {
    let retry = surehand::RetryPolicy::default().first_delay(Duration::from_millis(20));
    Subscription::new("main").ack_timeout(Duration::from_millis(400)).retry(retry)
}

fn stats(stage: &Stage) -> Option<SubscriptionStats> {
    let all = Operator::open(&stage.shop).unwrap().stats().unwrap();
    all.into_iter().find(|one| one.name == "main")
}

/// Waits until the shop's numbers are as they should be, and fails if they never are.
#[track_caller]
fn until(stage: &Stage, done: impl Fn(&SubscriptionStats) -> bool) -> impl Future<Output = ()> {
    let place = std::panic::Location::caller();
    async move {
        let waited = tokio::time::timeout(PATIENCE, async {
            while !stats(stage).is_some_and(|stats| done(&stats)) {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        });
        if waited.await.is_err() {
            panic!("{place}: {:?}", stats(stage));
        }
    }
}

fn to(address: SocketAddr) -> HttpBuilder {
    Http::signed(format!("http://{address}/"), secret(1))
}

/// A server that answers the same to everything, and counts.
fn says(respond: impl Fn() -> Response + Clone + Send + Sync + 'static) -> (Server, Asked) {
    let asked = Asked::default();
    let count = asked.clone();
    let answer = move || {
        count.0.fetch_add(1, Ordering::SeqCst);
        let response = respond();
        async move { response }
    };
    (Server::start(move || Router::new().route("/", post(answer))), asked)
}

#[derive(Clone, Default)]
struct Asked(Arc<AtomicUsize>);

impl Asked {
    fn times(&self) -> usize {
        self.0.load(Ordering::SeqCst)
    }
}

#[tokio::test]
async fn an_endpoint_that_is_away_gets_everything_later() {
    let stage = Stage::set();
    stage.place(0..200);
    // Nobody listens there, and nobody else takes it meanwhile.
    let held = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = held.local_addr().unwrap();
    drop(held);
    let http = to(address).start().unwrap();
    let relay = Relay::open(&stage.shop).unwrap().subscribe(quick(), http);
    let working = Working::start(relay);
    until(&stage, |stats| stats.outages >= 1).await;
    let inbox = stage.inbox();
    let server =
        Server::start_at(address, move || Receiver::verified(inbox, secret(1)).into_router());
    until(&stage, |stats| stats.settled_to == 200).await;
    working.stop().await;
    server.stop();
    stage.has_shipped(0..200);
}

#[tokio::test]
async fn an_endpoint_that_refuses_connections_is_no_messages_fault() {
    let stage = Stage::set();
    stage.place(0..20);
    let held = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = held.local_addr().unwrap();
    drop(held);
    let relay = Relay::open(&stage.shop).unwrap();
    let working = Working::start(relay.subscribe(quick(), to(address).start().unwrap()));
    until(&stage, |stats| stats.outages >= 3).await;
    assert_eq!(count(&stage.shop, "SELECT count(*) FROM outbox_delivery"), 0);
    working.stop().await;
}

/// It accepts connections, and the operating system takes what is sent.
#[tokio::test]
async fn an_endpoint_that_never_answers_is_an_outage() {
    let stage = Stage::set();
    stage.place(0..20);
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = silent.local_addr().unwrap();
    let http = to(address).answer_timeout(Duration::from_secs(2)).start().unwrap();
    let relay = Relay::open(&stage.shop).unwrap().subscribe(quick(), http);
    let working = Working::start(relay);
    until(&stage, |stats| stats.outages >= 2).await;
    assert_eq!(stats(&stage).unwrap().dead, 0);
    working.stop().await;
    drop(silent);
}

/// The relay sends again after 400 ms; the answer to the first attempt comes after the second was
/// sent, and settles the message.
#[tokio::test]
async fn an_answer_after_the_timeout_counts() {
    let stage = Stage::set();
    stage.place(0..1);
    let (asked, gate) = (Asked::default(), Arc::new(Notify::new()));
    let (count, held) = (asked.clone(), Arc::clone(&gate));
    let answer = move || {
        let (number, held) = (count.0.fetch_add(1, Ordering::SeqCst), Arc::clone(&held));
        async move {
            if number > 0 {
                // The second attempt sets the first free, and is never answered itself.
                held.notify_one();
                std::future::pending::<()>().await;
            }
            held.notified().await;
            StatusCode::NO_CONTENT
        }
    };
    let server = Server::start(move || Router::new().route("/", post(answer)));
    let http = to(server.address).answer_timeout(PATIENCE).start().unwrap();
    let relay = Relay::open(&stage.shop).unwrap().subscribe(quick(), http);
    let working = Working::start(relay);
    until(&stage, |stats| stats.settled_to == 1).await;
    assert_eq!(asked.times(), 2);
    let stats = stats(&stage).unwrap();
    assert_eq!((stats.late_acks, stats.dead), (1, 0));
    working.stop().await;
}

#[tokio::test]
async fn an_endpoint_that_is_gone_pauses_the_subscription() {
    let stage = Stage::set();
    stage.place(0..3);
    let (server, asked) = says(|| StatusCode::GONE.into_response());
    let relay = Relay::open(&stage.shop).unwrap();
    let http = to(server.address).requests(1).start().unwrap();
    let working = Working::start(relay.subscribe(quick(), http));
    until(&stage, |stats| stats.state == SubscriptionState::Paused).await;
    assert_eq!((asked.times(), stats(&stage).unwrap().dead), (1, 0));
    working.stop().await;
}

#[tokio::test]
async fn an_endpoint_that_asks_for_it_is_left_alone() {
    let stage = Stage::set();
    stage.place(0..10);
    let (server, asked) = says(|| {
        (StatusCode::TOO_MANY_REQUESTS, [("retry-after", "2")], "slow down").into_response()
    });
    let relay = Relay::open(&stage.shop).unwrap();
    let http = to(server.address).requests(1).start().unwrap();
    let working = Working::start(relay.subscribe(quick(), http));
    until(&stage, |stats| stats.outages == 1).await;
    let before = asked.times();
    tokio::time::sleep(Duration::from_millis(1_000)).await;
    assert_eq!(asked.times(), before, "not asked again within its two seconds");
    until(&stage, |stats| stats.outages == 2).await;
    assert_eq!(asked.times(), before + 1, "one message goes first");
    assert_eq!(stats(&stage).unwrap().dead, 0);
    working.stop().await;
}

#[tokio::test]
async fn nobody_follows_a_redirect() {
    let stage = Stage::set();
    stage.place(0..3);
    let (elsewhere, called) = says(|| StatusCode::OK.into_response());
    let place = elsewhere.url();
    let (server, _) = says(move || {
        (StatusCode::TEMPORARY_REDIRECT, [("location", place.clone())]).into_response()
    });
    let relay = Relay::open(&stage.shop).unwrap();
    let working = Working::start(relay.subscribe(quick(), to(server.address).start().unwrap()));
    until(&stage, |stats| stats.outages >= 2).await;
    assert_eq!((called.times(), stats(&stage).unwrap().dead), (0, 0));
    working.stop().await;
}

#[tokio::test]
async fn what_is_refused_for_good_is_a_dead_letter_with_what_was_said() {
    let stage = Stage::set();
    stage.place(0..1);
    let body = "y".repeat(10_000);
    let said = body.clone();
    let (server, asked) = says(move || (StatusCode::NOT_FOUND, said.clone()).into_response());
    let relay = Relay::open(&stage.shop).unwrap();
    let working = Working::start(relay.subscribe(quick(), to(server.address).start().unwrap()));
    until(&stage, |stats| stats.dead == 1).await;
    working.stop().await;
    let mut operator = Operator::open(&stage.shop).unwrap();
    let letters = operator.dead_letters("main").unwrap().list(0, 10).unwrap();
    let error = letters[0].last_error.as_deref();
    assert_eq!(error, Some(format!("HTTP 404: {}", &body[..2048]).as_str()));
    assert_eq!(asked.times(), 1);
}

#[tokio::test]
async fn a_dead_endpoint_slows_no_other() {
    let stage = Stage::set();
    stage.place(0..500);
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let dead = to(silent.local_addr().unwrap()).start().unwrap();
    let inbox = stage.inbox();
    let server = Server::start(move || Receiver::verified(inbox, secret(1)).into_router());
    let living = to(server.address).to_inbox().batches(100).start().unwrap();
    let relay = Relay::open(&stage.shop).unwrap();
    let relay = relay.subscribe(Subscription::new("dead").window(50), dead);
    let working = Working::start(relay.subscribe(quick(), living));
    until(&stage, |stats| stats.settled_to == 500).await;
    working.stop().await;
    server.stop();
    stage.has_shipped(0..500);
}

/// The sender changes to a new secret while messages flow: first it signs with both, the receiver
/// changes, then the old one goes. One that changes too early loses nothing either.
#[tokio::test]
async fn secrets_are_changed_mid_stream() {
    let stage = Stage::set();
    let served = |number: u8, stage: &Stage, address: SocketAddr| {
        let inbox = stage.inbox();
        let router = move || Receiver::verified(inbox, secret(number)).into_router();
        Server::start_at(address, router)
    };
    let any = "127.0.0.1:0".parse().unwrap();
    let server = served(1, &stage, any);
    let address = server.address;
    let url = server.url();
    let relay = |http: HttpBuilder| {
        let relay = Relay::open(&stage.shop).unwrap();
        relay.subscribe(quick(), http.to_inbox().start().unwrap())
    };
    let both = || surehand::http::Signer::new(secret(1)).and(secret(2));
    stage.place(0..50);
    relay(Http::signed(&url, secret(1))).run_until_idle().await.unwrap();
    stage.place(50..100);
    relay(Http::signed(&url, both())).run_until_idle().await.unwrap();
    server.stop();
    let server = served(2, &stage, address);
    stage.place(100..150);
    relay(Http::signed(&url, both())).run_until_idle().await.unwrap();
    server.stop();
    // Too early: the receiver knows the next secret, and the sender does not.
    let server = served(3, &stage, address);
    stage.place(150..200);
    let working = Working::start(relay(Http::signed(&url, both())));
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert_eq!(stage.shipped().len(), 150);
    working.stop().await;
    relay(Http::signed(&url, secret(3))).run_until_idle().await.unwrap();
    server.stop();
    stage.has_shipped(0..200);
}

#[tokio::test]
async fn no_text_ends_a_header_field_or_begins_another() {
    let stage = Stage::set();
    let seen: Arc<Mutex<Vec<http::HeaderMap>>> = Arc::default();
    let keep = Arc::clone(&seen);
    let answer = move |fields: http::HeaderMap| {
        keep.lock().unwrap().push(fields);
        async { StatusCode::NO_CONTENT }
    };
    let server = Server::start(move || Router::new().route("/", post(answer)));
    let evil = "a\r\nx-evil: 1\r\n\r\nGET / \u{0} \u{7f} \u{e9}%0d%0a";
    stage.put([
        surehand::Message::new(evil).key(evil).header("traceparent", evil).payload("1"),
        order(1).header("tenant", evil).content_type("text/plain\r\nx-evil: 1"),
    ]);
    let relay = Relay::open(&stage.shop).unwrap();
    let http = Http::unsigned(server.url()).binary().start().unwrap();
    relay.subscribe(quick(), http).run_until_idle().await.unwrap();
    server.stop();
    let seen = seen.lock().unwrap();
    assert_eq!(seen.len(), 2);
    assert!(seen.iter().all(|fields| !fields.contains_key("x-evil")));
    stage.has_handed_over_all();
}

#[tokio::test]
async fn what_has_to_be_asked_for_by_name_is_not_done_without() {
    for url in ["http://shop.example/", "http://10.0.0.7/", "ftp://shop.example/", "shop", ""] {
        let error = Http::signed(url, secret(1)).start().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidEndpoint, "{url}");
    }
    drop(Http::signed("http://10.0.0.7/", secret(1)).allowing_plain_http().start().unwrap());
    for url in ["https://shop.example/", "http://localhost:1/", "http://[::1]:1/"] {
        drop(Http::signed(url, secret(1)).start().unwrap());
    }
    let url = "https://name:password@shop.example/inbox?token=hidden";
    let builder = Http::signed(url, surehand::http::Signer::new(secret(77)));
    let shown = format!("{builder:?} {:?}", builder.clone().start().unwrap());
    for hidden in ["password", "hidden", "77, 77", "TU1N"] {
        assert!(!shown.contains(hidden), "{hidden} in {shown}");
    }
}
