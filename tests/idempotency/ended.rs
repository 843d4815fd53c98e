//! Handlers that panic, and clients that go away.

use crate::stage::{PATIENCE, Shop, begin, connect, insert, order, router, send};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use surehand::idempotency::IdempotencyKey;
use tokio::sync::Notify;
use tower_service::Service;

#[tokio::test]
async fn a_panic_leaves_nothing_and_the_key_is_free_again() {
    let shop = Shop::new();
    let (path, is_bad) = (shop.path.clone(), Arc::new(AtomicBool::new(true)));
    let router = router(&shop.keys(), move |key: IdempotencyKey, sku: String| async move {
        let mut connection = connect(&path);
        let transaction = begin(&mut connection);
        insert(&transaction, &sku);
        let response = key.answer(&transaction, "placed").unwrap();
        assert!(!is_bad.swap(false, Ordering::SeqCst), "a panic on purpose");
        transaction.commit().unwrap();
        response
    });
    let bad = tokio::spawn({
        let router = router.clone();
        async move { send(&router, order("k")).await }
    });
    let panic = bad.await.unwrap_err().into_panic();
    assert!(panic.downcast_ref::<String>().is_none_or(|text| text.contains("on purpose")));
    assert_eq!((shop.orders(), shop.answers()), (0, 0));
    send(&router, order("k")).await.is(200, "placed");
    send(&router, order("k")).await.is(200, "placed");
    assert_eq!((shop.orders(), shop.answers()), (1, 1));
}

/// Clients try again after a timeout: that is when the first try must not be lost.
#[tokio::test]
async fn a_client_that_goes_away_stops_nothing_and_finds_the_answer() {
    let shop = Shop::new();
    let (begun, go, done) = (Arc::new(Notify::new()), Arc::new(Notify::new()), Arc::default());
    let (insert, keys) = (shop.ordering(), shop.keys());
    let seen: (Arc<Notify>, Arc<Notify>, Arc<Notify>) =
        (Arc::clone(&begun), Arc::clone(&go), Arc::clone(&done));
    let router = router(&keys, move |sku: String| async move {
        insert(&sku);
        seen.0.notify_one();
        seen.1.notified().await;
        seen.2.notify_one();
        sku
    });
    let mut client = router.clone();
    let gone = tokio::spawn(async move { client.call(order("k")).await });
    begun.notified().await;
    gone.abort();
    assert!(gone.await.unwrap_err().is_cancelled());
    // It still is under way, so that nobody runs it a second time.
    let again = tokio::time::timeout(PATIENCE, send(&router, order("k"))).await;
    again.expect("it does not run").is_problem(409, "in-progress");
    go.notify_one();
    done.notified().await;
    let said = loop {
        let said = send(&router, order("k")).await;
        if said.status != 409 {
            break said;
        }
        tokio::task::yield_now().await;
    };
    said.is(200, "A-1");
    assert_eq!((shop.orders(), shop.answers()), (1, 1));
}

/// Nothing has begun while the body is on its way.
#[tokio::test]
async fn a_client_that_goes_away_within_its_body_holds_no_key() {
    let shop = Shop::new();
    let router = router(&shop.keys(), |sku: String| async move { sku });
    let (body, reading) = Stuck::body();
    let mut request = order("k");
    *request.body_mut() = body;
    let mut client = router.clone();
    let gone = tokio::spawn(async move { client.call(request).await });
    reading.notified().await;
    send(&router, order("k")).await.is(200, "A-1");
    gone.abort();
    assert!(gone.await.unwrap_err().is_cancelled());
    send(&router, order("k")).await.is(200, "A-1");
}

/// A body that never comes.
struct Stuck(Arc<Notify>);

impl Stuck {
    fn body() -> (axum::body::Body, Arc<Notify>) {
        let reading = Arc::new(Notify::new());
        (axum::body::Body::new(Self(Arc::clone(&reading))), reading)
    }
}

impl http_body::Body for Stuck {
    type Data = bytes::Bytes;
    type Error = std::convert::Infallible;

    fn poll_frame(
        self: std::pin::Pin<&mut Self>,
        _: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Option<Result<http_body::Frame<bytes::Bytes>, Self::Error>>> {
        self.0.notify_one();
        std::task::Poll::Pending
    }
}
