//! Drives honker: one `Database` with one connection behind a mutex, shared by all threads.

use std::process::ExitCode;
use std::sync::Arc;

use honker::{ClaimWaker, Database, EnqueueOpts, Queue, QueueOpts};
use reading::{
    Answer, Arguments, Arrivals, Connection, Deadline, Elsewhere, Problem, Reading, Setting, Share,
    Subject, payload,
};

const SUBJECT: Subject = Subject {
    name: "honker",
    version: "0.5.0",
    settings: &[
        Setting {
            name: "default",
            survives_power_cut: false,
            note: "WAL, synchronous=NORMAL, as the crate opens its file",
        },
        Setting {
            name: "full",
            survives_power_cut: true,
            note: "WAL, synchronous=FULL, set on its connection after opening",
        },
    ],
    acknowledges: true,
    deduplicates: false,
    joins_callers_transaction: true,
    order_within_key: false,
};

/// How many messages are claimed at once. Each claim looks at all that is pending, so a large batch
/// is what the peer is quickest with.
const CLAIM: i64 = 1_000;

const FILL_BATCH: u64 = 1_000;

const WORKER: &str = "worker";

fn main() -> ExitCode {
    reading::run(&SUBJECT, perform)
}

fn perform(arguments: &Arguments) -> Result<Answer, Problem> {
    let database = open(arguments)?;
    let queue = database.queue("messages", QueueOpts::default());
    let reading = match arguments.case.as_str() {
        "enqueue" => enqueue(&database, &queue, arguments, Share::new(arguments))?,
        "fill" => enqueue(&database, &queue, arguments, Share::to_fill(arguments, FILL_BATCH))?,
        "handle" => handle(&queue, arguments)?,
        "finished" => Reading::of(0, Default::default())
            .note("nothing is kept: acknowledging deletes the row"),
        "latency" => {
            let arrivals = work(&queue, arguments);
            let deadline = Deadline::after(arguments.time);
            let latencies = reading::latencies(arguments, &arrivals, |sequence| {
                queue.enqueue(&payload(sequence), EnqueueOpts::default())?;
                Ok(reading::monotonic_nanoseconds())
            })?;
            Reading::of_latencies(latencies, deadline.elapsed())
        }
        "latency-elsewhere" => {
            let arrivals = work(&queue, arguments);
            let mut elsewhere = Elsewhere::start(arguments)?;
            let deadline = Deadline::after(arguments.time);
            let latencies =
                reading::latencies(arguments, &arrivals, |sequence| elsewhere.enqueue(sequence))?;
            Reading::of_latencies(latencies, deadline.elapsed())
        }
        "produce" => {
            reading::produce_on_request(|sequence| {
                queue.enqueue(&payload(sequence), EnqueueOpts::default())?;
                Ok(())
            })?;
            return Ok(Answer::Nothing);
        }
        other => return Err(format!("there is no case {other}").into()),
    };
    let (version, connection) = read_back(&database)?;
    Ok(reading.sqlite(version, vec![connection]).into())
}

fn open(arguments: &Arguments) -> Result<Database, Problem> {
    let database = Database::open(arguments.directory.join("honker.db"))?;
    if arguments.setting == "full" {
        database.with_conn(|connection| connection.execute_batch("PRAGMA synchronous = FULL"))?;
    }
    Ok(database)
}

/// What the one connection of a database says of itself.
fn read_back(database: &Database) -> Result<(String, Connection), Problem> {
    database.with_conn(|sqlite| {
        let version = sqlite.query_row("SELECT sqlite_version()", [], |row| row.get(0))?;
        let mut connection = Connection::new("queue");
        connection.set(
            "journal_mode",
            sqlite.query_row("PRAGMA journal_mode", [], |row| row.get::<_, String>(0))?,
        );
        for pragma in &Connection::PRAGMAS[1..] {
            let value =
                sqlite.query_row(&format!("PRAGMA {pragma}"), [], |row| row.get::<_, i64>(0))?;
            connection.set(pragma, value);
        }
        Ok((version, connection))
    })
}

fn enqueue(
    database: &Database,
    queue: &Queue,
    arguments: &Arguments,
    share: Share,
) -> Result<Reading, Problem> {
    std::thread::scope(|scope| {
        let callers: Vec<_> = (0..arguments.callers)
            .map(|_| scope.spawn(|| enqueue_as_caller(database, queue, &share)))
            .collect();
        callers.into_iter().try_for_each(|caller| caller.join().unwrap())
    })?;
    Ok(Reading::of(share.done(), share.elapsed()))
}

fn enqueue_as_caller(database: &Database, queue: &Queue, share: &Share) -> Result<(), Problem> {
    while let Some(batch) = share.next() {
        if batch.end - batch.start == 1 {
            queue.enqueue(&payload(batch.start), EnqueueOpts::default())?;
            continue;
        }
        let transaction = database.transaction()?;
        for sequence in batch {
            queue.enqueue_tx(&transaction, &payload(sequence), EnqueueOpts::default())?;
        }
        transaction.commit()?;
    }
    Ok(())
}

fn handle(queue: &Queue, arguments: &Arguments) -> Result<Reading, Problem> {
    let deadline = Deadline::after(arguments.time);
    let mut acknowledged = 0;
    while !deadline.has_passed() {
        let jobs = queue.claim_batch(WORKER, CLAIM)?;
        if jobs.is_empty() {
            break;
        }
        let ids: Vec<i64> = jobs.iter().map(|job| job.id).collect();
        acknowledged += u64::try_from(queue.ack_batch(&ids, WORKER)?)?;
    }
    Ok(Reading::of(acknowledged, deadline.elapsed()))
}

/// Handles on a thread of its own whatever arrives, until the process ends.
fn work(queue: &Queue, arguments: &Arguments) -> Arc<Arrivals> {
    let arrivals = Arc::new(Arrivals::new(arguments.count));
    let waker = queue.claim_waker();
    let seen = Arc::clone(&arrivals);
    std::thread::spawn(move || {
        if let Err(problem) = work_until_closed(&waker, &seen) {
            eprintln!("honker: the worker ended: {problem}");
        }
    });
    arrivals
}

fn work_until_closed(waker: &ClaimWaker, arrivals: &Arrivals) -> Result<(), Problem> {
    while let Some(job) = waker.next(WORKER)? {
        arrivals.handler_begins(job.payload_as::<String>()?.as_bytes());
        job.ack()?;
    }
    Ok(())
}
