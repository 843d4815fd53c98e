//! Drives disk_backed_queue: a channel whose sender is shared by the tasks of a tokio runtime.

use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;

use disk_backed_queue::{
    DiskBackedReceiver, DiskBackedSender, DurabilityLevel, disk_backed_channel_with_durability,
};
use reading::{Answer, Arguments, Connection, Problem, Reading, Setting, Share, Subject, payload};
use tokio::runtime::Runtime;

const SUBJECT: Subject = Subject {
    name: "disk_backed_queue",
    version: "0.2.0",
    settings: &[
        Setting {
            name: "default",
            survives_power_cut: true,
            note: "WAL, synchronous=FULL, which is the crate's default",
        },
        Setting {
            name: "normal",
            survives_power_cut: false,
            note: "WAL, synchronous=NORMAL (DurabilityLevel::Normal)",
        },
    ],
    acknowledges: false,
    deduplicates: false,
    joins_callers_transaction: false,
    order_within_key: true,
};

const FILE: &str = "queue.db";

const TABLE: &str = "messages";

const FILL_BATCH: u64 = 1_000;

type Sender = DiskBackedSender<String>;

type Receiver = DiskBackedReceiver<String>;

fn main() -> ExitCode {
    reading::run(&SUBJECT, perform)
}

fn perform(arguments: &Arguments) -> Result<Answer, Problem> {
    let share = match arguments.case.as_str() {
        "enqueue" => Share::new(arguments),
        "fill" => Share::to_fill(arguments, FILL_BATCH),
        "handle" => {
            return Ok(Answer::Cannot("no acknowledgement: receiving deletes the message"));
        }
        "finished" => {
            return Ok(Reading::of(0, Default::default())
                .note("nothing is kept: receiving deletes the message")
                .into());
        }
        "latency" | "latency-elsewhere" | "produce" => {
            return Ok(Answer::Cannot(
                "no waiting: a receiver of an empty queue is told so at once and has to poll",
            ));
        }
        other => return Err(format!("there is no case {other}").into()),
    };
    let runtime = Runtime::new()?;
    let path = arguments.directory.join(FILE);
    let (sender, receiver) = runtime.block_on(open(&path, arguments))?;
    let reading = runtime.block_on(enqueue(sender, arguments, share))?;
    drop(receiver);
    let (version, connection) = read_back(&path)?;
    Ok(reading.sqlite(version, vec![connection]).into())
}

async fn open(path: &Path, arguments: &Arguments) -> Result<(Sender, Receiver), Problem> {
    let durability = match arguments.setting.as_str() {
        "normal" => DurabilityLevel::Normal,
        _ => DurabilityLevel::default(),
    };
    let channel = disk_backed_channel_with_durability(path, TABLE.to_owned(), None, durability);
    Ok(channel.await?)
}

/// The mode and the page size are those of the file. The peer's own connection is not reachable,
/// so the rest stays unknown.
fn read_back(path: &Path) -> Result<(String, Connection), Problem> {
    let sqlite = rusqlite::Connection::open(path)?;
    let mut connection = Connection::new("queue");
    let mode: String = sqlite.pragma_query_value(None, "journal_mode", |row| row.get(0))?;
    let page_size: i64 = sqlite.pragma_query_value(None, "page_size", |row| row.get(0))?;
    connection.set("journal_mode", mode);
    connection.set("page_size", page_size);
    Ok((rusqlite::version().to_owned(), connection))
}

async fn enqueue(sender: Sender, arguments: &Arguments, share: Share) -> Result<Reading, Problem> {
    let share = Arc::new(share);
    let callers: Vec<_> = (0..arguments.callers)
        .map(|_| tokio::spawn(enqueue_as_caller(sender.clone(), Arc::clone(&share))))
        .collect();
    for caller in callers {
        caller.await??;
    }
    Ok(Reading::of(share.done(), share.elapsed()))
}

async fn enqueue_as_caller(sender: Sender, share: Arc<Share>) -> Result<(), Problem> {
    while let Some(batch) = share.next() {
        if batch.end - batch.start == 1 {
            sender.send(payload(batch.start)).await?;
        } else {
            sender.send_batch(batch.map(payload).collect()).await?;
        }
    }
    Ok(())
}
