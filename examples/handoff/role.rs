//! What a child does: its program's work, and reports of what it has committed.

use crate::shop::Outcome;
use crate::shop::arguments::Arguments;
use crate::shop::consumer::{self, Consumer};
use crate::shop::producer::{self, Producer};
use crate::shop::worker::{self, Worker};
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;
use surehand::rusqlite::{Connection, OpenFlags};

const SHIPPED: &str = "SELECT max(rowid) FROM shipment";
const REPORT_EVERY: Duration = Duration::from_millis(10);

pub(crate) fn producer(arguments: impl Iterator<Item = String>) -> Outcome<()> {
    let producer = Producer::new(Arguments::new(producer::USAGE, arguments))?;
    report(producer.db.clone(), "SELECT max(id) FROM orders");
    producer.run()
}

pub(crate) fn worker(arguments: impl Iterator<Item = String>) -> Outcome<()> {
    let worker = Worker::new(Arguments::new(worker::USAGE, arguments))?;
    report(worker.inbox.clone(), SHIPPED);
    runtime()?.block_on(worker.run(end_of_input()))
}

pub(crate) fn consumer(arguments: impl Iterator<Item = String>) -> Outcome<()> {
    let consumer = Consumer::new(Arguments::new(consumer::USAGE, arguments))?;
    report(consumer.inbox.clone(), SHIPPED);
    runtime()?.block_on(consumer.run(end_of_input()))
}

fn runtime() -> std::io::Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_current_thread().enable_all().build()
}

/// Reports what is committed, on a thread and a connection of its own.
///
/// When nobody listens any more the parent is gone, and so is this process: at once, without
/// goodbye, which is what a crash looks like too.
fn report(database: PathBuf, sql: &'static str) {
    std::thread::spawn(move || {
        let mut output = std::io::stdout();
        let mut connection = None;
        loop {
            let count = committed(&mut connection, &database, sql).unwrap_or(0);
            if writeln!(output, "{count}").and_then(|()| output.flush()).is_err() {
                std::process::exit(1);
            }
            crate::pause(REPORT_EVERY);
        }
    });
}

/// `None` as long as there is no such file or table.
fn committed(connection: &mut Option<Connection>, path: &Path, sql: &str) -> Option<i64> {
    if connection.is_none() {
        *connection = Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_WRITE).ok();
    }
    connection.as_ref()?.query_row(sql, [], |row| row.get(0)).ok()
}

/// Completes when the parent closes the input.
async fn end_of_input() {
    let (ended, end) = tokio::sync::oneshot::channel::<()>();
    std::thread::spawn(move || {
        let mut ignored = Vec::new();
        // An input that cannot be read has ended, too.
        let _ = std::io::stdin().read_to_end(&mut ignored);
        drop(ended);
    });
    let _ = end.await;
}
