//! A handler that stores its answer in its own transaction: both or neither.

use crate::answers::parts;
use crate::stage::{Shop, begin, connect, insert, order, order_of, router, send};
use axum::Router;
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use std::path::Path;
use surehand::idempotency::IdempotencyKey;
use surehand::rusqlite::Transaction;
use surehand::{AsyncOutbox, Error, ErrorKind, Message, Outbox};

/// A handler that takes the order and does the rest in the same transaction.
fn shop_with<F>(shop: &Shop, rest: F) -> Router
where
    F: Fn(Transaction<'_>, &IdempotencyKey, &str) -> Response + Clone + Send + Sync + 'static,
{
    let path = shop.path.clone();
    router(&shop.keys().longest_response(100), move |key: IdempotencyKey, sku: String| async move {
        let mut connection = connect(&path);
        let transaction = begin(&mut connection);
        insert(&transaction, &sku);
        rest(transaction, &key, &sku)
    })
}

/// What a handler says of an error.
fn failed(error: &Error) -> Response {
    (StatusCode::INTERNAL_SERVER_ERROR, format!("{:?}", error.kind())).into_response()
}

#[tokio::test]
async fn effect_and_answer_are_committed_together() {
    let shop = Shop::new();
    let watched = shop.path.clone();
    let router = shop_with(&shop, move |transaction, key, sku| {
        let answer = (StatusCode::CREATED, [("location", "/orders/1")], sku.to_owned());
        let response = key.answer(&transaction, answer).unwrap();
        assert_eq!(counts(&watched), (0, 0), "nothing is there before the commit");
        transaction.commit().unwrap();
        assert_eq!(counts(&watched), (1, 1), "and both are after it");
        response
    });
    let first = send(&router, order("k")).await;
    first.is(201, "A-1");
    assert_eq!(first.headers["location"], "/orders/1");
    assert_eq!(send(&router, order("k")).await, first);
    send(&router, order_of("k", "A-2")).await.is_problem(422, "conflict");
    assert_eq!((shop.orders(), shop.answers()), (1, 1));
}

fn counts(path: &Path) -> (i64, i64) {
    let sql = "SELECT (SELECT count(*) FROM orders), (SELECT count(*) FROM idempotency_response)";
    connect(path).query_row(sql, [], |row| Ok((row.get(0)?, row.get(1)?))).unwrap()
}

#[tokio::test]
async fn a_rollback_leaves_no_answer_and_the_key_is_free() {
    let shop = Shop::new();
    let router = shop_with(&shop, |transaction, key, sku| {
        let response = key.answer(&transaction, "placed").unwrap();
        match sku {
            "A-1" => {
                transaction.rollback().unwrap();
                (StatusCode::PAYMENT_REQUIRED, "pay first").into_response()
            }
            _ => {
                transaction.commit().unwrap();
                response
            }
        }
    });
    for _ in 0..2 {
        send(&router, order("k")).await.is(402, "pay first");
        assert_eq!((shop.orders(), shop.answers()), (0, 0));
    }
    // Free, even for another request: nothing is known of the first.
    send(&router, order_of("k", "A-2")).await.is(200, "placed");
    assert_eq!((shop.orders(), shop.answers()), (1, 1));
}

#[tokio::test]
async fn an_answer_that_is_given_and_not_committed_is_no_answer() {
    let shop = Shop::new();
    let router =
        shop_with(&shop, |transaction, key, _| key.answer(&transaction, "placed").unwrap());
    send(&router, order("k")).await.is_problem(500, "failed");
    assert_eq!((shop.orders(), shop.answers()), (0, 0));
}

#[tokio::test]
async fn what_was_committed_is_told_whatever_the_handler_returns() {
    let shop = Shop::new();
    let router = shop_with(&shop, |transaction, key, _| {
        key.answer(&transaction, (StatusCode::BAD_GATEWAY, "committed")).unwrap();
        transaction.commit().unwrap();
        StatusCode::IM_A_TEAPOT.into_response()
    });
    for _ in 0..2 {
        send(&router, order("k")).await.is(502, "committed");
    }
    assert_eq!(shop.orders(), 1);
}

#[tokio::test]
async fn an_answer_that_cannot_be_stored_is_an_error_and_leaves_nothing() {
    let shop = Shop::new();
    let router = shop_with(&shop, |transaction, key, sku| {
        let body = match sku {
            "long" => "x".repeat(101).into_response(),
            "stream" => parts(["x"; 101]).into_response(),
            _ => axum::body::Body::new(Never).into_response(),
        };
        let error = key.answer(&transaction, body).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidMessage);
        failed(&error)
    });
    for sku in ["long", "stream", "never"] {
        send(&router, order_of(sku, sku)).await.is(500, "InvalidMessage");
    }
    assert_eq!((shop.orders(), shop.answers()), (0, 0));
}

