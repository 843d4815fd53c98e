//! What the library promises, after every crash and fault of a sale that is sent to a depot.

use crate::report;
use crate::support::{either, is_long, numbers};
use std::time::Duration;
use surehand::rusqlite::Connection;
use surehand::testing::{CrashTest, Failed, Fault, Profile, World};
use surehand::{Effect, Inbox, Json, Message, Outbox, Relay, Subscription};

fn shop(w: &World) -> Result<(Outbox, Connection), Failed> {
    let outbox = Outbox::open(w.database("shop/shop.db"))?;
    let db = w.connect("shop/shop.db")?;
    db.pragma_update(None, "synchronous", "FULL")?;
    db.execute_batch("CREATE TABLE IF NOT EXISTS sale (id INTEGER PRIMARY KEY)")?;
    Ok((outbox, db))
}

fn deliver(w: &World) -> Result<(), Failed> {
    let db = w.connect("depot/depot.db")?;
    db.execute_batch("CREATE TABLE IF NOT EXISTS parcel (sale INTEGER)")?;
    drop(db);
    let inbox = Inbox::open(w.database("depot/depot.db"))?;
    let inbox = inbox.on("sale.made", |tx: &Effect, sale: Json<i64>| {
        tx.execute("INSERT INTO parcel (sale) VALUES (?1)", [*sale])?;
        Ok(())
    });
    let relay = Relay::open(w.database("shop/shop.db"))?;
    w.run(relay.subscribe(Subscription::new("depot"), w.link(inbox)))?;
    Ok(())
}

fn selling(sales: i64) -> CrashTest {
    CrashTest::new("sale")
        .scenario(move |w| {
            let (outbox, mut db) = shop(w)?;
            for sale in 1..=sales {
                let tx = db.transaction()?;
                tx.execute("INSERT INTO sale (id) VALUES (?1)", [sale])?;
                outbox.enqueue(&tx, Message::new("sale.made").json(&sale)?)?;
                tx.commit()?;
                w.promised("sale", sale);
                deliver(w)?;
            }
            Ok(())
        })
        .recover(|w| {
            shop(w)?;
            deliver(w)
        })
        .invariant("what was promised is sold, and every sale is sent once", |w| {
            let sales = numbers(w, "shop/shop.db", "SELECT id FROM sale ORDER BY id")?;
            let sent = numbers(w, "depot/depot.db", "SELECT sale FROM parcel ORDER BY sale")?;
            assert_eq!(sales, sent);
            for promised in w.promises("sale") {
                assert!(sales.contains(&promised.parse()?), "{promised} of {sales:?}");
            }
            Ok(())
        })
}

/// In a shop that has sold before.
fn selling_on(sales: i64) -> CrashTest {
    selling(sales).given(|w| {
        shop(w)?;
        deliver(w)
    })
}

/// What a test may take in the long form, and in the short one.
fn seconds(long: u64, short: u64) -> Duration {
    Duration::from_secs(either(long, short))
}

#[test]
fn whenever_power_goes_a_sale_is_sent_once() {
    let test = selling_on(either(10, 1)).budget(seconds(40, 6));
    let counts = report::survived("sales", test.run());
    assert!(counts.states > 300, "{counts}");
}

#[test]
fn whatever_fails_a_sale_is_sent_once() {
    let few = vec![Fault::Sync, Fault::SyncKeepsCache, Fault::SyncRevertsCache];
    let faults = if is_long() { Fault::ALL.to_vec() } else { few };
    let test = selling_on(1).faults(faults).budget(seconds(40, 12));
    let counts = report::survived("faults", test.run());
    assert!(counts.fault_kinds >= 3 && counts.failed_runs > 0, "{counts}");
}

#[test]
fn a_crash_while_it_starts_again_changes_nothing() {
    let test = selling_on(1).depth(2).budget(seconds(20, 5));
    let counts = report::survived("recovery", test.run());
    assert!(counts.recovery_states > 100, "{counts}");
}

#[test]
fn on_a_disk_of_small_sectors_a_sale_is_sent_once() {
    let test = selling_on(1).profile(Profile::Harsh).budget(seconds(40, 6));
    let counts = report::survived("small-sectors", test.run());
    assert!(counts.states > 100, "{counts}");
}

#[test]
fn on_a_disk_that_lies_a_sale_is_lost() {
    let verdict = selling_on(1).profile(Profile::Lying).run();
    let story = verdict.to_string();
    let _ = verdict.assert_lost();
    assert!(story.contains("power cut at") && story.contains("lost: "), "{story}");
}
