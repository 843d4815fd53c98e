//! When the consumer's ground gives way there is a typed error, nothing is lost, and nothing is
//! half written.

use crate::backup::{back_up, delete};
use crate::world::{
    Captured, World, eager, insert, number, one, prepare_store, process, until, within, word, words,
};
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;
use surehand::rusqlite::{Connection, OpenFlags};
use surehand::transport::Local;
use surehand::{
    Database, Effect, Error, ErrorKind, Inbox, Json, MessageId, Operator, Processed, Relay,
};

/// Opening fails so, and leaves the file as it was.
#[track_caller]
fn is_refused(database: Database, expected: ErrorKind) {
    let path = database.path().to_path_buf();
    let before = fs::read(&path).ok();
    let error = Inbox::open(database).unwrap_err();
    assert_eq!(error.kind(), expected, "{error}");
    let untouched = fs::read(&path).ok();
    // A file that SQLite made and nothing was written to is as good as none.
    assert_eq!(untouched.filter(|file| !file.is_empty()), before.filter(|file| !file.is_empty()));
}

/// The warehouse, opened with one statement more.
fn opened_with(world: &World, pragma: &'static str) -> Database {
    Database::new(world.store()).opened_by(move |path| {
        let connection = Connection::open(path)?;
        connection.execute_batch(pragma)?;
        Ok(connection)
    })
}

#[test]
fn another_kind_of_file_is_refused() {
    let world = World::new();
    let path = world.directory.path().join("letter.txt");
    fs::write(&path, "Dear Sir or Madam, ".repeat(100)).unwrap();
    is_refused(path.into(), ErrorKind::NotADatabase);
}

#[test]
fn a_missing_directory_is_named() {
    let world = World::new();
    let path = world.directory.path().join("nowhere/warehouse.db");
    let error = Inbox::open(&path).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Environment);
    assert!(error.to_string().contains("nowhere/warehouse.db"), "{error}");
}

#[test]
fn a_database_that_may_only_be_read_is_refused() {
    let world = World::new();
    let reading = Database::new(world.store())
        .opened_by(|path| Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_ONLY));
    is_refused(reading, ErrorKind::ReadOnly);
}

#[test]
fn a_newer_schema_is_refused() {
    let world = World::new();
    drop(world.warehouse());
    let store = Connection::open(world.store()).unwrap();
    store.execute("UPDATE inbox_schema SET version = 99", []).unwrap();
    drop(store);
    is_refused(world.store().into(), ErrorKind::SchemaTooNew);
}

#[test]
fn a_new_file_that_cannot_be_in_wal_mode_is_refused() {
    let world = World::new();
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE;
    let without_shared_memory = Database::new(world.directory.path().join("new.db"))
        .opened_by(move |path| Connection::open_with_flags_and_vfs(path, flags, c"unix-dotfile"));
    is_refused(without_shared_memory, ErrorKind::NotDurable);
}

#[test]
fn a_journal_that_a_crash_destroys_is_refused() {
    let world = World::new();
    let store = Connection::open(world.store()).unwrap();
    store.pragma_update(None, "journal_mode", "delete").unwrap();
    drop(store);
    is_refused(opened_with(&world, "PRAGMA journal_mode = MEMORY"), ErrorKind::NotDurable);
    is_refused(opened_with(&world, "PRAGMA journal_mode = OFF"), ErrorKind::NotDurable);
}

#[test]
fn synchronous_off_is_refused_unless_it_is_asked_for_by_name() {
    let world = World::new();
    let captured = world.captured([1]);
    let off = opened_with(&world, "PRAGMA synchronous = OFF");
    is_refused(off.clone(), ErrorKind::NotDurable);
    let mut inbox = Inbox::open_allowing_synchronous_off(off).unwrap().on("n", insert);
    captured.greet(&mut inbox);
    assert_eq!(words(&process(&mut inbox, &captured.all())), ["applied"]);
    let durability = inbox.durability().unwrap();
    assert_eq!(durability.synchronous, 0);
    assert!(!durability.survives_power_cut());
}

#[test]
fn whatever_synchronous_a_connection_comes_with_the_inbox_commits_durably() {
    let world = World::new();
    for pragma in ["PRAGMA synchronous = NORMAL", "PRAGMA synchronous = FULL"] {
        let mut inbox = Inbox::open(opened_with(&world, pragma)).unwrap();
        assert!(inbox.durability().unwrap().survives_power_cut(), "{pragma}");
    }
}

// ---- While messages are applied ---------------------------------------------------------------

/// The request fails so; not one message is answered, and nothing is left of it.
#[track_caller]
fn is_undone(world: &World, inbox: &mut Inbox, captured: &Captured) -> Error {
    let processed = inbox.process(&captured.all(), &mut |_, _| panic!("nothing is answered"));
    assert_eq!(world.effects(), [0_i64; 0]);
    assert_eq!(world.seen(), [0_i64; 0]);
    assert_eq!(world.in_store("SELECT sum(applied + failed) FROM inbox_source"), 0);
    processed.unwrap_err()
}

