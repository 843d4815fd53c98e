//! Scenarios in which a person has a say while a relay runs.

use crate::scenarios::Scenario;
use crate::scenarios::held::held;
use crate::scenarios::programs::{
    DEPOT, SHOP, Sale, Shop, TO_DEPOT, deliver, depot, found, relay, send, sent,
};
use surehand::testing::{CrashTest, Failed, World};
use surehand::{Effect, Failure, Operator, Relay, Subscription};

pub(super) const PAUSED: &str = "nothing is sent while it is paused";
pub(super) const REDRIVEN: &str = "what is redriven is delivered without a start";

pub(super) fn all() -> Vec<(&'static str, Scenario)> {
    vec![("redriven", redriven), ("paused", paused)]
}

fn one_sold(w: &World) -> Result<(), Failed> {
    found(w)?;
    Shop::open(w)?.sell(w, Sale::new(1))
}

/// A relay beside other programs, and what its depot does.
fn beside<F>(
    w: &World,
    handle: F,
    program: impl FnMut(&World) -> Result<bool, Failed>,
) -> Result<(), Failed>
where
    F: Fn(&Effect<'_>, i64) -> Result<(), Failure> + Copy + Send + Sync + 'static,
{
    let depot = w.consumer("depot", move |w| depot(w, DEPOT, handle))?;
    let open = |w: &World| {
        let link = depot.link("shop");
        Ok(Relay::open(w.database(SHOP))?.subscribe(Subscription::new(TO_DEPOT), link))
    };
    w.together().relay(open).program(program).run()
}

/// The sale is refused, and redriven while the relay runs, which is not started anew.
fn redriven() -> CrashTest {
    fn in_the_end(tx: &Effect<'_>, sale: i64) -> Result<(), Failure> {
        match tx.envelope().attempt() {
            1 => Err(Failure::permanent("not in stock")),
            _ => send(tx, sale),
        }
    }
    fn redrive(w: &World) -> Result<bool, Failed> {
        let mut operator = Operator::open(w.database(SHOP))?;
        Ok(operator.dead_letters(TO_DEPOT)?.redrive_all()? == 0)
    }
    let test = CrashTest::new("redriven").given(one_sold).scenario(|w| {
        beside(w, in_the_end, redrive)?;
        if sent(w, DEPOT)? != [1] {
            w.promised("left", 1);
        }
        Ok(())
    });
    let test = test.recover(|w| {
        w.run(relay(w, in_the_end)?)?;
        redrive(w)?;
        deliver(w)
    });
    held(test).invariant(REDRIVEN, |w| {
        assert!(w.promises("left").is_empty(), "it was left");
        Ok(())
    })
}

/// The subscription is paused while the relay runs, and a sale is made after that.
fn paused() -> CrashTest {
    fn is_paused(w: &World) -> bool {
        !w.promises("paused").is_empty() && w.promises("resumed").is_empty()
    }
    /// Says so when it is asked to send while it is paused.
    fn watched(w: &World) -> Result<Relay, Failed> {
        let world = w.clone();
        relay(w, move |tx, sale| {
            if is_paused(&world) {
                world.promised("sent while paused", sale);
            }
            send(tx, sale)
        })
    }
    let test = CrashTest::new("paused").given(one_sold).scenario(|w| {
        let pause_and_sell = |w: &World| {
            if is_paused(w) {
                Shop::open(w)?.sell(w, Sale::new(2))?;
                return Ok(false);
            }
            if sent(w, DEPOT)? == [1] {
                Operator::open(w.database(SHOP))?.pause(TO_DEPOT)?;
                w.promised("paused", TO_DEPOT);
            }
            Ok(true)
        };
        w.together().relay(watched).program(pause_and_sell).run()
    });
    let test = test.recover(|w| {
        w.promised("resumed", TO_DEPOT);
        Operator::open(w.database(SHOP))?.resume(TO_DEPOT)?;
        w.run(watched(w)?)?;
        Ok(())
    });
    held(test).invariant(PAUSED, |w| {
        let sent = w.promises("sent while paused");
        assert!(sent.is_empty(), "{sent:?}");
        Ok(())
    })
}
