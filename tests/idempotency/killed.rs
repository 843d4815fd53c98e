//! A process that dies between effect and answer: this binary again, as a server that ends itself.

use crate::stage::{Shop, begin, connect, insert, order, router, send};
use axum::Router;
use axum::response::IntoResponse;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use surehand::idempotency::{IdempotencyKey, IdempotencyKeys};

const PLACE: &str = "SUREHAND_TEST_IDEMPOTENCY";

/// The database, if this process was started to die on it.
fn runs() -> Option<PathBuf> {
    std::env::var_os(PLACE).map(PathBuf::from)
}

/// Runs that test of this binary in a process of its own, which dies.
fn die(program: &str, shop: &Shop) {
    let died = Command::new(std::env::current_exe().unwrap())
        .args([program, "--exact"])
        .env(PLACE, &shop.path)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .unwrap();
    // A test that passes or fails ends with 0 or 101.
    assert!(!matches!(died.code(), Some(0 | 101)), "it was to die: {died}");
}

/// Takes an order in its own transaction, with the answer, and may die after the commit.
fn with_its_answer(path: &Path, dies: bool) -> Router {
    let keys = IdempotencyKeys::open(path).unwrap();
    let path = path.to_path_buf();
    router(&keys, move |key: IdempotencyKey, sku: String| async move {
        let mut connection = connect(&path);
        let transaction = begin(&mut connection);
        insert(&transaction, &sku);
        let response = key.answer(&transaction, "placed").unwrap();
        transaction.commit().unwrap();
        if dies {
            std::process::abort();
        }
        response
    })
}

/// The same without a key.
fn without_it(path: &Path, dies: bool) -> Router {
    let keys = IdempotencyKeys::open(path).unwrap();
    let path = path.to_path_buf();
    router(&keys, move |sku: String| async move {
        insert(&connect(&path), &sku);
        if dies {
            std::process::abort();
        }
        "placed".into_response()
    })
}

#[tokio::test]
async fn killed_after_its_commit_it_gives_the_answer_and_runs_no_second_time() {
    if let Some(path) = runs() {
        send(&with_its_answer(&path, true), order("k")).await;
    }
    let shop = Shop::new();
    let name = "killed::killed_after_its_commit_it_gives_the_answer_and_runs_no_second_time";
    die(name, &shop);
    assert_eq!((shop.orders(), shop.answers()), (1, 1));
    send(&with_its_answer(&shop.path, false), order("k")).await.is(200, "placed");
    assert_eq!(shop.orders(), 1);
}

/// What the layer alone cannot promise, and does not.
#[tokio::test]
async fn killed_before_the_layer_has_stored_the_answer_it_runs_again() {
    if let Some(path) = runs() {
        send(&without_it(&path, true), order("k")).await;
    }
    let shop = Shop::new();
    die("killed::killed_before_the_layer_has_stored_the_answer_it_runs_again", &shop);
    assert_eq!((shop.orders(), shop.answers()), (1, 0));
    send(&without_it(&shop.path, false), order("k")).await.is(200, "placed");
    assert_eq!(shop.orders(), 2);
}
