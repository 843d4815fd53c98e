//! A store of an older schema is opened: its rows stay, and it is upgraded wholly or not at all.

use super::held::held;
use super::programs::{DEPOT, SHOP, Sale, Shop, count, deliver, found_depot};
use std::path::Path;
use surehand::rusqlite::Connection;
use surehand::testing::{CrashTest, Failed};

/// The schema as the first so many migrations of a component leave it.
fn older(db: &Connection, component: &str, version: usize) -> Result<(), Failed> {
    if version == 0 {
        return Ok(());
    }
    for number in 1..=version {
        db.execute_batch(&std::fs::read_to_string(migration(component, number))?)?;
    }
    db.execute_batch(&format!(
        "CREATE TABLE {component}_schema (version INTEGER NOT NULL);
         INSERT INTO {component}_schema VALUES ({version})"
    ))?;
    let identity = if component == "outbox" {
        "INSERT INTO outbox_store (one, uuid) VALUES (1, randomblob(16))"
    } else {
        "INSERT INTO inbox_store (one) VALUES (1)"
    };
    Ok(db.execute_batch(identity)?)
}

fn migration(component: &str, number: usize) -> std::path::PathBuf {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("migrations");
    root.join(component).join(format!("{number:04}.sql"))
}

/// How many versions of a schema there were before today's, the one with no tables counted.
pub(super) fn versions(component: &str) -> usize {
    (1..).take_while(|number| migration(component, *number).exists()).count()
}

/// From the version before today's.
pub(crate) fn upgrade() -> CrashTest {
    from(versions("outbox") - 1, versions("inbox") - 1)
}

/// From these versions, in stores whose journal mode is not ours to change.
pub(crate) fn from(outbox: usize, inbox: usize) -> CrashTest {
    let test = CrashTest::new("upgrade").given(move |w| {
        let db = w.connect(SHOP)?;
        db.execute_batch("CREATE TABLE till (coin); INSERT INTO till VALUES (1), (2), (5)")?;
        older(&db, "outbox", outbox)?;
        let db = w.connect(DEPOT)?;
        db.execute_batch("CREATE TABLE shelf (thing); INSERT INTO shelf VALUES ('a')")?;
        older(&db, "inbox", inbox)
    });
    let test = test.scenario(move |w| {
        w.promised("identity", Shop::open(w)?.outbox.store_id());
        found_depot(w, DEPOT)?;
        w.reached("both are upgraded");
        Ok(())
    });
    let test = test.must_reach(["both are upgraded"]).recover(|w| {
        Shop::open(w)?.sell_once(w, Sale::new(9))?;
        found_depot(w, DEPOT)?;
        deliver(w)
    });
    let test = test.invariant("what was there before is there, and the identity stays", |w| {
        assert_eq!(count(w, SHOP, "SELECT sum(coin) FROM till")?, 8);
        assert_eq!(count(w, DEPOT, "SELECT count(*) FROM shelf")?, 1);
        let id = "SELECT lower(hex(uuid)) FROM outbox_store";
        let id: String = w.look(SHOP, |db| db.query_row(id, [], |row| row.get(0)))?;
        let same = |promised: &String| promised.replace('-', "") == id;
        assert!(w.promises("identity").iter().all(same), "{id}");
        Ok(())
    });
    held(test)
}
