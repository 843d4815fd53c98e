//! The shop: places orders, each with its message in the same transaction.

use super::Outcome;
use super::arguments::Arguments;
use super::chance::Chance;
use super::order::{Order, TOPIC};
use std::path::PathBuf;
use std::time::{Duration, Instant};
use surehand::rusqlite::{Connection, TransactionBehavior, params};
use surehand::{Message, Outbox};

pub(crate) const USAGE: &str =
    "producer --db shop.db --orders N [--rate PER_SECOND] [--batch N] [--note BYTES]";

/// What the shop was told.
pub(crate) struct Producer {
    pub(crate) db: PathBuf,
    orders: i64,
    rate: Option<u32>,
    /// Orders in a transaction; a few, by chance, unless told otherwise.
    batch: Option<u32>,
    note: String,
}

impl Producer {
    pub(crate) fn new(mut arguments: Arguments) -> Outcome<Self> {
        let producer = Self {
            db: arguments.required("--db")?,
            orders: arguments.required("--orders")?,
            rate: arguments.optional("--rate")?.filter(|rate| *rate > 0),
            batch: arguments.optional("--batch")?.filter(|batch| *batch > 0),
            note: "x".repeat(arguments.optional("--note")?.unwrap_or(0)),
        };
        arguments.finish()?;
        Ok(producer)
    }

    /// Places orders until there are as many as it was told, and goes on where the committed ones
    /// end: whatever was not committed when an earlier run ended never happened.
    pub(crate) fn run(&self) -> Outcome<()> {
        let outbox = Outbox::open(&self.db)?;
        let mut db = Connection::open(&self.db)?;
        db.execute_batch(
            "CREATE TABLE IF NOT EXISTS orders \
             (id INTEGER PRIMARY KEY, sku TEXT, quantity INTEGER)",
        )?;
        let placed = "SELECT coalesce(max(id), 0) FROM orders";
        let first: i64 = db.query_row(placed, [], |row| row.get(0))?;
        let mut chance = Chance::new(first.unsigned_abs());
        let mut last = first;
        let began = now();
        while last < self.orders {
            let batch = self.batch.map_or_else(|| 1 + chance.below(20), u64::from);
            let until = self.orders.min(last.saturating_add_unsigned(batch));
            self.place(&outbox, &mut db, last + 1..=until)?;
            last = until;
            self.pace(began, last - first);
        }
        Ok(())
    }

    fn place(
        &self,
        outbox: &Outbox,
        db: &mut Connection,
        orders: std::ops::RangeInclusive<i64>,
    ) -> Outcome<()> {
        let tx = db.transaction_with_behavior(TransactionBehavior::Immediate)?;
        for order_id in orders {
            let order = Order::of(order_id, &self.note);
            tx.prepare_cached("INSERT INTO orders (id, sku, quantity) VALUES (?1, ?2, ?3)")?
                .execute(params![order.order_id, order.sku, order.quantity])?;
            outbox.enqueue(&tx, Message::new(TOPIC).key(&order.sku).json(&order)?)?;
        }
        tx.commit()?; // the rows and the messages, or neither
        Ok(())
    }

    /// Waits until so many orders are due at the rate.
    fn pace(&self, began: Instant, orders: i64) {
        let Some(rate) = self.rate else { return };
        let due = Duration::from_secs_f64(orders as f64 / f64::from(rate));
        pause(due.saturating_sub(began.elapsed()));
    }
}

#[allow(clippy::disallowed_methods, reason = "a program's own clock; the library asks its door")]
fn now() -> Instant {
    Instant::now()
}

#[allow(clippy::disallowed_methods, reason = "a program may sleep; the library asks its door")]
fn pause(time: Duration) {
    std::thread::sleep(time);
}
