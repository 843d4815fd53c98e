//! A shop and its depots: what they do, how they start, and what must hold in the end.

use crate::support::numbers;
use std::time::Duration;
use surehand::rusqlite::Connection;
use surehand::testing::{Consumer, CrashTest, Failed, World};
use surehand::{Effect, Failure, Inbox, Json, Message, Operator, Outbox};
use surehand::{Relay, RetryPolicy, Subscription};

const SHOP: &str = "shop/shop.db";

pub(crate) const PROMISE: &str = "every sale takes effect once, in order, and nothing else does";

/// How a system is built.
#[derive(Clone, Copy, Debug)]
pub(super) struct System {
    pub(super) depots: &'static [&'static str],
    pub(super) relays: usize,
    pub(super) sales: i64,
}

/// What is sold: it says how its message fares.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Plain,
    /// Of one customer, whose sales take effect in order.
    Keyed,
    /// The same, and no depot takes it before it is mended.
    Bad,
    /// The customer changes their mind: it is rolled back.
    Undone,
    Later,
    /// Nobody wants it after a while.
    Fresh,
}

fn kind(sale: i64) -> Kind {
    match sale % 8 {
        0 => Kind::Plain,
        3 => Kind::Bad,
        5 => Kind::Undone,
        6 => Kind::Later,
        7 => Kind::Fresh,
        _ => Kind::Keyed,
    }
}

fn message(sale: i64) -> Result<Message, Failed> {
    let message = Message::new("sale.made").json(&sale)?;
    Ok(match kind(sale) {
        Kind::Plain | Kind::Undone => message,
        Kind::Keyed | Kind::Bad => message.key(sale % 2),
        Kind::Later => message.delay(Duration::from_secs(4)),
        Kind::Fresh => message.expires_after(Duration::from_secs(3)),
    })
}

/// A shop, its depots, and relays between them, all on the network.
pub(super) fn test(name: &str, system: System) -> CrashTest {
    CrashTest::new(name)
        .given(move |w| prepare(w, system))
        .scenario(move |w| {
            let depots = depots(w, system, false)?;
            let (outbox, mut db) = shop(w)?;
            let mut sale = 0;
            let together = relays(w, system, &depots).program(|w| {
                sale += 1;
                sell(w, &outbox, &mut db, sale)?;
                Ok(sale < system.sales)
            });
            together.run()
        })
        .recover(move |w| recover(w, system))
        .invariant(PROMISE, move |w| {
            let sold = numbers(w, SHOP, "SELECT id FROM sale ORDER BY id")?;
            for promised in w.promises("sale") {
                assert!(sold.contains(&promised.parse()?), "{promised} of {sold:?}");
            }
            for depot in system.depots {
                took_effect(depot, &sold, &parcels(w, depot)?);
            }
            Ok(())
        })
        .invariant("nothing is left to do", |w| {
            for stats in Operator::open(w.database(SHOP))?.stats()? {
                let left = (stats.pending, stats.waiting, stats.parked, stats.dead);
                assert_eq!(left, (0, 0, 0, 0), "{stats:?}");
            }
            Ok(())
        })
}

fn prepare(w: &World, system: System) -> Result<(), Failed> {
    let (_outbox, db) = shop(w)?;
    db.execute_batch("CREATE TABLE sale (id INTEGER PRIMARY KEY)")?;
    for depot in system.depots {
        let db = w.connect(&path(depot))?;
        db.execute_batch("CREATE TABLE parcel (place INTEGER PRIMARY KEY, sale INTEGER)")?;
    }
    let depots = depots(w, system, false)?;
    relays(w, System { relays: 1, ..system }, &depots).run()
}

fn shop(w: &World) -> Result<(Outbox, Connection), Failed> {
    let outbox = Outbox::open(w.database(SHOP))?;
    let db = w.connect(SHOP)?;
    db.pragma_update(None, "synchronous", "FULL")?;
    Ok((outbox, db))
}

