//! F4: a sync fails, the cache keeps what the disk never gets, and every later sync says yes. The
//! commit was refused. After a kill the next program finds it in the WAL all the same, and a
//! durable write after it does not make it durable: the WAL has a hole on the disk. A checkpoint
//! does, because it reads from the cache. When power goes while it runs, half of it may be in the
//! file, and the other half nowhere: the file may be corrupt, and nobody was told of anything. That
//! is so of any checkpoint of SQLite's after such a failure, which is why these tests go without
//! the audit.

use super::{SHOP, TOLD, enqueue, is_sold, loses, survives_failing, tell, tell_all, texts};
use std::time::Duration;
use surehand::testing::{CrashTest, Failed, Fault, Mistake, Verdict, World};
use surehand::transport::Outcome;
use surehand::{Effect, Inbox, Message, MessageId, Outbox};

/// Only the start after the kill tells somebody: what a file says after half a checkpoint is not
/// the question here.
fn once(w: &World, start: fn(&World) -> Result<(), Failed>) -> Result<(), Failed> {
    if !w.promises("start").is_empty() {
        return Ok(());
    }
    w.promised("start", 1);
    start(w)
}

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
        db.pragma_update(None, "synchronous", "EXTRA")?;
        db.execute("INSERT INTO note VALUES ('milk')", [])?;
        Ok(())
    });
    let test = test.recover(move |w| once(w, start));
    let test = test.invariant("what somebody was told of is there", |w| {
        for told in w.promises(TOLD) {
            let notes = texts(&w.connect(SHOP)?, "SELECT text FROM note")?;
            assert!(notes.contains(&told), "{told} is not among {notes:?}");
        }
        Ok(())
    });
    test.faults([Fault::SyncKeepsCache]).killed_first().depth(2).without_audit().run()
}

#[test]
fn what_a_failed_sync_left_in_the_cache_is_gone_after_a_power_cut_though_a_write_followed() {
    let verdict = noting(|w| {
        let db = w.connect(SHOP)?;
        db.pragma_update(None, "synchronous", "EXTRA")?;
        db.execute("UPDATE start SET number = number + 1", [])?;
        tell_all(w, &db, "SELECT text FROM note")
    });
    loses(verdict, "SyncKeepsCache");
}

#[test]
fn what_a_checkpoint_wrote_from_the_cache_stays() {
    survives_failing(noting(|w| {
        let db = w.connect(SHOP)?;
        db.pragma_update(None, "synchronous", "EXTRA")?;
        db.execute_batch("PRAGMA wal_checkpoint")?;
        db.execute("UPDATE start SET number = number + 1", [])?;
        tell_all(w, &db, "SELECT text FROM note")
    }));
}

/// Holds, and would not if an opening left in the cache what it finds there.
fn holds(test: impl Fn() -> CrashTest) {
    survives_failing(test().run());
    loses(test().mistake(Mistake::FoundUnsynced).run(), "SyncKeepsCache");
}

/// A message is enqueued, and a sync fails; power goes while the programs start again.
fn selling(start: fn(&World) -> Result<(), Failed>) -> CrashTest {
    let test = CrashTest::new("sale").given(tell).scenario(|w| {
        let outbox = Outbox::open(w.database(SHOP))?;
        enqueue(&mut w.connect(SHOP)?, &outbox, "milk")
    });
    let test = test.recover(move |w| once(w, start));
    let test = test.invariant("what somebody was told of was sold", |w| {
        for told in w.promises(TOLD) {
            assert!(is_sold(&w.connect(SHOP)?)?, "{told}");
        }
        Ok(())
    });
    test.faults([Fault::SyncKeepsCache]).killed_first().depth(2).without_audit()
}

#[test]
fn a_relay_sends_nothing_that_a_failed_sync_has_lost() {
    holds(|| selling(tell));
}

/// The relay's own sync fails, and covers commits of an application that does not sync.
#[test]
fn a_relay_whose_sync_failed_sends_nothing_that_is_lost() {
    let test = CrashTest::new("sale").given(tell).scenario(|w| {
        let outbox = Outbox::open(w.database(SHOP))?;
        let mut db = w.connect(SHOP)?;
        db.pragma_update(None, "synchronous", "NORMAL")?;
        enqueue(&mut db, &outbox, "milk")?;
        tell(w)
    });
    let test = test.invariant("what somebody was told of was sold", |w| {
        assert!(w.promises(TOLD).is_empty() || is_sold(&w.connect(SHOP)?)?);
        Ok(())
    });
    let test = test.faults([Fault::SyncKeepsCache]).depth(2).without_audit();
    let counts = test.run().assert_survived();
    assert!(counts.faults > 3, "{counts}");
}

#[test]
fn an_inbox_acknowledges_nothing_that_a_failed_sync_has_lost() {
    fn receive(w: &World) -> Result<Outcome, Failed> {
        let id = MessageId::from_bytes([7; 16]);
        let mut inbox = Inbox::open(w.database(SHOP))?.on("sold", |tx: &Effect, _: Vec<u8>| {
            tx.execute("INSERT INTO parcel VALUES ('milk')", [])?;
            Ok(())
        });
        let outcome = inbox.receive("till", Duration::MAX, id, 0, Message::new("sold"))?;
        if let Outcome::Applied(_) = &outcome {
            w.promised(TOLD, "milk");
        }
        Ok(outcome)
    }
    holds(|| {
        let test = CrashTest::new("parcel").given(|w| {
            w.connect(SHOP)?
                .execute_batch("PRAGMA journal_mode = WAL; CREATE TABLE parcel (item)")?;
            drop(Inbox::open(w.database(SHOP))?);
            Ok(())
        });
        let test = test.scenario(|w| receive(w).map(drop));
        let test = test.recover(|w| once(w, |w| receive(w).map(drop)));
        let test = test.invariant("what was acknowledged has its effect", |w| {
            for told in w.promises(TOLD) {
                let parcels = texts(&w.connect(SHOP)?, "SELECT item FROM parcel")?;
                assert_eq!(parcels, [told]);
            }
            Ok(())
        });
        test.faults([Fault::SyncKeepsCache]).killed_first().depth(2).without_audit()
    });
}
