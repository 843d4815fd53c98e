//! Two processes on one database, each with requests under way that the other does not know of.

use crate::stage::{Said, Shop, begin, connect, insert, order, order_of, router, send};
use axum::Router;
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use std::path::PathBuf;
use std::sync::Arc;
use surehand::ErrorKind;
use surehand::idempotency::IdempotencyKey;
use tokio::sync::Notify;

/// Where the slow one of the two waits.
#[derive(Clone, Default)]
struct Halt {
    begun: Arc<Notify>,
    go: Arc<Notify>,
}

impl Halt {
    async fn wait(&self) {
        self.begun.notify_one();
        self.go.notified().await;
    }

    /// Sends it to the slow one first, and another one meanwhile to the fast one.
    async fn overtaken(&self, slow: Router, fast: &Router, other: &str) -> (Said, Said) {
        let late = tokio::spawn(async move { send(&slow, order("k")).await });
        self.begun.notified().await;
        let early = send(fast, order_of("k", other)).await;
        self.go.notify_one();
        (late.await.unwrap(), early)
    }
}

async fn place(path: PathBuf, key: IdempotencyKey, sku: String, name: &'static str) -> Response {
    let mut connection = connect(&path);
    let transaction = begin(&mut connection);
    insert(&transaction, &sku);
    match key.answer(&transaction, name) {
        Ok(response) => {
            transaction.commit().unwrap();
            response
        }
        Err(error) => {
            assert_eq!(error.kind(), ErrorKind::Conflict);
            StatusCode::INTERNAL_SERVER_ERROR.into_response()
        }
    }
}

/// One process that waits, and one that does not.
fn two(shop: &Shop, halt: &Halt) -> (Router, Router) {
    let (halt, path) = (halt.clone(), shop.path.clone());
    let slow = router(&shop.keys(), move |key: IdempotencyKey, sku: String| async move {
        halt.wait().await;
        place(path, key, sku, "slow").await
    });
    let path = shop.path.clone();
    let fast = router(&shop.keys(), move |key: IdempotencyKey, sku: String| async move {
        place(path, key, sku, "fast").await
    });
    (slow, fast)
}

#[tokio::test]
async fn with_the_answer_in_its_transaction_there_is_one_effect_and_one_answer() {
    let (shop, halt) = (Shop::new(), Halt::default());
    let (slow, fast) = two(&shop, &halt);
    let (late, early) = halt.overtaken(slow, &fast, "A-1").await;
    early.is(200, "fast");
    assert_eq!(late, early);
    assert_eq!((shop.orders(), shop.answers()), (1, 1));
}

#[tokio::test]
async fn another_request_with_the_key_is_a_conflict_for_the_slower_one() {
    let (shop, halt) = (Shop::new(), Halt::default());
    let (slow, fast) = two(&shop, &halt);
    let (late, early) = halt.overtaken(slow, &fast, "A-2").await;
    early.is(200, "fast");
    late.is_problem(422, "conflict");
    assert_eq!((shop.orders(), shop.answers()), (1, 1));
}

/// The layer alone cannot undo what a handler did: two effects, but one answer.
#[tokio::test]
async fn without_it_both_run_and_there_still_is_one_answer() {
    let (shop, halt) = (Shop::new(), Halt::default());
    let (held, insert) = (halt.clone(), shop.ordering());
    let slow = router(&shop.keys(), move |sku: String| async move {
        held.wait().await;
        insert(&sku);
        "slow"
    });
    let insert = shop.ordering();
    let fast = router(&shop.keys(), move |sku: String| async move {
        insert(&sku);
        "fast"
    });
    let (late, early) = halt.overtaken(slow, &fast, "A-1").await;
    early.is(200, "fast");
    assert_eq!(late, early);
    assert_eq!((shop.orders(), shop.answers()), (2, 1));
}
