//! Dead letters: how one comes to be, and each thing that a person may do with it.

use super::held::{Held, held, promise};
use super::programs::{
    DEPOT, SHOP, Sale, Shop, TO_DEPOT, count, deliver, found, relay, send, stay_open,
};
use surehand::operator::DeadLetter;
use surehand::testing::{CrashTest, Failed, World};
use surehand::{Effect, Failure, Message, Operator};

/// Sale 1 is not in stock until somebody fills it up; or it is asked for in another way. At its
/// second attempt it has to wait once more.
pub(super) fn from_stock(tx: &Effect<'_>, sale: i64) -> Result<(), Failure> {
    let in_stock: i64 = tx.query_row("SELECT count(*) FROM stock", [], |row| row.get(0))?;
    if sale == 1 && in_stock == 0 && tx.envelope().revision() == 0 {
        return Err(Failure::permanent("not in stock"));
    }
    if sale == 1 && tx.envelope().attempt() == 2 {
        return Err(Failure::retry("not unpacked"));
    }
    send(tx, sale)
}

pub(super) fn deliver_from_stock(w: &World) -> Result<(), Failed> {
    Ok(w.run(relay(w, from_stock)?)?)
}

/// Somebody fills up the stock of the depot.
pub(super) fn fill_up(w: &World) -> Result<(), Failed> {
    Ok(w.connect(DEPOT)?.execute_batch("INSERT OR IGNORE INTO stock VALUES (1)")?)
}

/// Two sales of one key: the first will be refused.
pub(super) fn two_sold(w: &World) -> Result<(), Failed> {
    found(w)?;
    w.connect(DEPOT)?.execute_batch("CREATE TABLE stock (shelf INTEGER PRIMARY KEY)")?;
    let mut shop = Shop::open(w)?;
    shop.sell(w, Sale::of(1, "north"))?;
    shop.sell(w, Sale::of(2, "north"))
}

/// The first is dead, and the second waits behind it.
pub(super) fn one_dead(w: &World) -> Result<(), Failed> {
    two_sold(w)?;
    deliver_from_stock(w)
}

fn letters(operator: &mut Operator) -> Result<Vec<DeadLetter>, Failed> {
    Ok(operator.dead_letters(TO_DEPOT)?.list(0, 10)?)
}

/// Delivers all letters again, unless that was done.
pub(super) fn redrive(w: &World) -> Result<(), Failed> {
    Operator::open(w.database(SHOP))?.dead_letters(TO_DEPOT)?.redrive_all()?;
    w.promised("redriven", "all");
    Ok(())
}

/// A refused message dies, its key waits, and a redrive delivers both.
pub(crate) fn dead_letter() -> CrashTest {
    let test = CrashTest::new("dead letter").given(two_sold).scenario(|w| {
        stay_open(w, &[SHOP, DEPOT])?;
        deliver_from_stock(w)?;
        let states = "SELECT count(*) FROM outbox_delivery WHERE state IN ('dead', 'parked')";
        if count(w, SHOP, states)? == 2 {
            w.reached("one is dead, one waits behind it");
        }
        fill_up(w)?;
        redrive(w)?;
        deliver_from_stock(w)
    });
    let test = test.must_reach(["one is dead, one waits behind it"]).recover(|w| {
        fill_up(w)?;
        // A redrive that was promised is not asked for again.
        if w.promises("redriven").is_empty() {
            redrive(w)?;
        }
        deliver_from_stock(w)
    });
    held(test)
}

/// A person skips the dead one: its key goes on, and it never has an effect.
pub(crate) fn skip() -> CrashTest {
    fn skip_it(w: &World) -> Result<(), Failed> {
        let mut operator = Operator::open(w.database(SHOP))?;
        for letter in letters(&mut operator)? {
            operator.dead_letters(TO_DEPOT)?.skip(&letter)?;
        }
        w.promised("skipped", 1);
        Ok(())
    }
    let test = CrashTest::new("skip").given(one_dead).scenario(|w| {
        stay_open(w, &[SHOP, DEPOT])?;
        skip_it(w)?;
        deliver(w)
    });
    let test = test.recover(|w| {
        if w.promises("skipped").is_empty() {
            skip_it(w)?;
        }
        deliver(w)
    });
    let test = test.invariant(promise::SKIP_TOLD, |w| {
        let confirmed = "SELECT count(*) FROM outbox_skip WHERE seq = 1 AND state = 'confirmed'";
        assert_eq!(count(w, SHOP, confirmed)?, 1);
        Ok(())
    });
    Held { skipped: &[1], ..Held::default() }.in_test(test)
}

/// A person puts other content in its place: that is applied, and the shop knows it.
pub(crate) fn replace() -> CrashTest {
    fn replace_it(w: &World) -> Result<(), Failed> {
        let mut operator = Operator::open(w.database(SHOP))?;
        for letter in letters(&mut operator)? {
            let other = Message::new("sale").json(&1)?;
            operator.dead_letters(TO_DEPOT)?.replace(&letter, other)?;
        }
        w.promised("replaced", 1);
        Ok(())
    }
    let test = CrashTest::new("replace").given(one_dead).scenario(|w| {
        stay_open(w, &[SHOP, DEPOT])?;
        replace_it(w)?;
        deliver_from_stock(w)
    });
    let test = test.recover(|w| {
        if w.promises("replaced").is_empty() {
            replace_it(w)?;
        }
        deliver_from_stock(w)
    });
    let test = test.invariant("which revision was applied is known", |w| {
        let applied = "SELECT applied FROM outbox_replacement WHERE seq = 1";
        assert_eq!(count(w, SHOP, applied)?, 1);
        Ok(())
    });
    held(test)
}
