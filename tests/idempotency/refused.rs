//! What is refused before a handler runs, each with a problem document.

use crate::stage::{PATIENCE, Shop, order, order_of, router, send};
use axum::body::Body;
use http::{HeaderValue, Method, Request};
use std::sync::Arc;
use tokio::sync::Notify;

#[tokio::test]
async fn without_a_key_nothing_runs_unless_keys_are_optional() {
    let shop = Shop::new();
    let order = shop.ordering();
    let handler = move || async move { order("A-1") };
    let request = || Request::post("/orders").body(Body::empty()).unwrap();
    send(&router(&shop.keys(), handler.clone()), request()).await.is_problem(400, "missing");
    assert_eq!(shop.orders(), 0);
    let optional = router(&shop.keys().optional(), handler);
    for orders in 1..=2 {
        send(&optional, request()).await.is(200, "");
        assert_eq!((shop.orders(), shop.answers()), (orders, 0));
    }
}

#[tokio::test]
async fn methods_that_are_idempotent_by_themselves_need_no_key_and_are_not_answered_for() {
    let shop = Shop::new();
    let order = shop.ordering();
    let router = router(&shop.keys(), move || async move { order("A-1") });
    for (number, method) in [Method::GET, Method::PUT, Method::DELETE].into_iter().enumerate() {
        let request = Request::builder().uri("/orders").method(method);
        send(&router, request.body(Body::empty()).unwrap()).await.is(200, "");
        assert_eq!(shop.orders(), i64::try_from(number).unwrap() + 1);
    }
    let patch = Request::patch("/orders").body(Body::empty()).unwrap();
    send(&router, patch).await.is_problem(400, "missing");
}

#[tokio::test]
async fn a_key_that_is_none_is_refused_and_never_said_again() {
    let shop = Shop::new();
    let order = shop.ordering();
    let router = router(&shop.keys(), move || async move { order("A-1") });
    let longest = "k".repeat(256);
    let keys: [&[u8]; 9] = [
        b"",
        b"\"\"",
        b"\"open",
        b"a, b",
        b"a\tset-cookie: x=1",
        b"\"a\"; p=1",
        b"\"\xc3\xa4\"",
        b"\xff",
        longest.as_bytes(),
    ];
    for key in keys {
        let mut request = order_of("k", "A-1");
        request.headers_mut().insert("idempotency-key", HeaderValue::from_bytes(key).unwrap());
        let said = send(&router, request).await;
        said.is_problem(400, "unreadable");
        assert_eq!(said.headers.len(), 2, "{said:?}");
        assert!(!String::from_utf8_lossy(&said.body).contains("set-cookie"));
    }
    let mut twice = order_of("a", "A-1");
    twice.headers_mut().append("idempotency-key", HeaderValue::from_static("b"));
    send(&router, twice).await.is_problem(400, "unreadable");
    assert_eq!((shop.orders(), shop.answers()), (0, 0));
}

#[tokio::test]
async fn a_key_stands_for_one_request_alone() {
    let shop = Shop::new();
    let insert = shop.ordering();
    let router = router(&shop.keys(), move |sku: String| async move { insert(&sku) });
    send(&router, order("k")).await.is(200, "");
    let mut others = [order("k"), order("k"), order("k"), order("k"), order_of("k", "A-2")];
    *others[0].method_mut() = Method::PATCH;
    *others[1].uri_mut() = "/other".parse().unwrap();
    *others[2].uri_mut() = "/orders?n=2".parse().unwrap();
    others[3].headers_mut().insert("content-type", HeaderValue::from_static("text/html"));
    for other in others {
        send(&router, other).await.is_problem(422, "conflict");
    }
    // What is moved from one part to the next is something else, too.
    let mut moved = order_of("k", "nA-1");
    moved.headers_mut().insert("content-type", HeaderValue::from_static("text/plai"));
    send(&router, moved).await.is_problem(422, "conflict");
    assert_eq!((shop.orders(), shop.answers()), (1, 1));
}

#[tokio::test]
async fn while_it_is_processed_the_same_key_is_told_to_come_again() {
    let shop = Shop::new();
    let (begun, go) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let insert = shop.ordering();
    let waiting = (Arc::clone(&begun), Arc::clone(&go));
    let keys = shop.keys();
    let router = router(&keys, move |sku: String| async move {
        if sku == "A-1" {
            waiting.0.notify_one();
            waiting.1.notified().await;
        }
        insert(&sku);
        sku
    });
    let first = tokio::spawn({
        let router = router.clone();
        async move { send(&router, order("k")).await }
    });
    begun.notified().await;
    let said = tokio::time::timeout(PATIENCE, send(&router, order("\"k\""))).await;
    let said = said.expect("it is told at once, and does not run");
    said.is_problem(409, "in-progress");
    assert_eq!(said.headers["retry-after"], "1");
    // Whatever it asks for; and another key is not concerned.
    send(&router, order_of("k", "A-2")).await.is_problem(409, "in-progress");
    send(&router, order_of("j", "A-2")).await.is(200, "A-2");
    go.notify_one();
    first.await.unwrap().is(200, "A-1");
    send(&router, order("k")).await.is(200, "A-1");
    assert_eq!(shop.orders(), 2);
}

#[tokio::test]
async fn a_body_that_is_too_long_is_refused_and_uses_no_key() {
    let shop = Shop::new();
    let insert = shop.ordering();
    let router = router(&shop.keys().longest_body(3), move |sku: String| async move {
        insert(&sku);
    });
    send(&router, order_of("k", "A-22")).await.is_problem(413, "too-large");
    let mut in_parts = order_of("k", "");
    *in_parts.body_mut() = crate::answers::parts(["A-", "22"]);
    send(&router, in_parts).await.is_problem(413, "too-large");
    assert_eq!(shop.orders(), 0);
    send(&router, order_of("k", "A-1")).await.is(200, "");
    assert_eq!((shop.orders(), shop.answers()), (1, 1));
}
