//! Futures that are dropped at any moment: the async handle's, a `prepare` step's, a relay's.

use crate::report;
use crate::support::numbers;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};
use surehand::testing::{CrashTest, Failed, Fault, World};
use surehand::{
    AsyncOutbox, Effect, Envelope, Failure, Inbox, Json, Message, Outbox, Relay, Subscription,
};

/// Pending so often before it is ready.
struct Pending(u32);

impl Future for Pending {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<()> {
        match self.0.checked_sub(1) {
            None => Poll::Ready(()),
            Some(left) => {
                self.0 = left;
                Poll::Pending
            }
        }
    }
}

/// The async handle of the shop.
fn shop(w: &World) -> Result<AsyncOutbox, Failed> {
    Ok(w.async_outbox(Outbox::open(w.database("shop/shop.db"))?)?)
}

/// Sells by the async handle: the row and its message in one closure.
fn sell(w: &World, outbox: &AsyncOutbox, sale: i64) -> Result<(), Failed> {
    w.drive(outbox.transact(move |tx, outbox| {
        tx.execute("INSERT INTO sale (id) VALUES (?1)", [sale]).map_err(Failure::retry)?;
        let message = Message::new("sale.made").json(&sale).map_err(Failure::retry)?;
        outbox.enqueue(tx, message).map_err(Failure::retry)?;
        Ok::<(), Refused>(())
    }))?
    .map_err(|refused| refused.0)?;
    w.promised("sale", sale);
    Ok(())
}

/// What a closure fails with.
struct Refused(String);

impl From<surehand::Error> for Refused {
    fn from(error: surehand::Error) -> Self {
        Self(error.to_string())
    }
}

impl From<Failure> for Refused {
    fn from(failure: Failure) -> Self {
        Self(failure.to_string())
    }
}

/// Delivers into an inbox whose handler needs something that takes its time.
fn deliver(w: &World) -> Result<(), Failed> {
    let inbox = Inbox::open(w.database("depot/depot.db"))?;
    let look_up = |_: Envelope| async {
        Pending(2).await;
        Ok::<i64, Failure>(7)
    };
    let inbox = inbox.on_prepared("sale.made", look_up, |tx: &Effect, sale: Json<i64>, _: &i64| {
        tx.execute("INSERT INTO parcel (sale) VALUES (?1)", [*sale])?;
        Ok(())
    });
    let relay = Relay::open(w.database("shop/shop.db"))?;
    w.run(relay.subscribe(Subscription::new("depot"), w.link(inbox)))?;
    Ok(())
}

fn shop_and_depot(w: &World) -> Result<(), Failed> {
    Outbox::open(w.database("shop/shop.db"))?;
    w.connect("shop/shop.db")?.execute_batch("CREATE TABLE sale (id INTEGER PRIMARY KEY)")?;
    drop(Inbox::open(w.database("depot/depot.db"))?);
    w.connect("depot/depot.db")?.execute_batch("CREATE TABLE parcel (sale INTEGER)")?;
    deliver(w)
}

/// What must hold: of a shop that sells by the handle, and of a depot that prepares.
pub(crate) const PROMISE: &str = "what was promised is sold, and every sale is sent once";

/// Two sales by the async handle, and a relay into an inbox that prepares.
pub(crate) fn test() -> CrashTest {
    let test = CrashTest::new("dropped").given(shop_and_depot).scenario(|w| {
        sell(w, &shop(w)?, 1)?;
        sell(w, &shop(w)?, 2)?;
        deliver(w)
    });
    holding(test)
}

/// Two sales by one handle, which nobody has closed.
pub(crate) fn handle() -> CrashTest {
    let test = CrashTest::new("handle").given(shop_and_depot).scenario(|w| {
        let outbox = shop(w)?;
        sell(w, &outbox, 1)?;
        sell(w, &outbox, 2)
    });
    holding(test)
}

fn holding(test: CrashTest) -> CrashTest {
    test.recover(deliver).invariant(PROMISE, |w| {
        let sales = numbers(w, "shop/shop.db", "SELECT id FROM sale ORDER BY id")?;
        assert_eq!(sales, numbers(w, "depot/depot.db", "SELECT sale FROM parcel ORDER BY sale")?);
        for promised in w.promises("sale") {
            assert!(sales.contains(&promised.parse()?), "{promised} of {sales:?}");
        }
        Ok(())
    })
}

#[test]
fn a_future_that_is_dropped_at_any_pending_loses_and_doubles_nothing() {
    let test = test().must_reach(["the async outbox has committed and not answered"]);
    let counts = report::survived("futures", test.faults([Fault::Dropped]).run());
    // Twice in the handle, twice in the step for each message, and at every step of the relay.
    assert!(counts.faults > 8 && counts.failed_runs > 2, "{counts}");
}
