//! What gives way under a transaction: the message is not written, and the caller knows.

use super::super::support::{SetClock, Shop, begin, order, placed};
use super::{caused_by_sqlite, check};
use std::fs;
use std::time::Duration;
use surehand::rusqlite::{Connection, OpenFlags, TransactionBehavior};
use surehand::{ErrorKind, limits};

#[test]
fn a_connection_that_reads_only_enqueues_nothing() {
    let shop = Shop::new();
    let mut db = Connection::open_with_flags(&shop.path, OpenFlags::SQLITE_OPEN_READ_ONLY).unwrap();
    let tx = db.transaction().unwrap();
    let error = shop.outbox.enqueue(&tx, placed()).unwrap_err();
    check(&error, ErrorKind::ReadOnly, false, &["enqueue a message", "with write access"]);
    caused_by_sqlite(&error);
}

#[test]
fn a_database_that_somebody_locks_is_busy_and_the_advice_is_to_begin_immediate() {
    let mut shop = Shop::new();
    shop.db.busy_timeout(std::time::Duration::ZERO).unwrap();
    let mut other = Connection::open(&shop.path).unwrap();
    let locked = begin(&mut other);
    let tx = shop.db.transaction_with_behavior(TransactionBehavior::Deferred).unwrap();
    let error = shop.outbox.enqueue(&tx, placed()).unwrap_err();
    check(&error, ErrorKind::Busy, true, &["begin with BEGIN IMMEDIATE", "try again"]);
    caused_by_sqlite(&error);
    drop(tx);
    locked.commit().unwrap();
    shop.enqueue(placed()).unwrap();
    assert_eq!(shop.written(), (0, 1));
}

/// Room for so many pages more than there are.
fn shrink(db: &Connection, pages: i64) {
    let count: i64 = db.pragma_query_value(None, "page_count", |row| row.get(0)).unwrap();
    let most = count + pages;
    db.pragma_update_and_check(None, "max_page_count", most, |row| {
        assert_eq!(row.get::<_, i64>(0)?, most);
        Ok(())
    })
    .unwrap();
}

#[test]
fn a_full_disk_rolls_the_whole_transaction_back_and_says_so() {
    let mut shop = Shop::new();
    shrink(&shop.db, 10);
    let (tx, outbox) = shop.begin();
    order(&tx, 1);
    outbox.enqueue(&tx, placed()).unwrap();
    let large = || placed().payload(vec![b'p'; limits::PAYLOAD_BYTES]);
    let error = outbox.enqueue(&tx, large()).unwrap_err();
    let says = ["enqueue a message", "the whole transaction was rolled back", "free space"];
    check(&error, ErrorKind::DiskFull, true, &says);
    caused_by_sqlite(&error);
    // Whoever goes on regardless is stopped.
    let error = outbox.enqueue(&tx, placed()).unwrap_err();
    check(&error, ErrorKind::NotInTransaction, false, &["do all of it again"]);
    drop(tx);
    assert_eq!(shop.written(), (0, 0));
    shrink(&shop.db, 1_000);
    shop.enqueue(large()).unwrap();
    assert_eq!(shop.written(), (0, 1));
}

/// Several messages to a statement: of those that waited for it nothing is left either.
#[test]
fn a_full_disk_in_the_middle_of_many_leaves_none_of_them() {
    for large_one in [1, 10, 15, 16, 20] {
        let mut shop = Shop::new();
        shrink(&shop.db, 10);
        let (tx, outbox) = shop.begin();
        order(&tx, 1);
        let message = |number| match number == large_one {
            true => placed().payload(vec![b'p'; limits::PAYLOAD_BYTES]),
            false => placed(),
        };
        let error = outbox.enqueue_all(&tx, (0..40).map(message)).unwrap_err();
        let kinds = [ErrorKind::DiskFull, ErrorKind::NotInTransaction];
        assert!(kinds.contains(&error.kind()), "{error}");
        assert!(tx.is_autocommit(), "the transaction goes on");
        drop(tx);
        assert_eq!(shop.written(), (0, 0), "{large_one}");
    }
}

/// Whoever makes the messages ends the transaction.
#[test]
fn many_messages_whose_transaction_ends_in_between_are_not_committed_alone() {
    let mut shop = Shop::new();
    let (tx, outbox) = shop.begin();
    let message = |number| {
        if number == 20 {
            tx.execute_batch("ROLLBACK").unwrap();
        }
        placed()
    };
    let error = outbox.enqueue_all(&tx, (0..40).map(message)).unwrap_err();
    check(&error, ErrorKind::NotInTransaction, false, &["do all of it again"]);
    drop(tx);
    assert_eq!(shop.written(), (0, 0));
}

