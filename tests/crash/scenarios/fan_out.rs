//! Two sales, two destinations.

use super::held::Held;
use super::programs::{DEPOT, SHOP, Sale, Shop, TO_DEPOT, depot, found_depot, none, send, sent};
use surehand::testing::{CrashTest, Failed, World};
use surehand::{Relay, Subscription};

const BANK: &str = "bank/bank.db";

fn deliver_to_both(w: &World) -> Result<(), Failed> {
    let relay = Relay::open(w.database(SHOP))?
        .subscribe(Subscription::new(TO_DEPOT), w.link(depot(w, DEPOT, send)?))
        .subscribe(Subscription::new("bank"), w.link(depot(w, BANK, send)?));
    Ok(w.run(relay)?)
}

/// Two sales reach the depot and the bank, and leave the log when both have it.
pub(crate) fn fan_out() -> CrashTest {
    let test = CrashTest::new("fan out").given(|w| {
        found_depot(w, DEPOT)?;
        found_depot(w, BANK)?;
        let mut shop = Shop::open(w)?;
        deliver_to_both(w)?;
        shop.sell(w, Sale::of(1, "north"))?;
        shop.sell(w, Sale::of(2, "north"))
    });
    let test = test.scenario(|w| {
        deliver_to_both(w)?;
        if sent(w, DEPOT)? == [1, 2] && sent(w, BANK)? == [1, 2] {
            w.reached("both have both");
        }
        Ok(())
    });
    let test = test.must_reach(["both have both"]).recover(deliver_to_both);
    let test = test.invariant("the log is empty", |w| {
        none(w, SHOP, "SELECT seq FROM outbox_message", "messages")
    });
    Held { depots: &[DEPOT, BANK], ..Held::default() }.in_test(test)
}
