//! Handlers and grounds that misbehave, while messages are delivered.

use super::held::held;
use super::programs::{
    DEPOT, SHOP, Sale, Shop, TO_DEPOT, count, deliver, depot, found, relay, send, stay_open,
};
use super::relay::go_on;
use std::sync::atomic::{AtomicUsize, Ordering};
use surehand::testing::{CrashTest, Failed, Fault, Link, World};
use surehand::transport::{Greeter, Hello, Request, Settler};
use surehand::{Effect, ErrorKind, Failure, Relay, Subscription, Transport, crash_point};

fn two_sold(w: &World) -> Result<(), Failed> {
    found(w)?;
    let mut shop = Shop::open(w)?;
    for number in 1..=2 {
        shop.sell(w, Sale::of(number, "north"))?;
    }
    Ok(())
}

/// The handler of sale 2 ends the batch's transaction at its first attempt, and writes on.
fn breaks_out_once(tx: &Effect<'_>, sale: i64) -> Result<(), Failure> {
    send(tx, sale)?;
    if sale == 2 && tx.envelope().attempt() == 1 {
        tx.execute_batch("ROLLBACK")?;
        crash_point!("the handler broke out");
        // Outside of any transaction, if nobody prevents it.
        let _ = send(tx, sale);
    }
    Ok(())
}

fn deliver_with_a_breakout(w: &World) -> Result<(), Failed> {
    Ok(w.run(relay(w, breaks_out_once)?)?)
}

/// A handler that escapes its transaction leaves nothing behind.
pub(crate) fn escape() -> CrashTest {
    let test = CrashTest::new("escape").given(two_sold).scenario(|w| {
        stay_open(w, &[SHOP, DEPOT])?;
        deliver_with_a_breakout(w)
    });
    held(test.must_reach(["the handler broke out"]).recover(deliver_with_a_breakout))
}

/// A way that nobody is at the end of, for the first requests.
struct Flaky {
    link: Link,
    refuses: AtomicUsize,
}

impl Transport for Flaky {
    fn deliver(&self, request: Request, settler: Settler) {
        let is_down = |left: usize| left.checked_sub(1);
        let before = self.refuses.fetch_update(Ordering::SeqCst, Ordering::SeqCst, is_down);
        if before.is_ok() {
            return settler.unreachable("the road is closed");
        }
        self.link.deliver(request, settler);
    }

    fn hello(&self, hello: Hello, greeter: Greeter) {
        self.link.hello(hello, greeter);
    }

    fn remembers(&self) -> bool {
        true
    }

    fn topics(&self) -> Vec<String> {
        self.link.topics()
    }
}

/// The destination is down, and comes up again: no message is blamed for it.
pub(crate) fn outage() -> CrashTest {
    let test = CrashTest::new("outage").given(two_sold).scenario(|w| {
        let link = w.link(depot(w, DEPOT, send)?);
        let way = Flaky { link, refuses: AtomicUsize::new(2) };
        w.run(Relay::open(w.database(SHOP))?.subscribe(Subscription::new(TO_DEPOT), way))?;
        if count(w, SHOP, "SELECT redelivered_outage FROM outbox_subscription")? > 0 {
            w.reached("it was down");
        }
        // A handler that gets no memory fails by itself: nothing to hold after every fault.
        if count(w, SHOP, "SELECT redelivered_failure FROM outbox_subscription")? == 0 {
            w.reached("nobody was blamed");
        }
        Ok(())
    });
    let test = test.must_reach(["it was down", "nobody was blamed"]);
    held(test.recover(deliver))
}

/// Delivers; a relay that finds no rest is killed after a while, because nobody makes room.
fn deliver_in_vain(w: &World) -> Result<(), Failed> {
    let steps = AtomicUsize::new(0);
    let is_in_vain = |_: &World| steps.fetch_add(1, Ordering::SeqCst) == 60;
    match w.kill_when(relay(w, send)?, is_in_vain) {
        Err(error) if error.kind() != ErrorKind::Stopped => Err(error.into()),
        _ => Ok(()),
    }
}

/// There is no room on one of the disks, once or for good, while a message is applied and settled.
pub(crate) fn full_disk() -> CrashTest {
    let test = CrashTest::new("full disk").given(|w| {
        found(w)?;
        Shop::open(w)?.sell(w, Sale::of(1, "north"))
    });
    let test = test.scenario(|w| {
        stay_open(w, &[SHOP, DEPOT])?;
        deliver_in_vain(w)
    });
    held(test.recover(go_on)).faults([Fault::Full, Fault::StaysFull, Fault::Quota])
}

/// The shop commits without a sync, and the relay with one: what is sent cannot be undone.
pub(crate) fn normal() -> CrashTest {
    let test = CrashTest::new("normal").given(found).scenario(|w| {
        stay_open(w, &[SHOP, DEPOT])?;
        let mut shop = Shop::open(w)?;
        shop.db.pragma_update(None, "synchronous", "NORMAL")?;
        shop.sell_untold(Sale::of(1, "north"))?;
        deliver(w)?;
        // It may be undone until it is sent, and not after that.
        w.promised("sale", 1);
        shop.sell_untold(Sale::of(2, "north"))?;
        w.external("till").call(2);
        Ok(())
    });
    held(test.recover(go_on))
}