#[test]
fn a_disk_that_is_full_for_an_idempotency_key_takes_its_message_along() {
    let mut shop = Shop::new();
    shrink(&shop.db, 3);
    let (tx, outbox) = shop.begin();
    let message = |number: i32| placed().idempotency_key(format!("{number:0255}"));
    let error = (0..1_000).find_map(|number| outbox.enqueue(&tx, message(number)).err());
    let says = ["remember an idempotency key", "the whole transaction was rolled back"];
    check(&error.expect("a full disk"), ErrorKind::DiskFull, true, &says);
    assert!(tx.is_autocommit(), "the transaction goes on");
    drop(tx);
    assert_eq!(shop.written(), (0, 0));
}

/// SQLite undoes a statement that may fail half way, as with a trigger of the host's, and lets the
/// transaction go on.
#[test]
fn a_full_disk_rolls_the_whole_transaction_back_where_a_trigger_is_in_the_way() {
    let mut shop = Shop::new();
    let trigger = "CREATE TRIGGER host AFTER INSERT ON outbox_message WHEN new.topic = 'no' \
        BEGIN INSERT INTO orders VALUES (NULL); SELECT RAISE (ABORT, 'no'); END";
    shop.db.execute_batch(trigger).unwrap();
    shrink(&shop.db, 10);
    let (tx, outbox) = shop.begin();
    order(&tx, 1);
    let large = placed().payload(vec![b'p'; limits::PAYLOAD_BYTES]);
    let error = outbox.enqueue_all(&tx, [placed(), large]).unwrap_err();
    check(&error, ErrorKind::DiskFull, true, &["the whole transaction was rolled back"]);
    assert!(tx.is_autocommit(), "the transaction goes on");
    drop(tx);
    assert_eq!(shop.written(), (0, 0));
}

#[cfg(unix)]
#[test]
fn a_file_that_was_deleted_takes_no_message() {
    let mut shop = Shop::new();
    fs::remove_file(&shop.path).unwrap();
    let (tx, outbox) = shop.begin();
    let error = outbox.enqueue(&tx, placed()).unwrap_err();
    let says = ["shop.db was deleted or replaced", "nothing was written", "open it again"];
    check(&error, ErrorKind::Replaced, false, &says);
    drop(tx);
    assert!(!shop.path.exists());
}

#[cfg(unix)]
#[test]
fn a_file_that_is_deleted_between_two_messages_takes_no_second_one() {
    let clock = SetClock::new();
    let mut shop = Shop::with(|database| database.clock(clock.clone()));
    let path = shop.path.clone();
    let (tx, outbox) = shop.begin();
    outbox.enqueue(&tx, placed()).unwrap();
    fs::remove_file(&path).unwrap();
    clock.forward(Duration::from_millis(1));
    let error = outbox.enqueue(&tx, placed()).unwrap_err();
    check(&error, ErrorKind::Replaced, false, &["nothing was written"]);
}

#[cfg(unix)]
#[test]
fn nothing_is_committed_into_a_file_that_was_deleted_meanwhile() {
    let mut shop = Shop::new();
    let (path, away) = (shop.path.clone(), shop.path.with_extension("away"));
    let (tx, outbox) = shop.begin();
    outbox.enqueue(&tx, placed()).unwrap();
    fs::rename(&path, &away).unwrap();
    let error = outbox.commit(tx).unwrap_err();
    check(&error, ErrorKind::Replaced, false, &["nothing was written"]);
    fs::rename(&away, &path).unwrap();
    assert_eq!(shop.written(), (0, 0));
}

#[cfg(unix)]
#[test]
fn a_file_that_took_the_place_of_another_takes_no_message() {
    let mut shop = Shop::new();
    let other = Shop::new();
    fs::rename(&other.path, &shop.path).unwrap();
    let (tx, outbox) = shop.begin();
    let error = outbox.enqueue(&tx, placed()).unwrap_err();
    check(&error, ErrorKind::Replaced, false, &["put the right file in place"]);
    drop(tx);
    // Nor does one that was opened by its new name.
    let mut db = Connection::open(&shop.path).unwrap();
    let error = shop.outbox.enqueue(&begin(&mut db), placed()).unwrap_err();
    check(&error, ErrorKind::Replaced, false, &["nothing was written"]);
    assert_eq!(shop.written(), (0, 0));
}

/// Not the first page, which would be no database at all.
#[test]
fn a_damaged_database_says_how_to_look_and_what_to_do() {
    let Shop { directory: _directory, path, outbox, db } = Shop::new();
    db.execute_batch("PRAGMA wal_checkpoint(TRUNCATE)").unwrap();
    drop(db);
    let mut bytes = fs::read(&path).unwrap();
    let first_page: usize = 4096;
    bytes[first_page..].fill(0xaa);
    fs::write(&path, bytes).unwrap();
    let mut db = Connection::open(&path).unwrap();
    let error = outbox.enqueue(&begin(&mut db), placed()).unwrap_err();
    check(&error, ErrorKind::NotADatabase, false, &["PRAGMA integrity_check", "restore a backup"]);
    caused_by_sqlite(&error);
}
