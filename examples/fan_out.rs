//! One outbox, several destinations: each subscription has its own topics, pace and position.
//!
//! Billing wants orders and refunds, the warehouse orders alone, and the archive everything; the
//! archive is paused for a while, which holds up nobody else, and then catches up.

use std::path::{Path, PathBuf};
use surehand::rusqlite::{Connection, TransactionBehavior};
use surehand::transport::Local;
use surehand::{Effect, Failure, Inbox, Message, Operator, Outbox, Relay, Subscription};

type Outcome<T> = Result<T, Box<dyn std::error::Error>>;

const TOPICS: [&str; 3] = ["order.placed", "order.cancelled", "refund.granted"];
const NAMES: [&str; 3] = ["billing", "warehouse", "archive"];

#[tokio::main(flavor = "current_thread")]
async fn main() -> Outcome<()> {
    let directory = tempfile::tempdir()?;
    let place = Place(directory.path().into());

    announce(&place, 1..=3)?;
    deliver(&place).await?;
    show(&place, "all three have heard of the first round")?;

    Operator::open(place.shop())?.pause("archive")?;
    announce(&place, 4..=6)?;
    deliver(&place).await?;
    show(&place, "the archive is paused, and the log keeps the second round for it")?;

    Operator::open(place.shop())?.resume("archive")?;
    deliver(&place).await?;
    show(&place, "the archive has caught up, and the log is empty")
}

/// Where the databases are: the producer's, and one for each destination.
struct Place(PathBuf);

impl Place {
    fn shop(&self) -> PathBuf {
        self.0.join("shop.db")
    }

    fn of(&self, name: &str) -> PathBuf {
        self.0.join(name).with_extension("db")
    }
}

/// Commits a message of each topic for every number.
fn announce(place: &Place, numbers: std::ops::RangeInclusive<i64>) -> Outcome<()> {
    let outbox = Outbox::open(place.shop())?;
    let mut db = Connection::open(place.shop())?;
    let tx = db.transaction_with_behavior(TransactionBehavior::Immediate)?;
    for number in numbers {
        for topic in TOPICS {
            outbox.enqueue(&tx, Message::new(topic).key(number).json(&number)?)?;
        }
    }
    tx.commit()?;
    Ok(())
}

/// Delivers what there is. A service would serve all of them in one relay with `run_until`.
async fn deliver(place: &Place) -> Outcome<()> {
    let [billing, warehouse, archive] = NAMES.map(Subscription::new);
    Relay::open(place.shop())?
        .subscribe(billing.topics(["order.placed", "refund.*"]), inbox(&place.of("billing"))?)
        .subscribe(warehouse.topics(["order.*"]), inbox(&place.of("warehouse"))?)
        .subscribe(archive.topics([">"]), inbox(&place.of("archive"))?)
        .run_until_idle()
        .await?;
    Ok(())
}

/// A destination that writes down what it hears, once.
fn inbox(path: &Path) -> Outcome<Local> {
    let mut inbox = Inbox::open(path)?;
    Connection::open(path)?.execute_batch("CREATE TABLE IF NOT EXISTS heard (topic TEXT)")?;
    for topic in TOPICS {
        inbox = inbox.on(topic, hear);
    }
    Ok(Local::new(inbox))
}

fn hear(tx: &Effect<'_>, _payload: Vec<u8>) -> Result<(), Failure> {
    tx.execute("INSERT INTO heard (topic) VALUES (?1)", [tx.envelope().topic()])?;
    Ok(())
}

fn show(place: &Place, what: &str) -> Outcome<()> {
    println!("{what}:");
    for name in NAMES {
        let count = count(&place.of(name), "SELECT count(*) FROM heard")?;
        println!("  {name:<10} has heard {count:>2} messages");
    }
    let left = count(&place.shop(), "SELECT count(*) FROM outbox_message")?;
    println!("  the log    keeps     {left:>2}");
    Ok(())
}

fn count(path: &Path, sql: &str) -> Outcome<i64> {
    Ok(Connection::open(path)?.query_row(sql, [], |row| row.get(0))?)
}
