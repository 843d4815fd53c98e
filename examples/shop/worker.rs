//! The warehouse: relays the orders of the shop and ships each of them once; or relays them to a
//! warehouse that is a service of its own.

use super::Outcome;
use super::arguments::Arguments;
use super::consumer::secret;
use super::order::{Order, SKUS, TOPIC, sku};
use std::future::Future;
use std::path::{Path, PathBuf};
use std::time::Duration;
use surehand::rusqlite::{Connection, TransactionBehavior, params};
use surehand::transport::{Http, Local};
use surehand::{Effect, Failure, Inbox, Json, Relay, Subscription};

pub(crate) const USAGE: &str = "worker --outbox shop.db --inbox warehouse.db [--until-idle] \
    [--to http://127.0.0.1:7070/inbox] [--batches N] [--requests N]";

/// How much of each article there is before the first order.
pub(crate) const STOCK: i64 = 1_000_000_000;

/// What the warehouse was told.
pub(crate) struct Worker {
    outbox: PathBuf,
    pub(crate) inbox: PathBuf,
    until_idle: bool,
    /// The service that ships them.
    to: Option<Service>,
}

/// Where orders go, how many of them in one request, and how many requests at a time.
pub(crate) struct Service {
    url: String,
    batches: Option<usize>,
    requests: Option<usize>,
}

impl Service {
    fn transport(&self) -> Outcome<Http> {
        let http = Http::signed(&self.url, secret()?).to_inbox().topics([TOPIC]);
        let http = http.answer_timeout(Duration::from_secs(5));
        let http = self.batches.map_or(http.clone(), |batches| http.batches(batches));
        let http = self.requests.map_or(http.clone(), |requests| http.requests(requests));
        Ok(http.start()?)
    }
}

impl Worker {
    pub(crate) fn new(mut arguments: Arguments) -> Outcome<Self> {
        let url: Option<String> = arguments.optional("--to")?;
        let batches = arguments.optional("--batches")?;
        let requests = arguments.optional("--requests")?;
        let worker = Self {
            outbox: arguments.required("--outbox")?,
            inbox: arguments.required("--inbox")?,
            until_idle: arguments.flag("--until-idle"),
            to: url.map(|url| Service { url, batches, requests }),
        };
        arguments.finish()?;
        Ok(worker)
    }

    /// One that relays to a service until nothing is left.
    pub(crate) fn to(outbox: PathBuf, to: &str, batches: Option<usize>) -> Self {
        let to = Service { url: to.into(), batches, requests: None };
        Self { outbox, inbox: PathBuf::new(), until_idle: true, to: Some(to) }
    }

    /// Relays and ships until nothing is left, or until it is told to stop.
    pub(crate) async fn run(&self, stop: impl Future<Output = ()>) -> Outcome<()> {
        let relay = Relay::open(&self.outbox)?;
        let relay = match &self.to {
            None => {
                let inbox = Inbox::open(&self.inbox)?.on(TOPIC, ship);
                furnish(&self.inbox)?;
                relay.deliver_to(Local::new(inbox))
            }
            Some(service) => {
                let batch = service.batches.unwrap_or(256);
                let warehouse = Subscription::new("warehouse").batch(batch).window(4 * batch);
                let warehouse = warehouse.ack_timeout(Duration::from_secs(2));
                relay.subscribe(warehouse, service.transport()?)
            }
        };
        if self.until_idle {
            relay.run_until_idle().await?;
        } else {
            relay.run_until(stop).await?;
        }
        Ok(())
    }
}

/// The effect of an order. Nothing here is idempotent: the inbox sees to it that it runs once.
pub(crate) fn ship(tx: &Effect<'_>, order: Json<Order>) -> Result<(), Failure> {
    let Order { order_id, sku, quantity, .. } = order.0;
    tx.prepare_cached("INSERT INTO shipment (order_id, sku, quantity) VALUES (?1, ?2, ?3)")?
        .execute(params![order_id, sku, quantity])?;
    tx.prepare_cached("UPDATE stock SET quantity = quantity - ?2 WHERE sku = ?1")?
        .execute(params![sku, quantity])?;
    Ok(())
}

/// Makes the warehouse's own tables. `order_id` is not unique: a second effect would show.
pub(crate) fn furnish(path: &Path) -> Outcome<()> {
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
