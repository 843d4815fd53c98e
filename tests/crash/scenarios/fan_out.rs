//! One sale, two destinations.

use super::held::Held;
use super::programs::{DEPOT, SHOP, Sale, Shop, TO_DEPOT, depot, found_depot, send};
use surehand::testing::{CrashTest, Failed, World};
use surehand::{Relay, Subscription};

const BANK: &str = "bank/bank.db";

fn deliver_to_both(w: &World) -> Result<(), Failed> {
    let relay = Relay::open(w.database(SHOP))?
        .subscribe(Subscription::new(TO_DEPOT), w.link(depot(w, DEPOT, send)?))
        .subscribe(Subscription::new("bank"), w.link(depot(w, BANK, send)?));
    Ok(w.run(relay)?)
}

/// A sale reaches the depot and the bank, and leaves the log when both have it.
pub(crate) fn fan_out() -> CrashTest {
    let test = CrashTest::new("fan out").given(|w| {
        found_depot(w, DEPOT)?;
        found_depot(w, BANK)?;
        let mut shop = Shop::open(w)?;
        deliver_to_both(w)?;
        shop.sell(w, Sale::new(1))
    });
    let test = test.scenario(deliver_to_both).recover(deliver_to_both);
    Held { depots: &[DEPOT, BANK], ..Held::default() }.in_test(test)
}