/// A body that nobody should wait for inside a transaction.
struct Never;

impl http_body::Body for Never {
    type Data = bytes::Bytes;
    type Error = std::convert::Infallible;

    fn poll_frame(
        self: std::pin::Pin<&mut Self>,
        _: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Option<Result<http_body::Frame<bytes::Bytes>, Self::Error>>> {
        std::task::Poll::Pending
    }
}

#[tokio::test]
async fn another_database_is_the_wrong_one() {
    let (shop, other, third) = (Shop::new(), Shop::new(), Shop::new());
    drop(third.keys());
    for wrong in [&other, &third] {
        let path = wrong.path.clone();
        let router = router(&shop.keys(), move |key: IdempotencyKey| async move {
            let mut connection = connect(&path);
            let transaction = begin(&mut connection);
            failed(&key.answer(&transaction, "placed").unwrap_err())
        });
        send(&router, order("k")).await.is(500, "WrongDatabase");
    }
    assert_eq!((shop.answers(), third.answers()), (0, 0));
}

#[tokio::test]
async fn a_transaction_that_is_over_takes_no_answer() {
    let shop = Shop::new();
    let router = shop_with(&shop, |transaction, key, _| {
        transaction.execute_batch("ROLLBACK").unwrap();
        failed(&key.answer(&transaction, "placed").unwrap_err())
    });
    send(&router, order("k")).await.is(500, "NotInTransaction");
    assert_eq!((shop.orders(), shop.answers()), (0, 0));
}

#[tokio::test]
async fn with_the_async_outbox_order_message_and_answer_are_one() {
    let shop = Shop::new();
    let outbox = AsyncOutbox::start(Outbox::open(&shop.path).unwrap()).unwrap();
    let router = router(&shop.keys(), move |key: IdempotencyKey, sku: String| async move {
        let placed = outbox.transact(move |tx, outbox| {
            insert(tx, &sku);
            let id = outbox.enqueue(tx, Message::new("order.placed"))?;
            key.answer(tx, id.to_string())
        });
        placed.await.unwrap()
    });
    let first = send(&router, order("k")).await;
    assert_eq!(first.status, 200);
    assert_eq!(send(&router, order("k")).await, first);
    assert_eq!((shop.orders(), shop.answers()), (1, 1));
    let messages = "SELECT count(*) FROM outbox_message";
    let messages: i64 = connect(&shop.path).query_row(messages, [], |row| row.get(0)).unwrap();
    assert_eq!(messages, 1);
}

#[tokio::test]
async fn the_key_is_there_if_the_layer_saw_one() {
    let shop = Shop::new();
    let name = |key: Option<IdempotencyKey>| async move {
        key.map_or("none".to_owned(), |key| key.as_str().to_owned())
    };
    let router = router(&shop.keys().optional(), name);
    send(&router, order("\"a \\\"b\\\"\"")).await.is(200, "a \"b\"");
    let mut without = order("k");
    without.headers_mut().remove("idempotency-key");
    send(&router, without).await.is(200, "none");
    let bare = |_: IdempotencyKey| async {};
    let bare = Router::new().route("/orders", axum::routing::post(bare));
    send(&bare, order("k")).await.is_problem(500, "failed");
    let mut without = order("k");
    without.headers_mut().remove("idempotency-key");
    send(&bare, without).await.is_problem(400, "missing");
}
