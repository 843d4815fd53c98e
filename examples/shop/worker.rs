//! The warehouse: relays the orders of the shop and ships each of them once.

use super::Outcome;
use super::arguments::Arguments;
use super::order::{Order, SKUS, TOPIC, sku};
use std::future::Future;
use std::path::{Path, PathBuf};
use surehand::rusqlite::{Connection, TransactionBehavior, params};
use surehand::transport::Local;
use surehand::{Effect, Failure, Inbox, Json, Relay};

pub(crate) const USAGE: &str = "worker --outbox shop.db --inbox warehouse.db [--until-idle]";

/// How much of each article there is before the first order.
pub(crate) const STOCK: i64 = 1_000_000_000;

/// What the warehouse was told.
pub(crate) struct Worker {
    outbox: PathBuf,
    pub(crate) inbox: PathBuf,
    until_idle: bool,
}

impl Worker {
    pub(crate) fn new(mut arguments: Arguments) -> Outcome<Self> {
        let worker = Self {
            outbox: arguments.required("--outbox")?,
            inbox: arguments.required("--inbox")?,
            until_idle: arguments.flag("--until-idle"),
        };
        arguments.finish()?;
        Ok(worker)
    }

    /// Relays and ships until nothing is left, or until it is told to stop.
    pub(crate) async fn run(&self, stop: impl Future<Output = ()>) -> Outcome<()> {
        let inbox = Inbox::open(&self.inbox)?.on(TOPIC, ship);
        furnish(&self.inbox)?;
        let relay = Relay::open(&self.outbox)?.deliver_to(Local::new(inbox));
        if self.until_idle {
            relay.run_until_idle().await?;
        } else {
            relay.run_until(stop).await?;
        }
        Ok(())
    }
}

/// The effect of an order. Nothing here is idempotent: the inbox sees to it that it runs once.
fn ship(tx: &Effect<'_>, order: Json<Order>) -> Result<(), Failure> {
    let Order { order_id, sku, quantity, .. } = order.0;
    tx.prepare_cached("INSERT INTO shipment (order_id, sku, quantity) VALUES (?1, ?2, ?3)")?
        .execute(params![order_id, sku, quantity])?;
    tx.prepare_cached("UPDATE stock SET quantity = quantity - ?2 WHERE sku = ?1")?
        .execute(params![sku, quantity])?;
    Ok(())
}

/// Makes the warehouse's own tables. `order_id` is not unique: a second effect would show.
fn furnish(path: &Path) -> Outcome<()> {
    let mut db = Connection::open(path)?;
    let tx = db.transaction_with_behavior(TransactionBehavior::Immediate)?;
    tx.execute_batch(
        "CREATE TABLE IF NOT EXISTS shipment (order_id INTEGER, sku TEXT, quantity INTEGER);
         CREATE TABLE IF NOT EXISTS stock (sku TEXT PRIMARY KEY, quantity INTEGER)",
    )?;
    for number in 0..SKUS {
        let row = params![sku(number), STOCK];
        tx.execute("INSERT OR IGNORE INTO stock (sku, quantity) VALUES (?1, ?2)", row)?;
    }
    tx.commit()?;
    Ok(())
}
