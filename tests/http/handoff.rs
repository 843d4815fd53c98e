//! The main job over a socket: an outbox, a relay, HTTP, a receiver, an inbox.

use crate::server::Server;
use crate::stage::{Stage, secret};
use surehand::transport::{Http, HttpBuilder};
use surehand::{Receiver, Relay};

async fn hands_over(form: fn(HttpBuilder) -> HttpBuilder) {
    let stage = Stage::set();
    stage.place(0..1000);
    let inbox = stage.inbox();
    let server = Server::start(move || Receiver::verified(inbox, secret(1)).into_router());
    let http = form(Http::signed(server.url(), secret(1)).to_inbox()).start().unwrap();
    let relay = Relay::open(&stage.shop).unwrap().deliver_to(http);
    relay.run_until_idle().await.unwrap();
    server.stop();
    stage.has_shipped(0..1000);
    stage.has_handed_over_all();
}

#[tokio::test]
async fn one_by_one() {
    hands_over(|http| http).await;
}

#[tokio::test]
async fn in_batches() {
    hands_over(|http| http.batches(256)).await;
}

#[tokio::test]
async fn at_a_rate() {
    hands_over(|http| http.rate(5_000)).await;
}
