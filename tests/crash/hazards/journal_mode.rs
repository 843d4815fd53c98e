//! F2: `PRAGMA journal_mode = WAL` returns its row before it is done, as any statement does, and
//! the error of its end is dropped. It answers `wal`, and so does asking again, until the next
//! write: then the file is in the mode that it had before.

use super::{SHOP, WRITES_FAIL, loses, survives_failing, texts};
use surehand::Outbox;
use surehand::rusqlite::{self, Connection};
use surehand::testing::{CrashTest, Failed, Mistake, World};

fn mode(db: &Connection) -> rusqlite::Result<String> {
    db.pragma_query_value(None, "journal_mode", |row| row.get(0))
}

/// Asks for WAL, and is told twice that it is.
fn ask_for_wal(w: &World) -> Result<Connection, Failed> {
    let db = w.connect(SHOP)?;
    db.pragma_update(None, "synchronous", "EXTRA")?;
    let answer: String =
        db.pragma_update_and_check(None, "journal_mode", "wal", |row| row.get(0))?;
    if answer != "wal" || mode(&db)? != "wal" {
        return Err("it says no".into());
    }
    Ok(db)
}

/// The same, to the end of the statement.
fn switch_to_wal(w: &World) -> Result<Connection, Failed> {
    let db = w.connect(SHOP)?;
    db.pragma_update(None, "synchronous", "EXTRA")?;
    assert_eq!(texts(&db, "PRAGMA journal_mode = wal")?, ["wal"]);
    Ok(db)
}

fn switching(
    switch: fn(&World) -> Result<Connection, Failed>,
    then: fn(&World, &Connection) -> Result<(), Failed>,
) -> CrashTest {
    let test = CrashTest::new("switch").given(|w| {
        w.connect(SHOP)?.execute_batch("CREATE TABLE note (text)")?;
        Ok(())
    });
    let test = test.scenario(move |w| then(w, &switch(w)?));
    let test = test.invariant("it is in WAL mode if it was said to be", |w| {
        let mode = mode(&w.connect(SHOP)?)?;
        assert!(w.promises("mode").iter().all(|promised| *promised == mode), "{mode}");
        Ok(())
    });
    test.invariant("a note that was told of is there", |w| {
        let db = w.connect(SHOP)?;
        assert!(texts(&db, "SELECT text FROM note")?.len() >= w.promises("note").len());
        Ok(())
    })
}

fn note(w: &World, db: &Connection, synchronous: &str) -> Result<(), Failed> {
    db.pragma_update(None, "synchronous", synchronous)?;
    db.execute("INSERT INTO note VALUES ('milk')", [])?;
    w.promised("note", "milk");
    Ok(())
}

#[test]
fn a_switch_to_wal_that_failed_says_that_it_was_made() {
    let verdict = switching(ask_for_wal, |w, _| {
        w.promised("mode", "wal");
        Ok(())
    });
    loses(verdict.faults(WRITES_FAIL).run(), "it is in WAL mode if it was said to be");
}

#[test]
fn a_switch_to_wal_that_is_stepped_to_its_end_says_that_it_failed() {
    let test = switching(switch_to_wal, |w, _| {
        w.promised("mode", "wal");
        Ok(())
    });
    survives_failing(test.faults(WRITES_FAIL).run());
}

/// `FULL` is durable in WAL mode, and not in the one it stayed in.
#[test]
fn with_full_a_commit_in_the_mode_that_was_not_switched_is_lost() {
    let test = || switching(ask_for_wal, |w, db| note(w, db, "FULL"));
    let _ = test().run().assert_survived();
    loses(test().faults(WRITES_FAIL).run(), "a note that was told of is there");
}

#[test]
fn with_extra_it_does_not_matter_which_mode_it_is() {
    survives_failing(
        switching(ask_for_wal, |w, db| note(w, db, "EXTRA")).faults(WRITES_FAIL).run(),
    );
}

fn opening() -> CrashTest {
    let test = CrashTest::new("open").scenario(|w| {
        let outbox = Outbox::open(w.database(SHOP))?;
        w.promised("mode", &outbox.durability().journal_mode);
        Ok(())
    });
    let test = test.invariant("it is in WAL mode if it was said to be", |w| {
        let mode = mode(&w.connect(SHOP)?)?;
        assert!(w.promises("mode").iter().all(|promised| *promised == mode), "{mode}");
        Ok(())
    });
    let test = test.invariant("a new file is in WAL mode", |w| {
        assert!(w.promises("mode").iter().all(|promised| promised == "wal"));
        Ok(())
    });
    test.faults(WRITES_FAIL).killed_first()
}

#[test]
fn an_outbox_that_opens_says_which_mode_its_new_file_is_in() {
    survives_failing(opening().run());
    loses(opening().mistake(Mistake::WalUnread).run(), "a new file is in WAL mode");
}