/// Waits for as long as the inbox does for a lock: five seconds.
#[test]
fn a_lock_that_somebody_keeps_fails_the_request_and_a_later_one_goes_through() {
    let world = World::new();
    let captured = world.captured(1..=3);
    let mut inbox = world.warehouse();
    captured.greet(&mut inbox);
    let somebody = Connection::open(world.store()).unwrap();
    somebody.execute_batch("BEGIN IMMEDIATE").unwrap();
    let error = is_undone(&world, &mut inbox, &captured);
    assert_eq!(error.kind(), ErrorKind::Busy, "{error}");
    assert!(error.is_retryable());
    somebody.execute_batch("ROLLBACK").unwrap();
    assert_eq!(words(&process(&mut inbox, &captured.all())), ["applied"; 3]);
}

/// A rollback journal: a commit waits for everybody who reads, for as long as for a lock.
fn with_rollback_journal() -> World {
    let world = World::new();
    let store = Connection::open(world.store()).unwrap();
    store.pragma_update(None, "journal_mode", "delete").unwrap();
    world
}

fn somebody_reads(world: &World) -> Connection {
    let somebody = Connection::open(world.store()).unwrap();
    somebody.execute_batch("BEGIN; SELECT * FROM effect").unwrap();
    somebody
}

#[track_caller]
fn others_can_write(world: &World) {
    let host = Connection::open(world.store()).unwrap();
    host.execute("INSERT INTO effect (n) VALUES (100)", []).unwrap();
}

#[test]
fn a_commit_that_readers_are_in_the_way_of_gives_the_lock_back() {
    let world = with_rollback_journal();
    let captured = world.captured(1..=3);
    let mut inbox = world.warehouse();
    captured.greet(&mut inbox);
    let somebody = somebody_reads(&world);
    let error = is_undone(&world, &mut inbox, &captured);
    assert_eq!(error.kind(), ErrorKind::Busy, "{error}");
    drop(somebody);
    others_can_write(&world);
    assert_eq!(words(&process(&mut inbox, &captured.all())), ["applied"; 3]);
    assert_eq!(world.effects(), [1, 2, 3, 100]);
}

#[test]
fn without_a_place_too_a_commit_that_readers_are_in_the_way_of_gives_the_lock_back() {
    let world = with_rollback_journal();
    let mut inbox = world.warehouse();
    let id = MessageId::from_bytes([7; 16]);
    let mut receive = || inbox.receive("web", Duration::from_secs(100), id, 1, number(1));
    let somebody = somebody_reads(&world);
    let error = receive().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Busy, "{error}");
    drop(somebody);
    others_can_write(&world);
    assert_eq!(word(&receive().unwrap()), "applied");
    assert_eq!(world.effects(), [1, 100]);
}

/// A warehouse with room for little more, until the ballast is thrown away.
fn nearly_full(world: &World, spare_pages: i64) -> Inbox {
    let store = Connection::open(world.store()).unwrap();
    let ballast =
        "CREATE TABLE ballast (bytes BLOB); INSERT INTO ballast VALUES (zeroblob(400000))";
    store.execute_batch(ballast).unwrap();
    drop(Inbox::open(world.store()).unwrap());
    let pages = one(&world.store(), "PRAGMA page_count");
    let tight = Database::new(world.store()).opened_by(move |path| {
        let connection = Connection::open(path)?;
        connection.pragma_update(None, "max_page_count", pages + spare_pages)?;
        Ok(connection)
    });
    Inbox::open(tight).unwrap().on("n", |effect: &Effect, n: Json<i64>| {
        effect.execute("INSERT INTO bulk (bytes) VALUES (zeroblob(10000))", [])?;
        insert(effect, n)
    })
}

fn with_bulk() -> World {
    let world = World::new();
    let store = Connection::open(world.store()).unwrap();
    store.execute_batch("CREATE TABLE bulk (bytes BLOB)").unwrap();
    world
}

fn throw_ballast_away(world: &World) {
    let store = Connection::open(world.store()).unwrap();
    store.busy_timeout(Duration::from_secs(20)).unwrap();
    store.execute("DELETE FROM ballast", []).unwrap();
}

#[test]
fn a_full_disk_undoes_the_whole_request_and_blames_no_message() {
    let world = with_bulk();
    let captured = world.captured(1..=10);
    let mut inbox = nearly_full(&world, 8); // The third message does not fit any more.
    captured.greet(&mut inbox);
    for _ in 0..2 {
        let error = is_undone(&world, &mut inbox, &captured);
        assert_eq!(error.kind(), ErrorKind::DiskFull, "{error}");
        assert_eq!(world.in_store("SELECT count(*) FROM bulk"), 0);
    }
    throw_ballast_away(&world);
    assert_eq!(words(&process(&mut inbox, &captured.all())), ["applied"; 10]);
    assert_eq!(world.effects(), Vec::from_iter(1..=10));
}

