//! F3: a program is killed after it wrote to the WAL and before it synced. The next one finds the
//! transaction there, and nothing that SQLite does to find it syncs it. It tells somebody, and then
//! power goes: what was told never was.

use super::{SHOP, TOLD, is_sold, loses, tell, tell_all, texts};
use surehand::rusqlite::Connection;
use surehand::testing::{CrashTest, Failed, Mistake, Verdict, World};
use surehand::{Message, Outbox};

fn noting(start: fn(&World) -> Result<(), Failed>) -> Verdict {
    let test = CrashTest::new("note").given(|w| {
        w.connect(SHOP)?.execute_batch(
            "PRAGMA journal_mode = WAL; CREATE TABLE note (text); \
             CREATE TABLE start (number INTEGER); INSERT INTO start VALUES (0)",
        )?;
        Ok(())
    });
    let test = test.scenario(|w| {
        let db = w.connect(SHOP)?;
        db.pragma_update(None, "synchronous", "FULL")?;
        db.execute("INSERT INTO note VALUES ('milk')", [])?;
        Ok(())
    });
    let test = test.recover(start).invariant("what somebody was told of is there", |w| {
        let notes = texts(&w.connect(SHOP)?, "SELECT text FROM note")?;
        assert!(w.promises(TOLD).iter().all(|told| notes.contains(told)));
        Ok(())
    });
    test.killed_first().depth(2).run()
}

/// Tells of what is there.
fn read(w: &World) -> Result<(), Failed> {
    tell_all(w, &w.connect(SHOP)?, "SELECT text FROM note")
}

#[test]
fn what_is_seen_after_a_kill_is_gone_after_a_power_cut() {
    loses(noting(read), "what somebody was told of is there");
}

#[test]
fn what_is_seen_after_a_durable_write_stays() {
    let verdict = noting(|w| {
        let db = w.connect(SHOP)?;
        db.pragma_update(None, "synchronous", "EXTRA")?;
        db.execute("UPDATE start SET number = number + 1", [])?;
        read(w)
    });
    assert!(verdict.assert_survived().recovery_states > 50);
}

/// A message is enqueued; power goes while the programs start again after a kill.
fn selling(start: fn(&World) -> Result<(), Failed>) -> CrashTest {
    let test = CrashTest::new("sale").given(tell).scenario(|w| sell(w).map(drop)).recover(start);
    let test = test.invariant("what somebody was told of was sold", |w| {
        assert!(w.promises(TOLD).is_empty() || is_sold(&w.connect(SHOP)?)?);
        Ok(())
    });
    test.killed_first().depth(2)
}

/// Holds, and would not if the library synced nothing.
fn holds(test: impl Fn() -> CrashTest) {
    assert!(test().run().assert_survived().recovery_states > 50);
    let unsynced = test().mistake(Mistake::NothingSynced).run();
    loses(unsynced, "what somebody was told of was sold");
}

/// Enqueues once, however often it is called. Closing the connection would sync.
fn sell(w: &World) -> Result<Connection, Failed> {
    // It has read before the outbox is opened, so that SQLite does not tidy up after that.
    let mut db = w.connect(SHOP)?;
    is_sold(&db)?;
    let outbox = Outbox::open(w.database(SHOP))?;
    let tx = db.transaction()?;
    outbox.enqueue(&tx, Message::new("sold").idempotency_key("milk").payload("milk"))?;
    outbox.commit(tx)?;
    Ok(db)
}

#[test]
fn a_relay_sends_nothing_that_a_power_cut_undoes() {
    holds(|| selling(tell));
}

#[test]
fn a_message_that_is_enqueued_again_by_its_key_is_durable() {
    let again = |w: &World| {
        // Who was told does not ask again.
        if w.promises(TOLD).is_empty() {
            let _open = sell(w)?;
            w.promised(TOLD, "milk");
        }
        Ok(())
    };
    holds(|| selling(again));
}

/// Who reads the table and sends by hand has opened no outbox, which writes before it is read.
#[test]
fn a_message_that_is_sent_by_hand_is_gone_after_a_power_cut() {
    let verdict = selling(|w| {
        let sql = "SELECT CAST(payload AS TEXT) FROM outbox_message";
        tell_all(w, &w.connect(SHOP)?, sql)
    });
    loses(verdict.run(), "what somebody was told of was sold");
}
