//! Scenarios that only a mistake needs.

use crate::futures;
use crate::scenarios::Scenario;
use crate::scenarios::held::held;
use crate::scenarios::programs::{DEPOT, SHOP, Sale, Shop, deliver, found, relay, send, sent};
use std::time::Duration;
use surehand::testing::{CrashTest, Failed, World};
use surehand::{Effect, Failure, Operator, Relay, RetryPolicy, Subscription};

pub(super) fn all() -> Vec<(&'static str, Scenario)> {
    vec![
        ("async", futures::test),
        ("poison", poison),
        ("meanwhile", meanwhile),
        ("altered", altered),
        ("redriven", redriven),
    ]
}

/// A sale that fails for ever is given up after three attempts, however often the relay starts
/// anew.
fn poison() -> CrashTest {
    fn fail(w: &World) -> Result<(), Failed> {
        let asked = w.external("depot");
        let handle = move |_: &Effect<'_>, sale: i64| {
            asked.call(sale);
            Err(Failure::retry("no"))
        };
        let inbox = crate::scenarios::programs::depot(w, DEPOT, handle)?;
        let retry = RetryPolicy::default().max_failures(3).first_delay(Duration::from_millis(10));
        let subscription = Subscription::new("depot").retry(retry);
        Ok(w.run(Relay::open(w.database(SHOP))?.subscribe(subscription, w.link(inbox)))?)
    }
    let test = CrashTest::new("poison").given(|w| {
        found(w)?;
        Shop::open(w)?.sell(w, Sale::new(1))
    });
    let test = test.scenario(fail).recover(fail);
    test.invariant("it is tried three times, and once more for each crash", |w| {
        let calls = w.external("depot").calls(1);
        assert!((3..=4).contains(&calls), "{calls}");
        assert_eq!(Operator::open(w.database(SHOP))?.stats()?[0].dead, 1);
        Ok(())
    })
}

/// A handler sells one more, while the relay is at work.
fn meanwhile() -> CrashTest {
    fn sell_on(w: &World) -> Result<(), Failed> {
        let world = w.clone();
        let sell = move |tx: &Effect<'_>, sale: i64| {
            if sale == 1 {
                let mut shop =
                    Shop::open(&world).map_err(|error| Failure::retry(error.to_string()))?;
                let sold = shop.sell_once(&world, Sale::new(2));
                sold.map_err(|error| Failure::retry(error.to_string()))?;
            }
            send(tx, sale)
        };
        Ok(w.run(relay(w, sell)?)?)
    }
    let test = CrashTest::new("meanwhile").given(|w| {
        found(w)?;
        Shop::open(w)?.sell(w, Sale::new(1))
    });
    held(test.scenario(sell_on).recover(sell_on))
}

/// A person redrives while the relay runs, which delivers it without being started anew.
fn redriven() -> CrashTest {
    fn mended(w: &World) -> Result<(), Failed> {
        Ok(w.run(relay(w, send)?)?)
    }
    let test = CrashTest::new("redriven").given(|w| {
        found(w)?;
        Shop::open(w)?.sell(w, Sale::new(1))
    });
    let test = test.scenario(|w| {
        let depot = w.consumer("depot", |w| {
            crate::scenarios::programs::depot(w, DEPOT, |tx, sale| {
                if tx.envelope().attempt() == 1 {
                    return Err(Failure::permanent("not in stock"));
                }
                send(tx, sale)
            })
        })?;
        let open = |w: &World| {
            let link = depot.link("shop");
            Ok(Relay::open(w.database(SHOP))?.subscribe(Subscription::new("depot"), link))
        };
        let redrive = |w: &World| {
            let redriven =
                Operator::open(w.database(SHOP))?.dead_letters("depot")?.redrive_all()?;
            Ok(redriven == 0)
        };
        w.together().relay(open).program(redrive).run()?;
        match sent(w, DEPOT)?.len() {
            1 => Ok(()),
            _ => Err("what was redriven is not delivered".into()),
        }
    });
    held(test.recover(mended))
}

/// The content of a message was altered on the disk: it is not applied.
fn altered() -> CrashTest {
    let test = CrashTest::new("altered").given(|w| {
        found(w)?;
        Shop::open(w)?.sell(w, Sale::new(1))?;
        let alter = "UPDATE outbox_message SET payload = CAST('7' AS BLOB)";
        Ok(w.connect(SHOP)?.execute_batch(alter)?)
    });
    let test = test.scenario(deliver).recover(deliver);
    test.invariant("what was altered is not applied", |w| {
        let sent = sent(w, DEPOT)?;
        assert!(!sent.contains(&7), "{sent:?}");
        Ok(())
    })
}

/// A sale fails at its first attempt, and a second failure would be its last: refusals that come
/// late, or twice, are not to be counted.
pub(super) fn late() -> CrashTest {
    fn together(w: &World) -> Result<(), Failed> {
        let depot = w.consumer("depot", |w| {
            crate::scenarios::programs::depot(w, DEPOT, |tx, sale| {
                if tx.envelope().attempt() == 1 {
                    return Err(Failure::retry("not at once"));
                }
                send(tx, sale)
            })
        })?;
        let open = |w: &World| {
            let retry = RetryPolicy::default().max_failures(2).crash_limit(1_000);
            let subscription = Subscription::new("depot").ack_timeout(Duration::from_secs(2));
            let subscription = subscription.retry(retry.first_delay(Duration::from_millis(100)));
            Ok(Relay::open(w.database(SHOP))?.subscribe(subscription, depot.link("shop")))
        };
        w.together().relay(open).run()
    }
    let test = CrashTest::new("late").given(|w| {
        found(w)?;
        Shop::open(w)?.sell(w, Sale::new(1))
    });
    let test = test.scenario(together).recover(together);
    test.invariant("one failure is not two", |w| {
        assert_eq!(Operator::open(w.database(SHOP))?.stats()?[0].dead, 0);
        Ok(())
    })
}
