//! Scenarios that only a mistake needs.

use crate::futures;
use crate::scenarios::Scenario;
use crate::scenarios::held::held;
use crate::scenarios::programs::{
    DEPOT, SHOP, Sale, Shop, TO_DEPOT, deliver, depot, found, relay, send, sent,
};
use std::time::Duration;
use surehand::testing::{CrashTest, Failed, World};
use surehand::{Effect, ErrorKind, Failure, Operator, Relay, RetryPolicy, Subscription};

pub(super) const POISON: &str = "it is tried five times, and once more for each crash or fault";
pub(super) const CRASH_LOOP: &str = "what takes processes down is given up";
pub(super) const ALTERED: &str = "what was altered is not applied";
pub(super) const LATE: &str = "one failure is not two";

pub(super) fn all() -> Vec<(&'static str, Scenario)> {
    vec![
        ("async", futures::test),
        ("handle", futures::handle),
        ("poison", poison),
        ("crash-loop", crash_loop),
        ("meanwhile", meanwhile),
        ("altered", altered),
    ]
}

/// A sale that fails for ever is given up after five attempts, however often the relay starts
/// anew.
fn poison() -> CrashTest {
    fn fail(w: &World) -> Result<(), Failed> {
        let asked = w.external("depot");
        let handle = move |_: &Effect<'_>, sale: i64| {
            asked.call(sale);
            Err(Failure::retry("no"))
        };
        let inbox = depot(w, DEPOT, handle)?;
        let retry = RetryPolicy::default().max_failures(5).first_delay(Duration::from_millis(10));
        let subscription = Subscription::new(TO_DEPOT).retry(retry);
        Ok(w.run(Relay::open(w.database(SHOP))?.subscribe(subscription, w.link(inbox)))?)
    }
    let test = CrashTest::new("poison").given(|w| {
        found(w)?;
        Shop::open(w)?.sell(w, Sale::new(1))
    });
    let test = test.scenario(fail).recover(fail);
    test.invariant(POISON, |w| {
        let calls = w.external("depot").calls(1);
        assert!((5..=7).contains(&calls), "{calls}");
        assert_eq!(Operator::open(w.database(SHOP))?.stats()?[0].dead, 1);
        Ok(())
    })
}

/// Whoever sends the sale dies of it, again and again, before an answer comes.
fn crash_loop() -> CrashTest {
    fn die_of_it(w: &World) -> Result<(), Failed> {
        for _ in 0..10 {
            let asked = w.external("depot");
            let before = asked.calls(1);
            let handle = move |_: &Effect<'_>, sale: i64| {
                asked.call(sale);
                Err(Failure::retry("no"))
            };
            let subscription = Subscription::new(TO_DEPOT)
                .retry(RetryPolicy::default().max_failures(1_000).crash_limit(3));
            let link = w.link(depot(w, DEPOT, handle)?);
            let relay = Relay::open(w.database(SHOP))?.subscribe(subscription, link);
            match w.kill_when(relay, |w| w.external("depot").calls(1) > before) {
                Err(error) if error.kind() == ErrorKind::Stopped => break,
                died => died?,
            }
        }
        Ok(())
    }
    let test = CrashTest::new("crash loop").given(|w| {
        found(w)?;
        Shop::open(w)?.sell(w, Sale::new(1))
    });
    let test = test.scenario(die_of_it).recover(die_of_it);
    test.invariant(CRASH_LOOP, |w| {
        // A failing write and a crash each cost one more.
        let calls = w.external("depot").calls(1);
        assert!((3..=7).contains(&calls), "{calls}");
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
                let sold = shop.sell_at_last(&world, Sale::new(2));
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

/// The content of a message was altered on the disk: it is not applied.
fn altered() -> CrashTest {
    let test = CrashTest::new("altered").given(|w| {
        found(w)?;
        Shop::open(w)?.sell(w, Sale::new(1))?;
        let alter = "UPDATE outbox_message SET payload = CAST('7' AS BLOB)";
        Ok(w.connect(SHOP)?.execute_batch(alter)?)
    });
    let test = test.scenario(deliver).recover(deliver);
    test.invariant(ALTERED, |w| {
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
            depot(w, DEPOT, |tx, sale| {
                if tx.envelope().attempt() == 1 {
                    return Err(Failure::retry("not at once"));
                }
                send(tx, sale)
            })
        })?;
        let open = |w: &World| {
            let retry = RetryPolicy::default().max_failures(2).crash_limit(1_000);
            let subscription = Subscription::new(TO_DEPOT).ack_timeout(Duration::from_secs(2));
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
    test.invariant(LATE, |w| {
        assert_eq!(Operator::open(w.database(SHOP))?.stats()?[0].dead, 0);
        Ok(())
    })
}
