//! The programs of the scenarios: a shop that sells, and depots that send a parcel for each sale.

use crate::support::numbers;
use std::time::Duration;
use surehand::rusqlite::{Connection, Transaction, TransactionBehavior};
use surehand::testing::{Failed, World};
use surehand::{Effect, Error, Failure, Inbox, Json, Message, Outbox, Relay, Subscription};

pub(crate) const SHOP: &str = "shop/shop.db";
pub(crate) const DEPOT: &str = "depot/depot.db";
/// The subscription that ends at the depot.
pub(crate) const TO_DEPOT: &str = "depot";

const SALES: &str = "CREATE TABLE IF NOT EXISTS sale \
    (number INTEGER PRIMARY KEY, key TEXT, message BLOB, due_ms INTEGER)";
const WRITE_SALE: &str = "INSERT OR IGNORE INTO sale VALUES (?1, ?2, NULL, iif(?3 = 0, 0, \
    CAST((julianday('now') - 2440587.5) * 86400000 AS INTEGER) + ?3))";
const WRITE_MESSAGE: &str = "UPDATE sale SET message = ?2 WHERE number = ?1";
const PARCELS: &str = "CREATE TABLE IF NOT EXISTS parcel \
    (nth INTEGER PRIMARY KEY, sale INTEGER, source INTEGER, seq INTEGER, message BLOB, \
    sent_ms INTEGER)";
/// It comes from the newest source: no scenario has two that send at a time.
const WRITE_PARCEL: &str = "INSERT INTO parcel (sale, source, seq, message, sent_ms) VALUES \
    (?1, (SELECT max(source) FROM inbox_source), ?2, ?3, \
    CAST((julianday('now') - 2440587.5) * 86400000 AS INTEGER))";

/// Something to sell. Sales are made in the order of their numbers.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Sale {
    pub(crate) number: i64,
    pub(crate) key: Option<&'static str>,
    pub(crate) delay: Duration,
    /// Whether the customer may ask again, and means the same.
    pub(crate) repeatable: bool,
}

impl Sale {
    pub(crate) fn new(number: i64) -> Self {
        Self { number, ..Self::default() }
    }

    pub(crate) fn of(number: i64, key: &'static str) -> Self {
        Self { key: Some(key), ..Self::new(number) }
    }

    /// Writes the sale, then its message, in one transaction.
    pub(crate) fn write(&self, outbox: &Outbox, tx: &Transaction<'_>) -> Result<(), Failed> {
        let mut message = Message::new("sale").json(&self.number)?.delay(self.delay);
        if let Some(key) = self.key {
            message = message.key(key);
        }
        if self.repeatable {
            message = message.idempotency_key(format!("sale {}", self.number));
        }
        let delay_ms = i64::try_from(self.delay.as_millis())?;
        tx.execute(WRITE_SALE, (self.number, self.key, delay_ms))?;
        let id = outbox.enqueue(tx, message)?;
        tx.execute(WRITE_MESSAGE, (self.number, id.as_bytes()))?;
        Ok(())
    }
}

/// Sells, with a message for each sale in the same transaction.
pub(crate) struct Shop {
    pub(crate) outbox: Outbox,
    pub(crate) db: Connection,
}

impl Shop {
    pub(crate) fn open(w: &World) -> Result<Self, Failed> {
        Self::open_at(w, SHOP)
    }

    pub(crate) fn open_at(w: &World, path: &str) -> Result<Self, Failed> {
        let outbox = Outbox::open(w.database(path))?;
        let db = w.connect(path)?;
        // Durable in every journal mode.
        db.pragma_update(None, "synchronous", "EXTRA")?;
        db.execute_batch(SALES)?;
        Ok(Self { outbox, db })
    }

