//! F5: a commit that a power cut undoes frees the number of its row, whatever the table's key is
//! declared as. The next row gets it, and who remembers messages by number takes it for the one
//! before.

use super::{SHOP, enqueue, loses, texts};
use std::time::Duration;
use surehand::rusqlite::Connection;
use surehand::testing::{CrashTest, Failed, Verdict, World};
use surehand::{Effect, Inbox, Message, MessageId, Outbox};

const DEPOT: &str = "depot/depot.db";
const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// With this `synchronous` the program sells this, and sends all that it has sold.
type Run = fn(&World, &str, &str) -> Result<(), Failed>;

/// Sells milk on a connection that a power cut may undo, and bread after the crash.
fn selling(given: fn(&World) -> Result<(), Failed>, run: Run) -> Verdict {
    let test = CrashTest::new("sale").given(given);
    let test = test.scenario(move |w| run(w, "NORMAL", "milk")).recover(move |w| {
        run(w, "EXTRA", "bread")?;
        w.promised("item", "bread");
        Ok(())
    });
    let test = test.invariant("what was promised is sent", |w| {
        let sent = texts(&w.connect(DEPOT)?, "SELECT item FROM parcel")?;
        assert!(w.promises("item").iter().all(|item| sent.contains(item)), "{sent:?}");
        Ok(())
    });
    test.run()
}

fn shop(w: &World, synchronous: &str) -> Result<Connection, Failed> {
    let db = w.connect(SHOP)?;
    db.pragma_update(None, "synchronous", synchronous)?;
    Ok(db)
}

fn depot(w: &World) -> Result<Connection, Failed> {
    let db = w.connect(DEPOT)?;
    db.execute_batch(
        "PRAGMA journal_mode = WAL; PRAGMA synchronous = EXTRA; \
         CREATE TABLE IF NOT EXISTS seen (id INTEGER PRIMARY KEY); \
         CREATE TABLE IF NOT EXISTS parcel (item TEXT)",
    )?;
    Ok(db)
}

/// Sells, and sends by number.
fn sell_by_number(w: &World, synchronous: &str, item: &str) -> Result<(), Failed> {
    let db = shop(w, synchronous)?;
    db.execute("INSERT INTO sale (item) VALUES (?1)", [item])?;
    let mut depot = depot(w)?;
    let ids = texts(&db, "SELECT CAST(id AS TEXT) FROM sale ORDER BY id")?;
    let items = texts(&db, "SELECT item FROM sale ORDER BY id")?;
    for (id, item) in ids.into_iter().zip(items) {
        let tx = depot.transaction()?;
        if tx.execute("INSERT OR IGNORE INTO seen VALUES (?1)", [id])? == 1 {
            tx.execute("INSERT INTO parcel VALUES (?1)", [item])?;
        }
        tx.commit()?;
    }
    Ok(())
}

#[test]
fn a_message_that_is_known_by_its_number_is_taken_for_a_lost_one() {
    let given = |w: &World| {
        w.connect(SHOP)?.execute_batch(
            "PRAGMA journal_mode = WAL; \
             CREATE TABLE sale (id INTEGER PRIMARY KEY AUTOINCREMENT, item TEXT)",
        )?;
        depot(w).map(drop)
    };
    loses(selling(given, sell_by_number), "what was promised is sent");
}

fn open_both(w: &World) -> Result<(), Failed> {
    Outbox::open(w.database(SHOP))?;
    inbox(w).map(drop)
}

fn inbox(w: &World) -> Result<Inbox, Failed> {
    drop(depot(w)?);
    let inbox = Inbox::open(w.database(DEPOT))?;
    Ok(inbox.on("sold", |tx: &Effect, item: Vec<u8>| {
        tx.execute("INSERT INTO parcel VALUES (CAST(?1 AS TEXT))", [item])?;
        Ok(())
    }))
}

/// Sends what is there by hand: the relay would sync it first.
fn send(w: &World, outbox: &Outbox, db: &Connection) -> Result<(), Failed> {
    let mut inbox = inbox(w)?;
    for sold in outbox.pending(db)? {
        let message = Message::new(sold.topic()).payload(sold.payload());
        let _ = inbox.receive("shop", DAY, sold.id(), sold.created_at_ms(), message)?;
    }
    Ok(())
}

#[test]
fn a_message_has_an_id_that_is_never_given_again() {
    let run = |w: &World, synchronous: &str, item: &str| {
        let outbox = Outbox::open(w.database(SHOP))?;
        let mut db = shop(w, synchronous)?;
        enqueue(&mut db, &outbox, item)?;
        send(w, &outbox, &db)
    };
    let _ = selling(open_both, run).assert_survived();
}

/// The id is the outbox's own unless it is told one.
#[test]
fn a_message_that_is_given_a_number_for_its_id_is_taken_for_a_lost_one() {
    let run = |w: &World, synchronous: &str, item: &str| {
        let outbox = Outbox::open(w.database(SHOP))?;
        let mut db = shop(w, synchronous)?;
        let tx = db.transaction()?;
        let number = outbox.pending(&tx)?.len() as u128 + 1;
        let id = MessageId::from_bytes(number.to_be_bytes());
        outbox.enqueue(&tx, Message::new("sold").id(id).payload(item))?;
        outbox.commit(tx)?;
        send(w, &outbox, &db)
    };
    loses(selling(open_both, run), "what was promised is sent");
}
