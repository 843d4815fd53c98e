//! A message that fails holds back its own key, and nobody else's.

use super::held::held;
use super::programs::{DEPOT, SHOP, Sale, Shop, found, relay, send, sent, stay_open};
use surehand::testing::{CrashTest, Failed, World};
use surehand::{Effect, Failure, crash_point};

/// The first sale fails at its first attempt.
fn at_the_second_attempt(tx: &Effect<'_>, sale: i64) -> Result<(), Failure> {
    if sale == 1 && tx.envelope().attempt() == 1 {
        crash_point!("the first one fails");
        return Err(Failure::retry("the shelf is empty"));
    }
    send(tx, sale)
}

fn deliver_in_the_end(w: &World) -> Result<(), Failed> {
    Ok(w.run(relay(w, at_the_second_attempt)?)?)
}

/// Two sales of one key and one of another: the first one fails, and the second waits for it.
pub(crate) fn keys() -> CrashTest {
    let test = CrashTest::new("keys").given(|w| {
        found(w)?;
        let mut shop = Shop::open(w)?;
        shop.sell(w, Sale::of(1, "north"))?;
        shop.sell(w, Sale::of(2, "north"))?;
        shop.sell(w, Sale::of(3, "south"))
    });
    let test = test.scenario(|w| {
        stay_open(w, &[SHOP, DEPOT])?;
        deliver_in_the_end(w)?;
        if sent(w, DEPOT)? == [3, 1, 2] {
            w.reached("the second waits, the other key does not");
        }
        Ok(())
    });
    let test = test.must_reach(["the first one fails", "the second waits, the other key does not"]);
    held(test.recover(deliver_in_the_end))
}
