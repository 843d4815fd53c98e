//! A message is in the log if and only if the transaction of its business rows commits.

use super::support::{Shop, order, placed};
use surehand::ErrorKind;

#[test]
fn a_commit_writes_the_row_and_the_message() {
    let mut shop = Shop::new();
    let (tx, outbox) = shop.begin();
    order(&tx, 1);
    outbox.enqueue(&tx, placed()).unwrap();
    tx.commit().unwrap();
    assert_eq!(shop.written(), (1, 1));
}

#[test]
fn nobody_else_sees_a_message_before_the_commit() {
    let mut shop = Shop::new();
    let path = shop.path.clone();
    let (tx, outbox) = shop.begin();
    order(&tx, 1);
    outbox.enqueue(&tx, placed()).unwrap();
    assert_eq!(super::support::written(&path), (0, 0));
    tx.commit().unwrap();
}

#[test]
fn a_rollback_leaves_neither() {
    let mut shop = Shop::new();
    let (tx, outbox) = shop.begin();
    order(&tx, 1);
    outbox.enqueue(&tx, placed()).unwrap();
    tx.rollback().unwrap();
    assert_eq!(shop.written(), (0, 0));
}

#[test]
fn a_dropped_transaction_leaves_neither() {
    let mut shop = Shop::new();
    let (tx, outbox) = shop.begin();
    order(&tx, 1);
    outbox.enqueue(&tx, placed()).unwrap();
    drop(tx);
    assert_eq!(shop.written(), (0, 0));
}

#[test]
fn a_rollback_leaves_no_gap_in_the_places() {
    let mut shop = Shop::new();
    let (tx, outbox) = shop.begin();
    outbox.enqueue(&tx, placed()).unwrap();
    tx.rollback().unwrap();
    shop.enqueue(placed()).unwrap();
    assert_eq!(shop.read::<i64>("SELECT seq FROM outbox_message"), 1);
}

#[test]
fn a_savepoint_that_is_kept_is_committed_with_the_transaction() {
    let mut shop = Shop::new();
    let (mut tx, outbox) = shop.begin();
    let savepoint = tx.savepoint().unwrap();
    order(&savepoint, 1);
    outbox.enqueue(&savepoint, placed()).unwrap();
    savepoint.commit().unwrap();
    tx.commit().unwrap();
    assert_eq!(shop.written(), (1, 1));
}

#[test]
fn a_savepoint_that_is_undone_takes_its_message_along_and_no_other() {
    let mut shop = Shop::new();
    let (mut tx, outbox) = shop.begin();
    order(&tx, 1);
    let kept = outbox.enqueue(&tx, placed()).unwrap();
    let savepoint = tx.savepoint().unwrap();
    order(&savepoint, 2);
    outbox.enqueue(&savepoint, placed()).unwrap();
    drop(savepoint);
    tx.commit().unwrap();
    assert_eq!(shop.written(), (1, 1));
    assert_eq!(shop.read::<[u8; 16]>("SELECT id FROM outbox_message"), *kept.as_bytes());
}

#[test]
fn a_kept_savepoint_does_not_outlive_its_transaction() {
    let mut shop = Shop::new();
    let (mut tx, outbox) = shop.begin();
    let savepoint = tx.savepoint().unwrap();
    outbox.enqueue(&savepoint, placed()).unwrap();
    savepoint.commit().unwrap();
    tx.rollback().unwrap();
    assert_eq!(shop.written(), (0, 0));
}

#[test]
fn after_a_raw_commit_nothing_is_enqueued_on_its_own() {
    let mut shop = Shop::new();
    let (tx, outbox) = shop.begin();
    order(&tx, 1);
    tx.execute_batch("COMMIT").unwrap();
    let error = outbox.enqueue(&tx, placed()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotInTransaction);
    drop(tx);
    assert_eq!(shop.written(), (1, 0));
}

#[test]
fn after_a_statement_that_rolled_back_nothing_is_enqueued_on_its_own() {
    let mut shop = Shop::new();
    let (tx, outbox) = shop.begin();
    order(&tx, 1);
    tx.execute("INSERT OR ROLLBACK INTO orders (id) VALUES (1)", []).unwrap_err();
    let error = outbox.enqueue_all(&tx, [placed(), placed()]).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotInTransaction);
    drop(tx);
    assert_eq!(shop.written(), (0, 0));
}

#[test]
fn many_messages_keep_their_order() {
    let mut shop = Shop::new();
    let (tx, outbox) = shop.begin();
    let messages = (0..100).map(|n| placed().payload(format!("{n}")));
    let ids = outbox.enqueue_all(&tx, messages).unwrap();
    tx.commit().unwrap();
    let sql = "SELECT group_concat(payload, ' ') FROM (SELECT * FROM outbox_message ORDER BY seq)";
    let expected: Vec<String> = (0..100).map(|n| n.to_string()).collect();
    assert_eq!(shop.read::<String>(sql), expected.join(" "));
    let last = shop.read::<[u8; 16]>("SELECT id FROM outbox_message WHERE seq = 100");
    assert_eq!(last, *ids[99].as_bytes());
}

#[test]
fn many_messages_stop_at_the_one_that_fails_and_the_transaction_decides() {
    let mut shop = Shop::new();
    let (tx, outbox) = shop.begin();
    order(&tx, 1);
    let error = outbox.enqueue_all(&tx, [placed(), placed().key("k".repeat(256)), placed()]);
    assert_eq!(error.unwrap_err().kind(), ErrorKind::InvalidMessage);
    tx.rollback().unwrap();
    assert_eq!(shop.written(), (0, 0));
}

#[test]
fn the_outbox_commits_for_its_user_and_rings() {
    let mut shop = Shop::new();
    let (rung, heard) = std::sync::mpsc::channel();
    let listener = std::sync::Arc::new(move || rung.send(()).unwrap());
    let _listening = shop.outbox.doorbell().listen(listener);
    let (tx, outbox) = shop.begin();
    order(&tx, 1);
    outbox.enqueue(&tx, placed()).unwrap();
    assert!(heard.try_recv().is_err(), "nothing is true before the commit");
    outbox.commit(tx).unwrap();
    heard.try_recv().unwrap();
    assert_eq!(shop.written(), (1, 1));
}
