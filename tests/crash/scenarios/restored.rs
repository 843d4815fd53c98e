//! A store is restored from an older copy: somebody notices before anything wrong is done.

use super::held::Held;
use super::programs::{DEPOT, SHOP, Sale, Shop, TO_DEPOT, deliver, depot, found, send, stay_open};
use std::time::Duration;
use surehand::testing::{CrashTest, Failed, World};
use surehand::{Error, ErrorKind, Operator, Relay, Subscription};

const HOUR: Duration = Duration::from_secs(3_600);

/// The shop goes on with the older copy: from here on its programs are told this path.
const OLDER_SHOP: &str = "shop/older.db";
const OLDER_DEPOT: &str = "depot/older.db";

fn copy(w: &World, path: &str, into: &str) -> Result<(), Failed> {
    Ok(w.connect(path)?.execute_batch(&format!("VACUUM INTO '/{into}'"))?)
}

/// A relay between these stores, which keeps what is settled for an hour.
fn between(w: &World, shop: &str, consumer: &str) -> Result<Result<(), Error>, Failed> {
    let relay = Relay::open(w.database(shop))?.keep_settled(HOUR);
    let link = w.link(depot(w, consumer, send)?);
    Ok(w.run(relay.subscribe(Subscription::new(TO_DEPOT), link)))
}

/// Delivers; and if the relay halts for this reason, lets a person mend it first.
fn with_a_person(
    w: &World,
    (shop, consumer): (&str, &str),
    reason: ErrorKind,
    mend: impl Fn(&mut Operator, &Error) -> Result<(), Failed>,
) -> Result<(), Failed> {
    if let Err(error) = between(w, shop, consumer)? {
        if error.kind() != reason {
            return Err(error.into());
        }
        w.reached("it was noticed");
        mend(&mut Operator::open(w.database(shop))?, &error)?;
        between(w, shop, consumer)??;
    }
    Ok(())
}

/// The copy of the shop does not know of sale 2, which was sent, and sells sale 3 at its place.
pub(crate) fn producer_restored() -> CrashTest {
    fn mended(w: &World) -> Result<(), Failed> {
        with_a_person(w, (OLDER_SHOP, DEPOT), ErrorKind::Rewound, |operator, _| {
            operator.adopt_new_identity()?;
            Ok(())
        })
    }
    let test = CrashTest::new("producer restored").given(|w| {
        found(w)?;
        let mut shop = Shop::open(w)?;
        shop.sell(w, Sale::of(1, "north"))?;
        deliver(w)?;
        copy(w, SHOP, OLDER_SHOP)?;
        shop.sell(w, Sale::of(2, "north"))?;
        deliver(w)?;
        w.abandon(SHOP);
        Ok(())
    });
    let test = test.scenario(|w| {
        Shop::open_at(w, OLDER_SHOP)?.sell(w, Sale::of(3, "north"))?;
        mended(w)
    });
    let test = test.must_reach(["it was noticed"]).recover(|w| {
        Shop::open_at(w, OLDER_SHOP)?.sell_once(w, Sale::of(9, "north"))?;
        mended(w)
    });
    Held { shop: OLDER_SHOP, forgotten: &[2], ..Held::default() }.in_test(test)
}

/// The copy of the depot does not know of sale 2, which was acknowledged.
pub(crate) fn consumer_restored() -> CrashTest {
    fn mended(w: &World) -> Result<(), Failed> {
        with_a_person(w, (SHOP, OLDER_DEPOT), ErrorKind::ConsumerRewound, |operator, error| {
            let advice = error.advice().split_once("Operator::rewind(\"depot\", ");
            let place = advice.and_then(|(_, rest)| rest.split_once(')'));
            let (place, _) = place.ok_or("it does not say where to")?;
            Ok(operator.rewind(TO_DEPOT, place.parse()?)?)
        })
    }
    let test = CrashTest::new("consumer restored").given(|w| {
        found(w)?;
        let mut shop = Shop::open(w)?;
        shop.sell(w, Sale::of(1, "north"))?;
        between(w, SHOP, DEPOT)??;
        copy(w, DEPOT, OLDER_DEPOT)?;
        shop.sell(w, Sale::of(2, "north"))?;
        between(w, SHOP, DEPOT)??;
        w.abandon(DEPOT);
        shop.sell(w, Sale::of(3, "north"))
    });
    let test = test.scenario(|w| {
        stay_open(w, &[SHOP, OLDER_DEPOT])?;
        mended(w)
    });
    let test = test.must_reach(["it was noticed"]).recover(mended);
    Held { depots: &[OLDER_DEPOT], ..Held::default() }.in_test(test)
}