    pub(crate) fn begin(&mut self) -> Result<Transaction<'_>, Failed> {
        Ok(self.db.transaction_with_behavior(TransactionBehavior::Immediate)?)
    }

    /// Sells, and tells the customer when it is committed. Where an error says that nothing is
    /// written, the customer is told so.
    pub(crate) fn sell(&mut self, w: &World, sale: Sale) -> Result<(), Failed> {
        self.sell_untold(sale).inspect_err(|error| {
            if error.downcast_ref().is_some_and(Error::is_retryable) {
                w.promised("no sale", sale.number);
            }
        })?;
        w.promised("sale", sale.number);
        Ok(())
    }

    /// Sells, and tells nobody.
    pub(crate) fn sell_untold(&mut self, sale: Sale) -> Result<(), Failed> {
        let outbox = self.outbox.clone();
        let tx = self.begin()?;
        sale.write(&outbox, &tx)?;
        Ok(outbox.commit(tx)?)
    }

    /// Sells this, if it has not yet.
    pub(crate) fn sell_once(&mut self, w: &World, sale: Sale) -> Result<(), Failed> {
        if self.has_sold(sale.number)? { Ok(()) } else { self.sell(w, sale) }
    }

    /// The same by somebody who tries again: whom it was refused is not told so.
    pub(crate) fn sell_at_last(&mut self, w: &World, sale: Sale) -> Result<(), Failed> {
        let number = sale.number;
        if !self.has_sold(number)? {
            self.sell_untold(sale)?;
            w.promised("sale", number);
        }
        Ok(())
    }

    fn has_sold(&self, number: i64) -> Result<bool, Failed> {
        let sql = "SELECT EXISTS (SELECT 1 FROM sale WHERE number = ?1)";
        Ok(self.db.query_row(sql, [number], |row| row.get(0))?)
    }
}

/// Makes the tables of a depot.
pub(crate) fn found_depot(w: &World, path: &str) -> Result<(), Failed> {
    drop(Inbox::open(w.database(path))?);
    Ok(w.connect(path)?.execute_batch(PARCELS)?)
}

/// A shop and a depot that know of each other, and have nothing to do; their pages are small. A
/// power cut leaves the more different states, the more sectors a page has.
pub(crate) fn found(w: &World) -> Result<(), Failed> {
    small_pages(w, SHOP)?;
    small_pages(w, DEPOT)?;
    found_as_usual(w)
}

/// Makes a database of pages of two sectors, in WAL mode.
pub(crate) fn small_pages(w: &World, path: &str) -> Result<(), Failed> {
    let db = w.connect(path)?;
    db.pragma_update(None, "page_size", 1024)?;
    Ok(db.pragma_update_and_check(None, "journal_mode", "wal", |_| Ok(()))?)
}

/// The same, with pages as SQLite makes them.
pub(crate) fn found_as_usual(w: &World) -> Result<(), Failed> {
    found_depot(w, DEPOT)?;
    Shop::open(w)?;
    deliver(w)
}

/// Sends the parcel of a sale: the effect of its message.
pub(crate) fn send(tx: &Effect<'_>, sale: i64) -> Result<(), Failure> {
    let envelope = tx.envelope();
    tx.execute(WRITE_PARCEL, (sale, envelope.seq(), envelope.id().as_bytes()))?;
    Ok(())
}

/// A depot that does this for each sale.
pub(crate) fn depot<F>(w: &World, path: &str, handle: F) -> Result<Inbox, Failed>
where
    F: Fn(&Effect<'_>, i64) -> Result<(), Failure> + Send + 'static,
{
    let inbox = Inbox::open(w.database(path))?;
    Ok(inbox.on("sale", move |tx: &Effect<'_>, sale: Json<i64>| handle(tx, *sale)))
}

/// A relay from the shop to the depot, which does this for each sale.
pub(crate) fn relay<F>(w: &World, handle: F) -> Result<Relay, Failed>
where
    F: Fn(&Effect<'_>, i64) -> Result<(), Failure> + Send + 'static,
{
    let link = w.link(depot(w, DEPOT, handle)?);
    Ok(Relay::open(w.database(SHOP))?.subscribe(Subscription::new(TO_DEPOT), link))
}

/// Everything that was sold is sent.
pub(crate) fn deliver(w: &World) -> Result<(), Failed> {
    Ok(w.run(relay(w, send)?)?)
}

/// Somebody has these open all the time, so that nothing is checkpointed when a program ends: that
/// is left to other scenarios.
pub(crate) fn stay_open(w: &World, paths: &[&str]) -> Result<(), Failed> {
    let open = |path: &&str| count(w, path, "SELECT count(*) FROM sqlite_schema").map(drop);
    paths.iter().try_for_each(open)
}

pub(crate) fn count(w: &World, path: &str, sql: &str) -> Result<i64, Failed> {
    Ok(w.look(path, |db| db.query_row(sql, [], |row| row.get(0)))?)
}

/// Fails when this finds numbers.
pub(crate) fn none(w: &World, path: &str, sql: &str, what: &str) -> Result<(), Failed> {
    let found = numbers(w, path, sql)?;
    if found.is_empty() { Ok(()) } else { Err(format!("{what}: {found:?} in {path}").into()) }
}

/// The sales whose parcels were sent, in the order in which they were.
pub(crate) fn sent(w: &World, path: &str) -> Result<Vec<i64>, Failed> {
    numbers(w, path, "SELECT sale FROM parcel ORDER BY nth")
}
