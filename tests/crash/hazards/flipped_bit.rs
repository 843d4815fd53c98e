//! F6: SQLite's pages have no checksum. A bit that flipped on the disk is mostly an error or
//! nothing at all, and sometimes it is other data.

use super::{SHOP, TOLD, enqueue, loses, tell, tell_all};
use surehand::Outbox;
use surehand::testing::{CrashTest, Failed, Fault, Verdict, World};

/// Fills a good part of a page.
fn text() -> String {
    "milk ".repeat(600)
}

/// One bit of one read flips while the programs run; no power cut is needed for that.
fn telling(
    given: fn(&World) -> Result<(), Failed>,
    tell: fn(&World) -> Result<(), Failed>,
) -> Verdict {
    let test = CrashTest::new("flip").given(given).scenario(tell).killed_first();
    let test = test.invariant("what somebody was told is what was written", |w| {
        assert!(w.promises(TOLD).iter().all(|told| *told == text()), "it is not");
        Ok(())
    });
    test.faults([Fault::BitFlip]).run()
}

/// Messages by the outbox, in a file that a relay has served before.
fn enqueued(w: &World) -> Result<(), Failed> {
    tell(w)?;
    let outbox = Outbox::open(w.database(SHOP))?;
    (0..10).try_for_each(|_| enqueue(&mut w.connect(SHOP)?, &outbox, &text()))
}

/// Messages by hand, as another program writes them: without a checksum.
fn inserted(w: &World) -> Result<(), Failed> {
    tell(w)?;
    let db = w.connect(SHOP)?;
    for _ in 0..10 {
        let sql = "INSERT INTO outbox_message (topic, payload) VALUES ('sold', ?1)";
        db.execute(sql, [text()])?;
    }
    Ok(())
}

#[test]
fn a_flipped_bit_is_read_as_data() {
    let given = |w: &World| {
        let db = w.connect(SHOP)?;
        db.execute_batch("CREATE TABLE note (text); CREATE TABLE start (number)")?;
        for _ in 0..10 {
            db.execute("INSERT INTO note VALUES (?1)", [text()])?;
        }
        Ok(())
    };
    let verdict = telling(given, |w| {
        let db = w.connect(SHOP)?;
        db.execute("INSERT INTO start VALUES (1)", [])?;
        tell_all(w, &db, "SELECT text FROM note")
    });
    loses(verdict, "BitFlip");
}

#[test]
fn a_message_with_a_flipped_bit_is_not_sent() {
    let counts = telling(enqueued, tell).assert_survived();
    assert!(counts.faults > 20, "{counts}");
}

#[test]
fn a_message_written_without_a_checksum_is_sent_with_the_flipped_bit() {
    loses(telling(inserted, tell), "BitFlip");
}
