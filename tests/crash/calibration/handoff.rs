//! What each setting of the application's connection means for a message: enqueued with its
//! business row, and sent to a depot on another machine.

use crate::support::column;
use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use surehand::rusqlite::Connection;
use surehand::testing::{CrashTest, Failed, World};
use surehand::{Effect, Inbox, Json, Message, Outbox, Relay};

const SHOP: &str = "shop/shop.db";
const DEPOT: &str = "depot/depot.db";

fn depot(w: &World) -> Result<Inbox, Failed> {
    let db = w.connect(DEPOT)?;
    db.execute_batch("CREATE TABLE IF NOT EXISTS parcel (sale INTEGER)")?;
    drop(db);
    let inbox = Inbox::open(w.database(DEPOT))?;
    Ok(inbox.on("sale", |tx: &Effect, sale: Json<i64>| {
        tx.execute("INSERT INTO parcel VALUES (?1)", [*sale])?;
        Ok(())
    }))
}

fn deliver(w: &World) -> Result<(), Failed> {
    Ok(w.run(Relay::open(w.database(SHOP))?.deliver_to(w.link(depot(w)?)))?)
}

/// The first sale is delivered, the second one is not.
fn selling(test: CrashTest, journal_mode: &'static str, synchronous: &'static str) -> CrashTest {
    let test = test.given(move |w| {
        w.connect(SHOP)?.execute_batch(&format!(
            "PRAGMA journal_mode = {journal_mode}; CREATE TABLE sale (id INTEGER PRIMARY KEY)"
        ))?;
        deliver(w)
    });
    let test = test.scenario(move |w| {
        let outbox = Outbox::open(w.database(SHOP))?;
        let mut db = w.connect(SHOP)?;
        db.pragma_update(None, "synchronous", synchronous)?;
        assert_eq!(outbox.durability_of(&db)?.journal_mode, journal_mode.to_lowercase());
        for sale in 1..=2 {
            let tx = db.transaction()?;
            tx.execute("INSERT INTO sale VALUES (?1)", [sale])?;
            outbox.enqueue(&tx, Message::new("sale").json(&sale)?)?;
            outbox.commit(tx)?;
            w.promised("sale", sale);
            if sale == 1 {
                deliver(w)?;
            }
        }
        if outbox.durability_of(&db)?.survives_power_cut() {
            w.reached("it says that it survives");
        }
        Ok(())
    });
    let test = test.invariant("a message is there if and only if its row is", |w| {
        let sales = ids(&w.connect(SHOP)?, "SELECT id FROM sale")?;
        let sent = ids(&w.connect(DEPOT)?, "SELECT sale FROM parcel")?;
        let waiting =
            ids(&w.connect(SHOP)?, "SELECT CAST(payload AS INTEGER) FROM outbox_message")?;
        assert_eq!(sales, &sent | &waiting);
        Ok(())
    });
    test.invariant("nobody has received what is gone", |w| {
        let sales = ids(&w.connect(SHOP)?, "SELECT id FROM sale")?;
        let sent = ids(&w.connect(DEPOT)?, "SELECT sale FROM parcel")?;
        assert!(sent.is_subset(&sales), "{sent:?} of {sales:?}");
        Ok(())
    })
}

fn ids(db: &Connection, sql: &str) -> Result<BTreeSet<i64>, Failed> {
    Ok(column(db, sql)?.into_iter().collect())
}

fn lacks_a_promise(w: &World) -> Result<bool, Failed> {
    let sales = ids(&w.connect(SHOP)?, "SELECT id FROM sale")?;
    Ok(w.promises("sale").iter().any(|sale| !sales.contains(&sale.parse().unwrap())))
}

/// In how many states a message is missing that was promised.
#[track_caller]
fn losing(test: CrashTest, journal_mode: &'static str, synchronous: &'static str) -> u64 {
    let missing = Arc::new(AtomicU64::new(0));
    let noting = Arc::clone(&missing);
    let test = selling(test, journal_mode, synchronous).invariant("it is noted", move |w| {
        noting.fetch_add(u64::from(lacks_a_promise(w)?), Ordering::Relaxed);
        Ok(())
    });
    let _ = test.run().assert_survived();
    missing.load(Ordering::Relaxed)
}

#[track_caller]
fn is_durable(journal_mode: &'static str, synchronous: &'static str) {
    let test = CrashTest::new("durable").must_reach(["it says that it survives"]);
    assert_eq!(losing(test, journal_mode, synchronous), 0);
}

#[track_caller]
fn may_be_undone_by_a_power_cut_and_never_by_a_kill(
    journal_mode: &'static str,
    synchronous: &'static str,
) {
    assert_eq!(losing(CrashTest::new("killed").killed_first(), journal_mode, synchronous), 0);
    assert!(losing(CrashTest::new("power"), journal_mode, synchronous) > 0);
}

#[test]
fn a_message_enqueued_with_wal_full_is_durable() {
    is_durable("WAL", "FULL");
}

#[test]
fn a_message_enqueued_with_delete_extra_is_durable() {
    is_durable("DELETE", "EXTRA");
}

#[test]
fn a_message_enqueued_with_wal_normal_goes_with_its_row_or_stays_with_it() {
    may_be_undone_by_a_power_cut_and_never_by_a_kill("WAL", "NORMAL");
}

#[test]
fn a_message_enqueued_with_delete_full_goes_with_its_row_or_stays_with_it() {
    may_be_undone_by_a_power_cut_and_never_by_a_kill("DELETE", "FULL");
}
