//! The database file is deleted or exchanged under a running relay: it ends, and leaves whatever
//! lies there now alone.

use super::stage::{Mail, Running, Shop, main_line, millis, plain, scripted};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use surehand::rusqlite::Connection;
use surehand::{ErrorKind, Relay};

fn with(path: &Path, ending: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(ending);
    PathBuf::from(name)
}

/// Another database that has nothing to do with messages, ready to be put in the shop's place.
fn another(shop: &Shop) -> PathBuf {
    let path = shop.file("another.db");
    let db = Connection::open(&path).unwrap();
    db.execute_batch("CREATE TABLE accounts (balance INTEGER); INSERT INTO accounts VALUES (7)")
        .unwrap();
    path
}

/// What somebody does who restores a backup beside running programs.
fn exchange(shop: &Shop) {
    let another = another(shop);
    for ending in ["-wal", "-shm"] {
        let _ = std::fs::remove_file(with(&shop.path(), ending));
    }
    std::fs::rename(another, shop.path()).unwrap();
}

fn delete(shop: &Shop) {
    for ending in ["", "-wal", "-shm"] {
        let _ = std::fs::remove_file(with(&shop.path(), ending));
    }
}

#[track_caller]
fn it_ends(relay: &Running) {
    let error = relay.outcome().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Replaced, "{error}");
}

#[track_caller]
fn the_other_is_untouched(shop: &Shop) {
    let tables = shop.count("SELECT count(*) FROM sqlite_schema");
    assert_eq!((tables, shop.count("SELECT balance FROM accounts")), (1, 7));
}

/// A relay that has delivered everything, and waits.
fn idle(shop: &mut Shop) -> (Running, Mail) {
    shop.put([plain(1)]);
    let (script, mut mail) = scripted();
    let relay = shop.serve(main_line(), script);
    mail.next().ack();
    shop.until(|stats| stats.settled_to == 1);
    (relay, mail)
}

#[test]
fn an_idle_relay_ends_when_its_file_is_exchanged() {
    let mut shop = Shop::open();
    let (relay, _mail) = idle(&mut shop);
    exchange(&shop);
    it_ends(&relay);
    the_other_is_untouched(&shop);
}

#[test]
fn an_idle_relay_ends_when_its_file_is_deleted() {
    let mut shop = Shop::open();
    let (relay, _mail) = idle(&mut shop);
    delete(&shop);
    it_ends(&relay);
    assert!(!shop.path().exists(), "it is not made anew");
}

#[test]
fn a_relay_that_waits_for_answers_ends_without_writing_them_elsewhere() {
    let mut shop = Shop::open();
    shop.put((1..=3).map(plain));
    let (script, mut mail) = scripted();
    let relay = shop.serve(main_line(), script);
    let letters = mail.take_next(3);
    exchange(&shop);
    letters.iter().for_each(|letter| letter.ack());
    it_ends(&relay);
    the_other_is_untouched(&shop);
}

#[test]
fn a_relay_that_is_asked_to_stop_does_not_write_elsewhere() {
    let mut shop = Shop::open();
    shop.put([plain(1)]);
    let (script, mut mail) = scripted();
    let mut relay = shop.serve(main_line(), script);
    let _under_way = mail.next();
    exchange(&shop);
    relay.ask_to_stop();
    it_ends(&relay);
    the_other_is_untouched(&shop);
}

#[test]
fn a_relay_that_lost_its_connection_does_not_open_another_file_instead() {
    let mut shop = Shop::open();
    let breaks = Arc::new(AtomicBool::new(false));
    let seen = Arc::clone(&breaks);
    let database = shop.database().opened_by(move |path| {
        #[allow(unused_mut, reason = "rusqlite 0.42 wants it")]
        let mut connection = Connection::open(path)?;
        let seen = Arc::clone(&seen);
        let _ = connection.progress_handler(1, Some(move || seen.load(Ordering::SeqCst)));
        Ok(connection)
    });
    let (script, mut mail) = scripted();
    let relay = Relay::open(database).unwrap().subscribe(main_line(), script);
    let relay = Running::start(relay);
    shop.put([plain(1)]);
    mail.next().ack();
    shop.until(|stats| stats.settled_to == 1);
    breaks.store(true, Ordering::SeqCst);
    // Long enough for it to have lost its connection, and to be about to try again.
    std::thread::sleep(millis(300));
    exchange(&shop);
    breaks.store(false, Ordering::SeqCst);
    it_ends(&relay);
    the_other_is_untouched(&shop);
}
