//! What must hold after every crash of every scenario, once all that can be delivered is.

use super::programs::{DEPOT, SHOP, count, none, sent};
use std::collections::BTreeMap;
use surehand::testing::{CrashTest, Failed, World};

/// Which stores a scenario ends with, and what is different in it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Held {
    pub(crate) shop: &'static str,
    pub(crate) depots: &'static [&'static str],
    /// Sales that a restored copy of the shop does not know of.
    pub(crate) forgotten: &'static [i64],
    /// Sales that nobody is to send.
    pub(crate) skipped: &'static [i64],
}

impl Default for Held {
    fn default() -> Self {
        Self { shop: SHOP, depots: &[DEPOT], forgotten: &[], skipped: &[] }
    }
}

type Holds = fn(&Held, &World) -> Result<(), Failed>;

/// What is promised.
pub(crate) mod promise {
    pub(crate) const SALE_AND_MESSAGE: &str =
        "a sale and its message are committed together or not at all";
    pub(crate) const PARCEL_AND_MEMORY: &str =
        "a parcel and the memory of its message are committed together or not at all";
    pub(crate) const TOLD: &str =
        "a sale that was promised is made, one that failed for certain is not";
    pub(crate) const ACKNOWLEDGED: &str = "a parcel that was promised is sent";
    pub(crate) const ONCE: &str = "every sale is sent, and once";
    pub(crate) const SOLD: &str = "what is sent was sold, under the id it has for good";
    pub(crate) const ORDER: &str = "the sales of one key are sent in their order";
    pub(crate) const DUE: &str = "nothing is sent before it is due";
    pub(crate) const DONE: &str = "nothing is left to deliver";
    /// In one scenario only.
    pub(crate) const SKIP_TOLD: &str = "a skip is told to the consumer, and the shop knows that";
    /// The kit's own, of every program.
    pub(crate) const STARTS: &str = "it starts again";
}

const ALL: [(&str, Holds); 9] = [
    (promise::SALE_AND_MESSAGE, sales_have_messages),
    (promise::PARCEL_AND_MEMORY, memory),
    (promise::TOLD, promised_sales),
    (promise::ACKNOWLEDGED, promised_parcels),
    (promise::ONCE, each_is_sent_once),
    (promise::SOLD, what_is_sent_was_sold),
    (promise::ORDER, keys_are_in_order),
    (promise::DUE, nothing_is_early),
    (promise::DONE, nothing_is_left),
];

impl Held {
    /// The test, with all of this to hold.
    pub(crate) fn in_test(self, test: CrashTest) -> CrashTest {
        ALL.into_iter()
            .fold(test, |test, (name, holds)| test.invariant(name, move |w| holds(&self, w)))
    }
}

/// The usual stores, and all of it.
pub(crate) fn held(test: CrashTest) -> CrashTest {
    Held::default().in_test(test)
}

#[derive(Debug)]
struct Sold {
    /// None where the sale is made, and its message is not.
    message: Option<Vec<u8>>,
    key: Option<String>,
    due_ms: i64,
}

fn sold(held: &Held, w: &World) -> Result<BTreeMap<i64, Sold>, Failed> {
    let sql = "SELECT number, message, key, due_ms FROM sale";
    Ok(w.look(held.shop, |db| {
        let mut sales = db.prepare_cached(sql)?;
        let sales = sales.query_map([], |row| {
            let sold = Sold { message: row.get(1)?, key: row.get(2)?, due_ms: row.get(3)? };
            Ok((row.get(0)?, sold))
        })?;
        sales.collect()
    })?)
}

struct Parcel {
    sale: i64,
    message: Vec<u8>,
    sent_ms: i64,
}

fn parcels(w: &World, depot: &str) -> Result<Vec<Parcel>, Failed> {
    let sql = "SELECT sale, message, sent_ms FROM parcel ORDER BY nth";
    Ok(w.look(depot, |db| {
        let mut parcels = db.prepare_cached(sql)?;
        let parcels = parcels.query_map([], |row| {
            Ok(Parcel { sale: row.get(0)?, message: row.get(1)?, sent_ms: row.get(2)? })
        })?;
        parcels.collect()
    })?)
}

/// As many as were ever given a place or wait for one; and whatever is in the log is a sale's.
fn sales_have_messages(held: &Held, w: &World) -> Result<(), Failed> {
    let sales = sold(held, w)?.len();
    let messages = "SELECT coalesce((SELECT seq FROM sqlite_sequence \
        WHERE name = 'outbox_message'), 0) + (SELECT count(*) FROM outbox_scheduled)";
    assert_eq!(i64::try_from(sales)?, count(w, held.shop, messages)?);
    let strays = "SELECT seq FROM outbox_message WHERE NOT EXISTS (SELECT 1 FROM sale \
        WHERE message = id AND number = CAST(CAST(payload AS TEXT) AS INTEGER))";
    none(w, held.shop, strays, "places hold no sale")
}

