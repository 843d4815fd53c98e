//! What the children do: a shop that sells, and a worker that takes each sale to the depot.

use super::shim;
use super::task::{Habit, Role, Task};
use std::error::Error;
use std::fs::File;
use std::io::{Read, Write};
use std::path::Path;
use std::time::Duration;
use surehand::rusqlite::{self, Connection, OpenFlags, TransactionBehavior};
use surehand::transport::Local;
use surehand::{Database, Effect, Inbox, Json, Message, Outbox, Relay, Subscription};

pub(crate) const SHOP: &str = "shop.db";
pub(crate) const DEPOT: &str = "depot.db";
/// Each sale that a customer was told of, in a line.
pub(crate) const PROMISES: &str = "promises";
/// Where the wrong worker remembers what it has applied.
const APART: &str = "apart.db";

/// So few pages that a checkpoint happens on the way.
const CHECKPOINT_PAGES: i64 = 12;
/// Who has not got its turn, or come to rest, by then never will.
const PATIENCE: Duration = Duration::from_secs(60);

type Outcome = Result<(), Box<dyn Error + Send + Sync>>;

/// Does what it was told, and says that it was done.
pub(crate) fn run(task: &Task) {
    if task.shim {
        shim::register(task.kill);
    }
    let outcome = match task.role {
        Role::Producer => produce(task),
        Role::Worker => run_relay(task, |relay| relay.run_until_idle()),
        Role::WorkerUntilTold => run_relay(task, |relay| relay.run_until(end_of_input())),
        Role::Both => both(task),
    };
    outcome.unwrap();
    task.say_done(shim::calls());
}

fn database(task: &Task, name: &str) -> Database {
    let shim = task.shim;
    Database::new(task.folder.join(name)).opened_by(move |path| connect(path, shim))
}

fn connect(path: &Path, shim: bool) -> rusqlite::Result<Connection> {
    let db = if shim {
        Connection::open_with_flags_and_vfs(path, OpenFlags::default(), shim::NAME)?
    } else {
        Connection::open(path)?
    };
    db.busy_timeout(PATIENCE)?;
    Ok(db)
}

/// The first sale that a life makes has a number that no other life uses.
fn first_sale(task: &Task) -> i64 {
    task.life * 1_000 + 1
}

fn produce(task: &Task) -> Outcome {
    let outbox = Outbox::open(database(task, SHOP))?;
    let mut db = connect(&task.folder.join(SHOP), task.shim)?;
    db.pragma_update(None, "wal_autocheckpoint", CHECKPOINT_PAGES)?;
    let mut promises = File::options().append(true).open(task.folder.join(PROMISES))?;
    let mut promise = |sale: i64| promises.write_all(format!("{sale}\n").as_bytes());
    for sale in (first_sale(task)..).take(usize::try_from(task.sales)?) {
        let message = Message::new("sale.made").key("till").json(&sale)?;
        let mut tx = db.transaction_with_behavior(TransactionBehavior::Immediate)?;
        tx.execute("INSERT INTO sale (id) VALUES (?1)", [sale])?;
        if task.habit == Habit::EnqueuesApart {
            tx.commit()?;
            tx = db.transaction_with_behavior(TransactionBehavior::Immediate)?;
        }
        outbox.enqueue(&tx, message)?;
        if task.habit == Habit::PromisesEarly {
            promise(sale)?;
        }
        tx.commit()?;
        if task.habit != Habit::PromisesEarly {
            promise(sale)?;
        }
    }
    Ok(())
}

fn inbox(task: &Task) -> surehand::Result<Inbox> {
    if task.habit == Habit::AppliesApart {
        let (depot, shim) = (task.folder.join(DEPOT), task.shim);
        let inbox = Inbox::open(database(task, APART))?;
        return Ok(inbox.on("sale.made", move |_: &Effect, sale: Json<i64>| {
            let db = connect(&depot, shim)?;
            db.execute("INSERT INTO parcel (sale) VALUES (?1)", [*sale])?;
            Ok(())
        }));
    }
    let inbox = Inbox::open(database(task, DEPOT))?;
    Ok(inbox.on("sale.made", |tx: &Effect, sale: Json<i64>| {
        tx.execute("INSERT INTO parcel (sale) VALUES (?1)", [*sale])?;
        Ok(())
    }))
}

/// Runs a relay into the depot, until that future completes.
fn run_relay<F>(task: &Task, run: impl FnOnce(Relay) -> F) -> Outcome
where
    F: Future<Output = surehand::Result<()>>,
{
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build()?;
    let transport = Local::new(inbox(task)?);
    let relay = Relay::open(database(task, SHOP))?;
    let relay = relay.subscribe(Subscription::new("depot"), transport);
    runtime.block_on(async { tokio::time::timeout(PATIENCE, run(relay)).await })??;
    Ok(())
}

/// Completes when whoever started this process says so, or is gone.
async fn end_of_input() {
    let (ended, end) = tokio::sync::oneshot::channel::<()>();
    std::thread::spawn(move || {
        // An input that cannot be read has ended, too.
        let _ = std::io::stdin().read_to_end(&mut Vec::new());
        drop(ended);
    });
    let _ = end.await;
}

/// The relay runs while the shop sells, and stops when it has: with what it has done by then.
fn both(task: &Task) -> Outcome {
    let (sold, all_sold) = tokio::sync::oneshot::channel::<()>();
    std::thread::scope(|scope| {
        let producer = scope.spawn(move || {
            let outcome = produce(task);
            drop(sold);
            outcome
        });
        run_relay(task, |relay| relay.run_until(async { drop(all_sold.await) }))?;
        producer.join().expect("the producer does not panic")
    })
}

/// A shop and a depot as they were left in good order, with sales that nobody has taken yet.
pub(crate) fn prepare(folder: &Path, journal_mode: &str, habit: Habit, sales: i64) {
    File::create(folder.join(PROMISES)).unwrap();
    for (name, tables) in [
        (SHOP, "CREATE TABLE sale (id INTEGER PRIMARY KEY)"),
        (DEPOT, "CREATE TABLE parcel (sale INTEGER)"),
    ] {
        let db = Connection::open(folder.join(name)).unwrap();
        let now: String =
            db.pragma_update_and_check(None, "journal_mode", journal_mode, |r| r.get(0)).unwrap();
        assert_eq!(now, journal_mode);
        db.execute_batch(tables).unwrap();
    }
    // Its tables are there, even where a wrong worker remembers elsewhere.
    drop(Inbox::open(folder.join(DEPOT)).unwrap());
    let (folder, role) = (folder.to_path_buf(), Role::Producer);
    let task = Task { role, habit, life: 0, sales, folder, shim: false, kill: None };
    produce(&task).unwrap();
    run_relay(&task, |relay| relay.run_until_idle()).unwrap();
    produce(&Task { life: 1, ..task }).unwrap();
}