fn sell(w: &World, outbox: &Outbox, db: &mut Connection, sale: i64) -> Result<(), Failed> {
    let tx = db.transaction()?;
    tx.execute("INSERT INTO sale (id) VALUES (?1)", [sale])?;
    outbox.enqueue(&tx, message(sale)?)?;
    if kind(sale) == Kind::Undone {
        return Ok(tx.rollback()?);
    }
    tx.commit()?;
    w.promised("sale", sale);
    Ok(())
}

fn path(depot: &str) -> String {
    format!("{depot}/{depot}.db")
}

fn depots(w: &World, system: System, mended: bool) -> Result<Vec<Consumer>, Failed> {
    let open = |name: &&'static str| {
        let name = *name;
        w.consumer(name, move |w| depot(w, name, mended))
    };
    system.depots.iter().map(open).collect()
}

fn depot(w: &World, name: &str, mended: bool) -> Result<Inbox, Failed> {
    let inbox = Inbox::open(w.database(&path(name)))?;
    Ok(inbox.on("sale.made", move |tx: &Effect, sale: Json<i64>| {
        tx.execute("INSERT INTO parcel (sale) VALUES (?1)", [*sale])?;
        if kind(*sale) == Kind::Bad && !mended {
            return Err(Failure::permanent("the depot is not mended"));
        }
        Ok(())
    }))
}

fn relays<'a>(
    w: &World,
    system: System,
    depots: &'a [Consumer],
) -> surehand::testing::Together<'a> {
    let open = move |w: &World| {
        let mut relay = Relay::open(w.database(SHOP))?;
        for (name, depot) in system.depots.iter().zip(depots) {
            let retry = RetryPolicy::default().first_delay(Duration::from_millis(200));
            let subscription = Subscription::new(*name).ack_timeout(Duration::from_secs(2));
            let subscription = subscription.retry(retry).batch(4);
            relay = relay.subscribe(subscription, depot.link("shop"));
        }
        Ok(relay)
    };
    (0..system.relays).fold(w.together(), |together, _| together.relay(open))
}

/// The programs start again, with the depots mended; a person delivers again what was given up, and
/// gives up what nobody wants any more.
fn recover(w: &World, system: System) -> Result<(), Failed> {
    let depots = depots(w, system, true)?;
    let mut operator = Operator::open(w.database(SHOP))?;
    loop {
        relays(w, system, &depots).run()?;
        let mut left = 0;
        for depot in system.depots {
            let mut letters = operator.dead_letters(depot)?;
            for letter in letters.list(0, 100)? {
                left += 1;
                match letter.reason.as_str() {
                    "expired" => letters.skip(&letter)?,
                    _ => letters.redrive(&letter)?,
                }
            }
        }
        if left == 0 {
            return Ok(());
        }
    }
}

fn took_effect(depot: &str, sold: &[i64], parcels: &[i64]) {
    let mut each = parcels.to_vec();
    each.sort_unstable();
    let once = each.windows(2).all(|two| two[0] != two[1]);
    assert!(once, "{depot} has something twice: {parcels:?}");
    let others = each.iter().find(|sale| !sold.contains(sale));
    assert!(others.is_none(), "{depot} has {others:?}, which was never sold");
    let missing = sold.iter().find(|sale| kind(**sale) != Kind::Fresh && !each.contains(sale));
    assert!(missing.is_none(), "{depot} misses {missing:?}: {parcels:?}");
    for customer in 0..2 {
        let keyed =
            |sale: &&i64| matches!(kind(**sale), Kind::Keyed | Kind::Bad) && **sale % 2 == customer;
        let theirs: Vec<_> = parcels.iter().filter(keyed).collect();
        assert!(theirs.is_sorted(), "{depot} has customer {customer} as {theirs:?}");
    }
}

fn parcels(w: &World, depot: &str) -> Result<Vec<i64>, Failed> {
    numbers(w, &path(depot), "SELECT sale FROM parcel ORDER BY place")
}
