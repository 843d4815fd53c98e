//! A relay delivers; and takes over from one that died.

use super::held::held;
use super::programs::{
    DEPOT, SHOP, Sale, Shop, count, deliver, found, found_as_usual, relay, send, sent, stay_open,
};
use surehand::testing::{CrashTest, Failed, World};

fn sell_two(w: &World) -> Result<(), Failed> {
    let mut shop = Shop::open(w)?;
    shop.sell(w, Sale::of(1, "north"))?;
    shop.sell(w, Sale::of(2, "north"))
}

/// Starts again and goes on selling: the places that follow are not taken for old ones.
pub(super) fn go_on(w: &World) -> Result<(), Failed> {
    Shop::open(w)?.sell_once(w, Sale::of(9, "north"))?;
    deliver(w)
}

/// Two sales are sent.
pub(crate) fn deliver_two() -> CrashTest {
    let test = CrashTest::new("deliver").given(|w| {
        found_as_usual(w)?;
        sell_two(w)
    });
    let test = test.scenario(|w| {
        deliver(w)?;
        if sent(w, DEPOT)? == [1, 2] {
            w.reached("both are sent");
        }
        Ok(())
    });
    held(test.must_reach(["both are sent"]).recover(go_on))
}

/// A relay dies when its messages have been applied, and before it has heard of that. One that
/// stood by goes on, with what it knew of the store from before.
pub(crate) fn take_over() -> CrashTest {
    let test = CrashTest::new("take over").given(found).scenario(|w| {
        stay_open(w, &[SHOP, DEPOT])?;
        let (first, standby) = (relay(w, send)?, relay(w, send)?);
        sell_two(w)?;
        w.kill_when(first, |w| sent(w, DEPOT).is_ok_and(|sent| sent.len() == 2))?;
        w.reached("the first one died");
        w.run(standby)?;
        let again = "SELECT duplicates FROM inbox_source";
        if count(w, DEPOT, again)? > 0 {
            w.reached("it was delivered again");
        }
        Ok(())
    });
    let test = test.must_reach(["the first one died", "it was delivered again"]);
    held(test.recover(go_on))
}
