//! The schema comes into a database that was there, or a newer one takes the place of an older: its
//! rows stay, and it comes wholly or not at all.

use super::dead::{deliver_from_stock, fill_up, from_stock, one_dead, redrive};
use super::held::held;
use super::programs::{
    DEPOT, SHOP, Sale, Shop, count, deliver, found_depot, relay, sent, stay_open,
};
use surehand::testing::{CrashTest, Failed, Mistake, World};

/// Opens both stores, which brings their schemas up to date.
fn open_both(w: &World) -> Result<(), Failed> {
    w.promised("identity", Shop::open(w)?.outbox.store_id());
    found_depot(w, DEPOT)
}

fn identity_stays(w: &World) -> Result<(), Failed> {
    let id = "SELECT lower(hex(uuid)) FROM outbox_store";
    let id: String = w.look(SHOP, |db| db.query_row(id, [], |row| row.get(0)))?;
    let same = |promised: &String| promised.replace('-', "") == id;
    assert!(w.promises("identity").iter().all(same), "{id}");
    Ok(())
}

/// Into databases whose journal mode is not ours to change.
pub(crate) fn arrival() -> CrashTest {
    let test = CrashTest::new("arrival").given(|w| {
        let till = "CREATE TABLE till (coin); INSERT INTO till VALUES (1), (2), (5)";
        w.connect(SHOP)?.execute_batch(till)?;
        let shelf = "CREATE TABLE shelf (thing); INSERT INTO shelf VALUES ('a')";
        Ok(w.connect(DEPOT)?.execute_batch(shelf)?)
    });
    let test = test.scenario(|w| {
        open_both(w)?;
        w.reached("both have come");
        Ok(())
    });
    let test = test.must_reach(["both have come"]).recover(|w| {
        Shop::open(w)?.sell_once(w, Sale::new(9))?;
        found_depot(w, DEPOT)?;
        deliver(w)
    });
    let test = test.invariant("what was there before is there, and the identity stays", |w| {
        assert_eq!(count(w, SHOP, "SELECT sum(coin) FROM till")?, 8);
        assert_eq!(count(w, DEPOT, "SELECT count(*) FROM shelf")?, 1);
        identity_stays(w)
    });
    held(test)
}

/// Sale 1 is dead, 2 is parked behind it, 3 is sent and not acknowledged, 4 is pending.
fn one_of_each(w: &World) -> Result<(), Failed> {
    one_dead(w)?;
    let mut shop = Shop::open(w)?;
    shop.sell(w, Sale::new(3))?;
    w.kill_when(relay(w, from_stock)?, |w| sent(w, DEPOT).is_ok_and(|sent| sent == [3]))?;
    shop.sell(w, Sale::new(4))?;
    let states = "SELECT count(*) FROM outbox_delivery WHERE state IN ('dead', 'parked')";
    assert_eq!(count(w, SHOP, states)?, 2);
    assert_eq!(count(w, DEPOT, "SELECT count(*) FROM inbox_seen")?, 1);
    w.promised("identity", shop.outbox.store_id());
    Ok(())
}

/// From today's schema to one that is to come, which writes the rows of two tables anew.
pub(crate) fn upgrade() -> CrashTest {
    let test = CrashTest::new("upgrade").given(one_of_each).mistake(Mistake::SchemaToCome);
    let test = test.scenario(|w| {
        stay_open(w, &[SHOP, DEPOT])?;
        open_both(w)
    });
    let test = test.recover(|w| {
        open_both(w)?;
        fill_up(w)?;
        redrive(w)?;
        deliver_from_stock(w)
    });
    let test = test.invariant("both have the schema that was to come, and the identity", |w| {
        assert_eq!(count(w, SHOP, "SELECT version FROM outbox_schema")?, 2);
        assert_eq!(count(w, DEPOT, "SELECT version FROM inbox_schema")?, 3);
        identity_stays(w)
    });
    held(test)
}