fn memory(held: &Held, w: &World) -> Result<(), Failed> {
    for depot in held.depots {
        let no_effect = "SELECT seq FROM inbox_seen s WHERE NOT EXISTS \
            (SELECT 1 FROM parcel p WHERE p.source = s.source AND p.seq = s.seq \
            AND p.message = s.id)";
        none(w, depot, no_effect, "remembered without a parcel")?;
        let no_memory = "SELECT seq FROM parcel p WHERE NOT EXISTS \
            (SELECT 1 FROM inbox_seen s WHERE p.source = s.source AND p.seq = s.seq \
            AND p.message = s.id) AND NOT EXISTS (SELECT 1 FROM inbox_settled t \
            WHERE p.source = t.source AND p.seq BETWEEN t.first AND t.last)";
        none(w, depot, no_memory, "sent, and not remembered")?;
    }
    Ok(())
}

fn promised_sales(held: &Held, w: &World) -> Result<(), Failed> {
    let sales = sold(held, w)?;
    let is_sold = |sale: &String| Ok::<_, Failed>(sales.contains_key(&sale.parse()?));
    for sale in w.promises("sale") {
        let is_forgotten = held.forgotten.contains(&sale.parse()?);
        assert!(is_forgotten || is_sold(&sale)?, "sale {sale} is lost");
    }
    for sale in w.promises("no sale") {
        let is_repeated = w.promises("sale").contains(&sale);
        assert!(is_repeated || !is_sold(&sale)?, "sale {sale} was told to be undone");
    }
    Ok(())
}

fn promised_parcels(held: &Held, w: &World) -> Result<(), Failed> {
    for depot in held.depots {
        let sent = sent(w, depot)?;
        for sale in w.promises("parcel") {
            assert!(sent.contains(&sale.parse()?), "{depot} lost the parcel of sale {sale}");
        }
    }
    Ok(())
}

fn each_is_sent_once(held: &Held, w: &World) -> Result<(), Failed> {
    let mut sales: Vec<i64> = sold(held, w)?.into_keys().collect();
    sales.retain(|sale| !held.skipped.contains(sale));
    for depot in held.depots {
        let mut sent = sent(w, depot)?;
        sent.sort_unstable();
        sent.retain(|sale| !held.forgotten.contains(sale));
        assert_eq!(sales, sent, "sold, and sent by {depot}");
    }
    Ok(())
}

fn what_is_sent_was_sold(held: &Held, w: &World) -> Result<(), Failed> {
    let sales = sold(held, w)?;
    for depot in held.depots {
        for Parcel { sale, message, .. } in parcels(w, depot)? {
            let is_its =
                sales.get(&sale).is_some_and(|sold| sold.message.as_ref() == Some(&message));
            assert!(is_its || held.forgotten.contains(&sale), "{depot} sent {sale}: {sales:?}");
        }
    }
    Ok(())
}

fn keys_are_in_order(held: &Held, w: &World) -> Result<(), Failed> {
    let sales = sold(held, w)?;
    for depot in held.depots {
        let mut last = BTreeMap::new();
        for Parcel { sale, .. } in parcels(w, depot)? {
            let Some(key) = sales.get(&sale).and_then(|sold| sold.key.as_ref()) else { continue };
            let before = last.insert(key, sale);
            assert!(before < Some(sale), "{sale} of {key} came after {before:?}");
        }
    }
    Ok(())
}

fn nothing_is_early(held: &Held, w: &World) -> Result<(), Failed> {
    let sales = sold(held, w)?;
    for depot in held.depots {
        for Parcel { sale, sent_ms, .. } in parcels(w, depot)? {
            let due_ms = sales.get(&sale).map_or(0, |sold| sold.due_ms);
            // A day is a fraction in SQLite: the last millisecond may be missing.
            assert!(sent_ms + 1 >= due_ms, "{sale} is due at {due_ms} and was sent at {sent_ms}");
        }
    }
    Ok(())
}

fn nothing_is_left(held: &Held, w: &World) -> Result<(), Failed> {
    let left = "SELECT count(*) FROM outbox_scheduled";
    assert_eq!(count(w, held.shop, left)?, 0, "scheduled");
    let left = "SELECT seq FROM outbox_delivery WHERE state <> 'skipped'";
    none(w, held.shop, left, "exceptions")?;
    let left = "SELECT settled_to FROM outbox_subscription WHERE settled_to <> coalesce( \
        (SELECT seq FROM sqlite_sequence WHERE name = 'outbox_message'), 0)";
    none(w, held.shop, left, "positions before the end")
}