#[test]
fn a_full_disk_in_a_part_of_an_effect_blames_no_message() {
    let world = with_bulk();
    let captured = world.captured(1..=10);
    // Each goes on without the part that failed, and the third of them without a transaction.
    let mut inbox = nearly_full(&world, 8).on("n", |effect: &Effect, n: Json<i64>| {
        let _ = effect.savepoint(|part| {
            part.execute("INSERT INTO bulk (bytes) VALUES (zeroblob(10000))", [])?;
            Ok(())
        });
        insert(effect, n)
    });
    captured.greet(&mut inbox);
    for _ in 0..2 {
        let error = is_undone(&world, &mut inbox, &captured);
        assert_eq!(error.kind(), ErrorKind::DiskFull, "{error}");
    }
    throw_ballast_away(&world);
    assert_eq!(words(&process(&mut inbox, &captured.all())), ["applied"; 10]);
    assert_eq!(world.effects(), Vec::from_iter(1..=10));
}

/// What keeps its snapshot would be in the way of every later transaction.
#[test]
fn a_statement_left_open_beside_a_full_disk_does_not_outlive_the_request() {
    let world = with_bulk();
    let captured = world.captured([1]);
    let mut inbox = nearly_full(&world, 8).on("n", |effect: &Effect, n: Json<i64>| {
        let statement = Box::leak(Box::new(effect.prepare("SELECT name FROM sqlite_schema")?));
        let mut rows = statement.query([])?;
        assert!(rows.next()?.is_some());
        std::mem::forget(rows);
        effect.execute("INSERT INTO bulk (bytes) VALUES (zeroblob(100000))", [])?;
        insert(effect, n)
    });
    captured.greet(&mut inbox);
    for _ in 0..2 {
        assert_eq!(words(&process(&mut inbox, &captured.all())), ["failed"]);
        others_can_write(&world);
    }
}

/// Once the relay has greeted something is in the way, until the destination is found failing.
/// Every message is applied once, and not one is blamed.
async fn is_survived(world: &World, inbox: Inbox, obstruct: impl Fn(), mend: impl Fn()) {
    let relay = Relay::open(world.shop()).unwrap().subscribe(eager(), Local::new(inbox));
    let operator = Operator::open(world.shop()).unwrap();
    let outages = || operator.stats().unwrap().first().map_or(0, |stats| stats.outages);
    let mended = async {
        until(|| world.in_store("SELECT count(*) FROM inbox_source") == 1).await;
        obstruct();
        world.place(1..=10);
        until(|| outages() > 0).await;
        assert_eq!(world.effects(), [0_i64; 0]);
        assert_eq!(world.in_shop("SELECT count(*) FROM outbox_delivery"), 0);
        mend();
        until(|| world.effects().len() == 10).await;
    };
    within(relay.run_until(mended)).await.unwrap();
    assert_eq!(world.effects(), Vec::from_iter(1..=10));
    assert_eq!(world.in_store("SELECT sum(failed) FROM inbox_source"), 0);
    assert_eq!(world.in_shop("SELECT count(*) FROM outbox_delivery"), 0);
}

#[tokio::test]
async fn a_relay_waits_for_a_full_disk_and_delivers_when_there_is_room() {
    let world = with_bulk();
    let inbox = nearly_full(&world, 1);
    is_survived(&world, inbox, || {}, || throw_ballast_away(&world)).await;
}

/// Five seconds, as above.
#[tokio::test]
async fn a_relay_waits_for_a_lock_that_somebody_keeps() {
    let world = World::new();
    let inbox = world.warehouse();
    let somebody = Connection::open(world.store()).unwrap();
    somebody.busy_timeout(Duration::from_secs(20)).unwrap();
    let run = |sql| somebody.execute_batch(sql).unwrap();
    is_survived(&world, inbox, || run("BEGIN IMMEDIATE"), || run("ROLLBACK")).await;
}

#[test]
fn a_file_deleted_under_an_inbox_is_not_made_anew() {
    let world = World::new();
    let captured = world.captured(1..=3);
    let backup = back_up(&world.store());
    let mut inbox = world.warehouse();
    captured.greet(&mut inbox);
    delete(&world.store());
    for _ in 0..2 {
        let processed = inbox.process(&captured.all(), &mut |_, _| panic!("nothing is answered"));
        let error = processed.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Replaced, "{error}");
        assert!(!world.store().exists(), "whoever puts a file there finds the place free");
        assert_eq!(inbox.hello(&captured.source.hello()).unwrap_err().kind(), ErrorKind::Replaced);
    }
    // A file from before the greeting: the relay has to greet anew.
    fs::rename(backup, world.store()).unwrap();
    let processed = inbox.process(&captured.all(), &mut |_, _| panic!("nothing is answered"));
    assert_eq!(processed.unwrap(), Processed::Fenced);
    captured.greet(&mut inbox);
    assert_eq!(words(&process(&mut inbox, &captured.all())), ["applied"; 3]);
}
