//! What cannot be served is refused when it is opened, and left as it was.

use super::super::support::{Shop, read};
use super::{caused_by_sqlite, check};
use std::fs;
use std::path::Path;
use surehand::rusqlite::types::Value;
use surehand::rusqlite::{Connection, OpenFlags};
use surehand::{Database, Error, ErrorKind, Operator, Outbox, Relay};

/// Whoever opens it is refused alike.
#[track_caller]
fn refused(database: impl Into<Database>) -> Error {
    let database = database.into();
    let relay = Relay::open(database.clone()).expect_err("a relay is refused");
    let operator = Operator::open(database.clone()).expect_err("an operator is refused");
    let outbox = Outbox::open(database).expect_err("an outbox is refused");
    assert_eq!(relay.kind(), outbox.kind());
    assert_eq!(operator.kind(), outbox.kind());
    outbox
}

fn names(directory: &Path) -> Vec<String> {
    let names = fs::read_dir(directory).unwrap();
    names.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
}

#[test]
fn a_file_that_is_no_database_is_refused_and_left_alone() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("notes.txt");
    let notes = "milk, bread, and a letter to grandmother\n".repeat(100);
    fs::write(&path, &notes).unwrap();
    let error = refused(&path);
    check(&error, ErrorKind::NotADatabase, false, &["notes.txt", "check the path"]);
    caused_by_sqlite(&error);
    assert_eq!(fs::read_to_string(&path).unwrap(), notes);
    assert_eq!(names(directory.path()), ["notes.txt"]);
}

#[test]
fn a_directory_that_is_missing_is_not_made() {
    let directory = tempfile::tempdir().unwrap();
    let error = refused(directory.path().join("missing").join("shop.db"));
    check(&error, ErrorKind::Environment, false, &["missing", "check that the directory exists"]);
    caused_by_sqlite(&error);
    assert!(names(directory.path()).is_empty());
}

#[test]
fn a_path_that_leads_to_a_directory_is_no_place_for_a_database() {
    let directory = tempfile::tempdir().unwrap();
    let error = refused(directory.path());
    check(&error, ErrorKind::Environment, false, &["check that the directory exists"]);
}

/// By the way it is opened: rights would not hold for every user.
fn reading_only(path: &Path) -> Database {
    Database::new(path)
        .opened_by(|path| Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_ONLY))
}

#[test]
fn a_database_that_is_open_for_reading_only_is_refused() {
    let shop = Shop::new();
    let error = refused(reading_only(&shop.path));
    check(&error, ErrorKind::ReadOnly, false, &["shop.db", "open it with write access"]);
}

#[test]
fn a_newer_schema_is_refused_and_the_file_is_untouched_byte_for_byte() {
    for mode in ["wal", "delete"] {
        let Shop { directory, path, outbox, db } = Shop::new();
        db.execute_batch("UPDATE outbox_schema SET version = 2").unwrap();
        db.pragma_update(None, "journal_mode", mode).unwrap();
        drop((db, outbox));
        let before = fs::read(&path).unwrap();
        let error = refused(&path);
        let says =
            ["shop.db", "schema 2", "this build knows 1", "left untouched", "or a newer one"];
        check(&error, ErrorKind::SchemaTooNew, false, &says);
        assert!(fs::read(&path).unwrap() == before, "{mode}: the file has changed");
        assert_eq!(names(directory.path()), ["shop.db"]);
    }
}

#[test]
fn a_database_of_the_host_keeps_its_settings_and_its_version() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("shop.db");
    let db = Connection::open(&path).unwrap();
    db.execute_batch("PRAGMA user_version = 41; CREATE TABLE orders (id INTEGER)").unwrap();
    Outbox::open(&path).unwrap();
    let pragma = |name: &str| {
        let value: Value = db.pragma_query_value(None, name, |row| row.get(0)).unwrap();
        value
    };
    assert_eq!(pragma("user_version"), 41.into());
    assert_eq!(pragma("journal_mode"), String::from("delete").into());
    let triggers = "SELECT count(*) FROM sqlite_schema WHERE type = 'trigger'";
    assert_eq!(read::<i64>(&path, triggers), 0);
}

/// This VFS has no shared memory: it answers `delete` to a request for WAL.
#[cfg(unix)]
#[test]
fn a_new_database_where_wal_is_refused_is_not_begun() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("shop.db");
    let database = Database::new(&path).opened_by(|path| {
        Connection::open_with_flags_and_vfs(path, OpenFlags::default(), "unix-dotfile")
    });
    let error = refused(database);
    let says = ["shop.db", "stays in journal mode delete", "use the default VFS"];
    check(&error, ErrorKind::NotDurable, false, &says);
    assert_eq!(fs::metadata(&path).map_or(0, |file| file.len()), 0);
}

#[test]
fn a_journal_that_survives_no_crash_is_refused() {
    for mode in ["memory", "off"] {
        let shop = Shop::new();
        shop.db.pragma_update(None, "journal_mode", "delete").unwrap();
        let error = refused(Database::new(&shop.path).opened_by(move |path| {
            let connection = Connection::open(path)?;
            connection.pragma_update(None, "journal_mode", mode)?;
            Ok(connection)
        }));
        let setting = format!("journal_mode={mode}");
        let says = ["shop.db", &setting, "use journal_mode=WAL"];
        check(&error, ErrorKind::NotDurable, false, &says);
    }
}

#[test]
fn a_new_database_on_a_full_disk_is_not_half_made() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("shop.db");
    let error = refused(Database::new(&path).opened_by(|path| {
        let connection = Connection::open(path)?;
        connection.pragma_update(None, "max_page_count", 10)?;
        Ok(connection)
    }));
    check(&error, ErrorKind::DiskFull, true, &["shop.db", "bring the schema up", "free space"]);
    let tables: i64 = read(&path, "SELECT count(*) FROM sqlite_schema");
    assert_eq!(tables, 0);
    Outbox::open(&path).unwrap();
}
