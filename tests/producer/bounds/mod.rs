//! A bounded outbox: what one subscription may have pending, and what happens at the bound.

mod bytes;
mod detach;
mod refuse;

use super::support::{Shop, placed, settle};
use surehand::operator::{SubscriptionStats, WhenFull};
use surehand::{
    Envelope, Error, ErrorKind, Failure, Message, Operator, Relay, Subscription, SubscriptionState,
    transport,
};

/// Orders, and a second subscription that takes everything.
const NAMES: [&str; 2] = ["orders", "audit"];

/// Delivers over these subscriptions until nothing is left to do.
async fn deliver<const N: usize>(shop: &Shop, names: [&str; N]) {
    let mut relay = Relay::open(&shop.path).unwrap();
    for name in names {
        let topics = if name == "orders" { ["order.>"] } else { [">"] };
        let subscription = Subscription::new(name).topics(topics);
        relay = relay.subscribe(subscription, transport::function(taken));
    }
    settle(relay).await;
}

async fn taken(envelope: Envelope) -> Result<(), Failure> {
    match envelope.payload() {
        b"poison" => Err(Failure::permanent("no such order")),
        _ => Ok(()),
    }
}

/// A shop whose subscriptions exist and have nothing pending.
async fn shop() -> Shop {
    let shop = Shop::new();
    deliver(&shop, NAMES).await;
    shop
}

fn bound(shop: &Shop, messages: Option<i64>, bytes: Option<i64>, when_full: WhenFull) {
    operator(shop).bound("orders", messages, bytes, when_full).unwrap();
}

fn operator(shop: &Shop) -> Operator {
    Operator::open(&shop.path).unwrap()
}

fn stats(shop: &Shop, name: &str) -> SubscriptionStats {
    operator(shop).stats().unwrap().into_iter().find(|stats| stats.name == name).unwrap()
}

fn sized(bytes: usize) -> Message {
    placed().payload(vec![b'p'; bytes])
}

#[track_caller]
fn is_full<T: std::fmt::Debug>(answer: Result<T, Error>) -> String {
    let error = answer.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::OutboxFull, "{error}");
    assert!(error.is_retryable());
    error.to_string()
}
