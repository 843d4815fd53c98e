//! An endpoint that is down for an hour: how often it is asked meanwhile, and how it is met when it
//! is back.

use crate::hands::Hands;
use crate::server::Server;
use crate::stage::{Stage, order, secret};
use axum::Router;
use axum::routing::post;
use http::StatusCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};
use std::time::Duration;
use surehand::transport::Http;
use surehand::{Database, Operator, Relay, Subscription};
use tokio::sync::oneshot;

const MESSAGES: i64 = 2_000;
const PATIENCE: Duration = Duration::from_secs(40);

/// What the endpoint sees.
#[derive(Default)]
struct Seen {
    is_up: AtomicBool,
    asked: AtomicUsize,
    under_way: AtomicUsize,
    /// The most requests there were at a time, before the first of them was answered well.
    first_crowd: AtomicUsize,
    answered: AtomicUsize,
}

async fn answer(seen: Arc<Seen>) -> StatusCode {
    seen.asked.fetch_add(1, SeqCst);
    let crowd = seen.under_way.fetch_add(1, SeqCst) + 1;
    if seen.answered.load(SeqCst) == 0 {
        seen.first_crowd.fetch_max(crowd, SeqCst);
    }
    // Others have the time to come, if any do.
    tokio::time::sleep(Duration::from_millis(5)).await;
    seen.under_way.fetch_sub(1, SeqCst);
    if !seen.is_up.load(SeqCst) {
        return StatusCode::SERVICE_UNAVAILABLE;
    }
    seen.answered.fetch_add(1, SeqCst);
    StatusCode::NO_CONTENT
}

async fn until(mut done: impl FnMut() -> bool) {
    let waited = tokio::time::timeout(PATIENCE, async {
        while !done() {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    });
    waited.await.expect("it happens in time");
}

#[tokio::test]
async fn an_endpoint_that_comes_back_after_an_hour_meets_no_herd() {
    let stage = Stage::set();
    stage.put((0..MESSAGES).map(order));
    let seen = Arc::<Seen>::default();
    let kept = Arc::clone(&seen);
    let route = post(move || answer(Arc::clone(&kept)));
    let server = Server::start(move || Router::new().route("/", route));
    let clock = Arc::new(Hands::default());
    let database = Database::new(&stage.shop).clock(clock.clone());
    let http = Http::signed(server.url(), secret(1)).start().unwrap();
    let relay = Relay::open(database).unwrap().subscribe(Subscription::new("main"), http);
    let (stop, stopped) = oneshot::channel::<()>();
    let task = tokio::spawn(relay.run_until(async { drop(stopped.await) }));
    let outages = || {
        let stats = Operator::open(&stage.shop).unwrap().stats().unwrap();
        stats.first().map_or(0, |one| one.outages)
    };
    // One wait after the other: an hour in a few seconds.
    let (mut passed, mut failures) = (Duration::ZERO, 0);
    while passed < Duration::from_secs(3_600) {
        until(|| outages() > failures).await;
        failures = outages();
        clock.pass(Duration::from_secs(30));
        passed += Duration::from_secs(30);
    }
    let asked = seen.asked.load(SeqCst);
    assert!(asked <= 64 + 140, "asked {asked} times in an hour");
    // Only what was sent before the first failure was known went together.
    seen.first_crowd.store(0, SeqCst);
    seen.is_up.store(true, SeqCst);
    clock.pass(Duration::from_secs(30));
    until(|| seen.answered.load(SeqCst) >= usize::try_from(MESSAGES).unwrap()).await;
    drop(stop);
    task.await.unwrap().unwrap();
    server.stop();
    let crowd = seen.first_crowd.load(SeqCst);
    println!("asked {asked} times in an hour; {crowd} at a time before it answered again");
    assert_eq!(crowd, 1, "one message goes first");
    stage.has_handed_over_all();
}
