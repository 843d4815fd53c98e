//! The simulated disk against what SQLite documents of each journal mode and `synchronous`: neither
//! kinder nor crueller (<https://sqlite.org/pragma.html#pragma_synchronous>).

use surehand::testing::{CrashTest, Verdict};

fn notes(journal_mode: &'static str, synchronous: &'static str) -> Verdict {
    let test = CrashTest::new("notes").given(move |w| {
        let db = w.connect("desk/notes.db")?;
        db.execute_batch(&format!(
            "PRAGMA journal_mode = {journal_mode}; \
             CREATE TABLE note (id INTEGER PRIMARY KEY, text); CREATE INDEX by_text ON note (text)"
        ))?;
        Ok(())
    });
    let test = test.scenario(move |w| {
        let mut db = w.connect("desk/notes.db")?;
        db.execute_batch(&format!("PRAGMA synchronous = {synchronous}"))?;
        for id in 1..=3 {
            let tx = db.transaction()?;
            tx.execute("INSERT INTO note VALUES (?1, hex(zeroblob(?1 * 500)))", [id])?;
            tx.commit()?;
            w.promised("note", id);
        }
        Ok(())
    });
    let test = test.invariant("it is whole, and has all that was committed", |w| {
        let db = w.connect("desk/notes.db")?;
        let whole: String = db.query_row("PRAGMA integrity_check", [], |row| row.get(0))?;
        assert_eq!(whole, "ok", "corrupt");
        for id in w.promises("note") {
            let found = db.query_row("SELECT 1 FROM note WHERE id = ?1", [id], |_| Ok(()));
            assert!(found.is_ok(), "a commit is lost");
        }
        Ok(())
    });
    test.run()
}

#[track_caller]
fn survives(journal_mode: &'static str, synchronous: &'static str) {
    let counts = notes(journal_mode, synchronous).assert_survived();
    assert!(counts.states > 30, "{counts}");
}

#[track_caller]
fn loses_a_commit(journal_mode: &'static str, synchronous: &'static str) {
    let verdict = notes(journal_mode, synchronous);
    assert!(verdict.to_string().contains("a commit is lost"), "{verdict}");
    let _ = verdict.assert_lost();
}

#[test]
fn a_commit_in_wal_mode_is_durable_with_full_and_extra() {
    survives("WAL", "FULL");
    survives("WAL", "EXTRA");
}

#[test]
fn a_commit_in_wal_mode_may_be_undone_with_normal() {
    loses_a_commit("WAL", "NORMAL");
}

#[test]
fn a_commit_with_a_rollback_journal_is_durable_with_extra() {
    survives("DELETE", "EXTRA");
}

#[test]
fn the_last_commit_with_a_rollback_journal_may_be_undone_with_full() {
    loses_a_commit("DELETE", "FULL");
}

#[test]
fn without_syncs_anything_may_be_lost() {
    for journal_mode in ["WAL", "DELETE"] {
        let _ = notes(journal_mode, "OFF").assert_lost();
    }
}
