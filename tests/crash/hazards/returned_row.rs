//! F1: a statement outside a transaction commits when it is reset, after its row was returned, and
//! an error of that reset is dropped by `query_row`. The row's id is told, and there is no row.

use super::{SHOP, WRITES_FAIL, enqueue, loses, survives_failing};
use surehand::Outbox;
use surehand::rusqlite::{self, Connection};
use surehand::testing::{CrashTest, Verdict, World};

const INSERT: &str = "INSERT INTO note (text) VALUES ('milk') RETURNING id";

fn returned_id(db: &Connection) -> rusqlite::Result<i64> {
    db.query_row(INSERT, [], |row| row.get(0))
}

fn noting(write: fn(&mut Connection) -> rusqlite::Result<i64>) -> Verdict {
    let test = CrashTest::new("note").given(|w| {
        let db = w.connect(SHOP)?;
        db.execute_batch(
            "PRAGMA journal_mode = WAL; CREATE TABLE note (id INTEGER PRIMARY KEY, text)",
        )?;
        Ok(())
    });
    let test = test.scenario(move |w| {
        let mut db = w.connect(SHOP)?;
        db.pragma_update(None, "synchronous", "EXTRA")?;
        w.promised("note", write(&mut db)?);
        Ok(())
    });
    let test = test.invariant("a note that was told of is there", |w| {
        for id in w.promises("note") {
            let db = w.connect(SHOP)?;
            db.query_row("SELECT 1 FROM note WHERE id = ?1", [id], |_| Ok(()))?;
        }
        Ok(())
    });
    test.faults(WRITES_FAIL).run()
}

#[test]
fn an_insert_outside_a_transaction_returns_its_row_though_the_commit_failed() {
    loses(noting(|db| returned_id(db)), "a note that was told of is there");
}

#[test]
fn a_transaction_of_its_own_says_that_its_commit_failed() {
    survives_failing(noting(|db| {
        let tx = db.transaction()?;
        let id = returned_id(&tx)?;
        tx.commit()?;
        Ok(id)
    }));
}

fn selling(sell: fn(&World, &Outbox) -> Result<(), surehand::testing::Failed>) -> Verdict {
    let test = CrashTest::new("sale").given(|w| {
        Outbox::open(w.database(SHOP))?;
        Ok(())
    });
    let test = test.scenario(move |w| {
        let outbox = Outbox::open(w.database(SHOP))?;
        sell(w, &outbox)?;
        w.promised("message", 1);
        Ok(())
    });
    let test = test.invariant("a message that was told of is there", |w| {
        let outbox = Outbox::open(w.database(SHOP))?;
        let pending = outbox.pending(&w.connect(SHOP)?)?;
        assert!(pending.len() >= w.promises("message").len(), "{pending:?}");
        Ok(())
    });
    test.faults(WRITES_FAIL).run()
}

#[test]
fn a_message_is_not_enqueued_when_its_commit_failed_and_the_caller_hears_it() {
    survives_failing(selling(|w, outbox| enqueue(&mut w.connect(SHOP)?, outbox, "milk")));
}

/// The outbox takes a transaction for that reason; who writes the table by hand can do without.
#[test]
fn a_message_written_by_hand_outside_a_transaction_is_told_of_and_lost() {
    let verdict = selling(|w, _| {
        let sql = "INSERT INTO outbox_message (topic) VALUES ('sold') RETURNING seq";
        w.connect(SHOP)?.query_row(sql, [], |_| Ok(()))?;
        Ok(())
    });
    loses(verdict, "a message that was told of is there");
}
