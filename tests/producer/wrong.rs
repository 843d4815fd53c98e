//! A transaction on another database is noticed before anything is written to it.

use super::support::{Shop, begin, order, placed, read};
use surehand::rusqlite::{Connection, TransactionBehavior};
use surehand::{ErrorKind, Operator, Outbox};

#[test]
fn a_database_without_an_outbox_is_the_wrong_one() {
    let shop = Shop::new();
    let mut other = Connection::open(shop.directory.path().join("other.db")).unwrap();
    let tx = begin(&mut other);
    let error = shop.outbox.enqueue(&tx, placed()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::WrongDatabase);
    tx.execute_batch("CREATE TABLE still_usable (n INTEGER)").unwrap();
    tx.commit().unwrap();
}

#[test]
fn a_database_with_an_outbox_of_its_own_is_the_wrong_one() {
    let shop = Shop::new();
    let path = shop.directory.path().join("other.db");
    Outbox::open(&path).unwrap();
    let mut other = Connection::open(&path).unwrap();
    let tx = begin(&mut other);
    let error = shop.outbox.enqueue(&tx, placed()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::WrongDatabase);
    tx.commit().unwrap();
    assert_eq!(read::<i64>(&path, "SELECT count(*) FROM outbox_message"), 0);
}

#[test]
fn a_database_in_memory_is_the_wrong_one() {
    let shop = Shop::new();
    let mut other = Connection::open_in_memory().unwrap();
    let error = shop.outbox.enqueue(&begin(&mut other), placed()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::WrongDatabase);
}

/// Several files are not committed together in WAL mode: a power cut could keep one of the two.
#[test]
fn a_database_that_only_attached_the_outbox_is_the_wrong_one() {
    let shop = Shop::new();
    let mut other = Connection::open(shop.directory.path().join("other.db")).unwrap();
    other.execute("ATTACH ?1 AS shop", [shop.path.to_str().unwrap()]).unwrap();
    let tx = begin(&mut other);
    let error = shop.outbox.enqueue(&tx, placed()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::WrongDatabase);
    tx.commit().unwrap();
    assert_eq!(shop.written(), (0, 0));
}

#[test]
fn a_copy_that_got_an_identity_of_its_own_is_the_wrong_one() {
    let mut shop = Shop::new();
    surehand::Operator::open(&shop.path).unwrap().adopt_new_identity().unwrap();
    let error = shop.enqueue(placed()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::WrongDatabase);
}

/// A read that meets a lock says so: the database may well be the right one.
#[test]
fn a_locked_database_is_busy_and_not_wrong() {
    let mut shop = Shop::new();
    shop.db.pragma_update(None, "journal_mode", "delete").unwrap();
    shop.db.busy_timeout(std::time::Duration::ZERO).unwrap();
    let locker = Connection::open(&shop.path).unwrap();
    locker.execute_batch("BEGIN EXCLUSIVE").unwrap();
    let tx = shop.db.transaction_with_behavior(TransactionBehavior::Deferred).unwrap();
    let error = shop.outbox.enqueue(&tx, placed()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Busy);
    assert!(error.is_retryable());
    locker.execute_batch("ROLLBACK").unwrap();
    shop.outbox.enqueue(&tx, placed()).unwrap();
    order(&tx, 1);
    tx.commit().unwrap();
    assert_eq!(shop.written(), (1, 1));
}

#[test]
fn a_database_with_a_new_identity_is_another_until_the_outbox_is_opened_again() {
    let mut shop = Shop::new();
    Operator::open(&shop.path).unwrap().adopt_new_identity().unwrap();
    let error = shop.enqueue(placed()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::WrongDatabase);
    assert!(error.advice().contains("open it again"), "{error}");
    shop.outbox = Outbox::open(&shop.path).unwrap();
    shop.enqueue(placed()).unwrap();
}
