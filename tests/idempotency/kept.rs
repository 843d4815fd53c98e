//! How long an answer is kept, and what survives.

use crate::stage::{Shop, order, order_of, router, send};
use std::time::Duration;
use surehand::ErrorKind;
use surehand::idempotency::IdempotencyKeys;

const HOUR: Duration = Duration::from_secs(3_600);

#[tokio::test]
async fn an_answer_survives_a_restart() {
    let shop = Shop::new();
    let insert = shop.ordering();
    let handler = move |sku: String| async move {
        insert(&sku);
        sku
    };
    let first = send(&router(&shop.keys(), handler.clone()), order("k")).await;
    first.is(200, "A-1");
    let restarted = router(&shop.keys(), handler);
    assert_eq!(send(&restarted, order("k")).await, first);
    send(&restarted, order_of("k", "A-2")).await.is_problem(422, "conflict");
    assert_eq!(shop.orders(), 1);
}

#[tokio::test]
async fn after_its_time_a_key_is_a_new_one() {
    let shop = Shop::new();
    let insert = shop.ordering();
    let router = router(&shop.keys().keep_for(HOUR), move |sku: String| async move {
        insert(&sku);
        sku
    });
    send(&router, order("k")).await.is(200, "A-1");
    shop.watch.advance(HOUR - Duration::from_millis(1));
    send(&router, order("k")).await.is(200, "A-1");
    assert_eq!(shop.orders(), 1);
    shop.watch.advance(Duration::from_millis(1));
    send(&router, order_of("k", "A-2")).await.is(200, "A-2");
    send(&router, order_of("k", "A-2")).await.is(200, "A-2");
    send(&router, order("k")).await.is_problem(422, "conflict");
    assert_eq!((shop.orders(), shop.answers()), (2, 1));
}

#[tokio::test]
async fn old_answers_are_forgotten_a_few_at_a_time() {
    let shop = Shop::new();
    let router = router(&shop.keys(), |sku: String| async move { sku });
    for number in 0..40 {
        send(&router, order(&format!("old-{number}"))).await.is(200, "A-1");
    }
    shop.watch.advance(24 * HOUR);
    for (number, left) in [25, 10, 3, 4].into_iter().enumerate() {
        send(&router, order(&format!("new-{number}"))).await.is(200, "A-1");
        assert_eq!(shop.answers(), left);
    }
}

#[tokio::test]
async fn what_cannot_be_looked_up_does_not_run() {
    let shop = Shop::new();
    let insert = shop.ordering();
    let router = router(&shop.keys(), move |sku: String| async move {
        insert(&sku);
        sku
    });
    send(&router, order("k")).await.is(200, "A-1");
    let aside = shop.folder.path().join("aside.db");
    std::fs::rename(&shop.path, &aside).unwrap();
    drop(Shop::new());
    let said = send(&router, order("k")).await;
    said.is_problem(503, "unavailable");
    assert_eq!(said.headers["retry-after"], "1");
    assert!(!String::from_utf8_lossy(&said.body).contains("shop.db"), "{said:?}");
    std::fs::rename(&aside, &shop.path).unwrap();
    send(&router, order("k")).await.is(200, "A-1");
    assert_eq!(shop.orders(), 1);
}

#[test]
fn it_opens_no_database_that_loses_answers() {
    let folder = tempfile::tempdir().unwrap();
    let database = surehand::Database::new(folder.path().join("shop.db")).opened_by(|path| {
        let connection = surehand::rusqlite::Connection::open(path)?;
        connection.execute_batch("CREATE TABLE IF NOT EXISTS t (n)")?;
        connection.pragma_update(None, "journal_mode", "memory")?;
        Ok(connection)
    });
    let error = IdempotencyKeys::open(database).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotDurable);
}
