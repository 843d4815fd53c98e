//! Messages beside business rows: together or not at all, whatever the customer is told.

use super::held::held;
use super::programs::{Sale, Shop, deliver, found_as_usual};
use std::time::Duration;
use surehand::Message;
use surehand::testing::{CrashTest, Failed};

/// One that the customer asks for again, not knowing whether it was made.
const ASKED_TWICE: Sale = Sale { number: 3, key: None, delay: Duration::ZERO, repeatable: true };

/// Sales that are committed, given up in a savepoint, and rolled back.
pub(crate) fn enqueue() -> CrashTest {
    let test = CrashTest::new("enqueue").given(found_as_usual).scenario(|w| {
        let mut shop = Shop::open(w)?;
        given_up_in_part(&mut shop)?;
        w.promised("sale", 1);
        let outbox = shop.outbox.clone();
        let tx = shop.begin()?;
        Sale::new(2).write(&outbox, &tx)?;
        tx.rollback()?;
        w.promised("no sale", 2);
        w.reached("a sale was rolled back");
        shop.sell(w, ASKED_TWICE)?;
        shop.sell(w, Sale::new(4))
    });
    let test = test.must_reach(["a sale was rolled back"]).recover(|w| {
        Shop::open(w)?.sell(w, ASKED_TWICE)?;
        deliver(w)
    });
    held(test)
}

/// Sale 1 is made, and sale 8 is not, in the same transaction.
fn given_up_in_part(shop: &mut Shop) -> Result<(), Failed> {
    let outbox = shop.outbox.clone();
    let mut tx = shop.begin()?;
    Sale::new(1).write(&outbox, &tx)?;
    let mut part = tx.savepoint()?;
    outbox.enqueue(&part, Message::new("sale").json(&8)?)?;
    part.rollback()?;
    drop(part);
    Ok(outbox.commit(tx)?)
}
