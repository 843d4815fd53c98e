//! What waits for its time: scheduled messages, and settled ones that are to leave the log.

use super::dead::{deliver_from_stock, fill_up, from_stock, redrive, two_sold};
use super::held::held;
use super::programs::{
    DEPOT, SHOP, Sale, Shop, TO_DEPOT, count, deliver, depot, found, none, sent, stay_open,
};
use crate::support::numbers;
use std::time::Duration;
use surehand::testing::{CrashTest, Failed, World};
use surehand::{Relay, Subscription};

/// The clock of a world begins anew after a crash, a minute later than before: what was due before
/// the crash is still due after it.
const LATER: Duration = Duration::from_secs(30);

/// A sale for later, and one for now.
pub(crate) fn scheduled() -> CrashTest {
    let test = CrashTest::new("scheduled").given(found).scenario(|w| {
        stay_open(w, &[SHOP, DEPOT])?;
        let mut shop = Shop::open(w)?;
        shop.sell(w, Sale { delay: LATER, ..Sale::new(1) })?;
        shop.sell(w, Sale::new(2))?;
        deliver(w)?;
        if sent(w, DEPOT)? == [2, 1] {
            w.reached("it came when it was due");
        }
        Ok(())
    });
    held(test.must_reach(["it came when it was due"]).recover(deliver))
}

fn deliver_and_keep(w: &World) -> Result<(), Failed> {
    let link = w.link(depot(w, DEPOT, from_stock)?);
    let relay = Relay::open(w.database(SHOP))?.keep_settled(LATER);
    Ok(w.run(relay.subscribe(Subscription::new(TO_DEPOT), link))?)
}

/// The log is emptied of what is settled, and not of a dead letter in the midst of it.
pub(crate) fn pruning() -> CrashTest {
    const LOG: &str = "SELECT seq FROM outbox_message";
    let test = CrashTest::new("pruning").given(|w| {
        Shop::open(w)?.sell(w, Sale::new(0))?;
        two_sold(w)?;
        Shop::open(w)?.sell(w, Sale::new(3))?;
        deliver_and_keep(w)
    });
    let test = test.scenario(|w| {
        let before = count(w, SHOP, "SELECT count(*) FROM outbox_message")?;
        deliver_from_stock(w)?;
        if before > 2 && numbers(w, SHOP, LOG)? == [2, 3] {
            w.reached("all but the dead one and its key is gone");
        }
        Ok(())
    });
    let test = test.must_reach(["all but the dead one and its key is gone"]).recover(|w| {
        fill_up(w)?;
        redrive(w)?;
        deliver_from_stock(w)
    });
    held(test).invariant("the log is empty", |w| none(w, SHOP, LOG, "messages"))
}
