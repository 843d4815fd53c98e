//! Drives hexeract's outbox on SQLite: a pool of two connections, as its documentation advises,
//! and the one worker that it allows for a database.

use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use hexeract_core::HandlerContext;
use hexeract_outbox::{Event, Handler, OutboxError, OutboxPublisher};
use hexeract_outbox_sql::sqlite::{
    SqliteOutboxPublisher, SqliteOutboxWorkerBuilder, ensure_schema,
};
use reading::{
    Answer, Arguments, Arrivals, Connection, Deadline, Elsewhere, Problem, Reading, Setting, Share,
    Subject, payload,
};
use serde::{Deserialize, Serialize};
use sqlx::SqlitePool;
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions};
use tokio::runtime::Runtime;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

const SUBJECT: Subject = Subject {
    name: "hexeract",
    version: "0.6.0",
    settings: &[
        Setting {
            name: "default",
            survives_power_cut: true,
            note: "rollback journal (DELETE), synchronous=FULL: the defaults of SQLite, as the \
                   crate sets nothing on the pool that it is given",
        },
        Setting {
            name: "wal",
            survives_power_cut: true,
            note: "WAL, synchronous=FULL, set on the pool that it is given",
        },
    ],
    acknowledges: true,
    deduplicates: true,
    joins_callers_transaction: true,
    order_within_key: false,
};

const FILE: &str = "hexeract.db";

const TABLE: &str = "outbox";

/// How many messages the worker takes at once. Its default of 10 would have it rest for 5 ms, as
/// it does between batches, much more often.
const CLAIM: usize = 1_000;

const FILL_BATCH: u64 = 1_000;

/// Gives the one message that the peer has delivered itself as a pattern to all others, which
/// leaves them exactly as the peer leaves a delivered message.
const FINISH_ALL: &str = "
    UPDATE outbox SET (attempts, last_error, next_retry_at, delivered_at) =
        (SELECT attempts, last_error, next_retry_at, delivered_at FROM outbox
            WHERE delivered_at IS NOT NULL LIMIT 1)
        WHERE delivered_at IS NULL";

/// A payload, as a JSON string.
#[derive(Serialize, Deserialize)]
struct Message(String);

impl Event for Message {
    const EVENT_TYPE: &'static str = "message";
}

/// Counts messages and does nothing with them.
struct Counter(Arc<AtomicU64>);

impl Handler<Message> for Counter {
    type Error = OutboxError;

    async fn handle(&self, _: Message, _: &HandlerContext) -> Result<(), OutboxError> {
        self.0.fetch_add(1, Ordering::Relaxed);
        Ok(())
    }
}

struct Clock(Arc<Arrivals>);

impl Handler<Message> for Clock {
    type Error = OutboxError;

    async fn handle(&self, message: Message, _: &HandlerContext) -> Result<(), OutboxError> {
        self.0.handler_begins(message.0.as_bytes());
        Ok(())
    }
}

fn main() -> ExitCode {
    reading::run(&SUBJECT, perform)
}

fn perform(arguments: &Arguments) -> Result<Answer, Problem> {
    let runtime = Runtime::new()?;
    let pool = runtime.block_on(open(arguments))?;
    let publisher = SqliteOutboxPublisher::new(pool.clone(), TABLE)?;
    let reading = match arguments.case.as_str() {
        "enqueue" => runtime.block_on(enqueue(&publisher, arguments, Share::new(arguments)))?,
        "fill" => {
            let share = Share::to_fill(arguments, FILL_BATCH);
            runtime.block_on(enqueue(&publisher, arguments, share))?
        }
        "handle" => runtime.block_on(handle(&pool, arguments))?,
        "finished" => runtime.block_on(finish(&publisher, arguments))?,
        "latency" | "latency-elsewhere" => latency(&runtime, &publisher, arguments)?,
        "produce" => {
            reading::produce_on_request(|sequence| {
                runtime.block_on(publisher.publish(&Message(payload(sequence))))?;
                Ok(())
            })?;
            return Ok(Answer::Nothing);
        }
        other => return Err(format!("there is no case {other}").into()),
    };
    let (version, connections) = runtime.block_on(read_back(&pool))?;
    runtime.block_on(pool.close());
    Ok(reading.sqlite(version, connections).into())
}

async fn open(arguments: &Arguments) -> Result<SqlitePool, Problem> {
    let mut options = SqliteConnectOptions::new()
        .filename(arguments.directory.join(FILE))
        .create_if_missing(true);
    if arguments.setting == "wal" {
        options = options.journal_mode(SqliteJournalMode::Wal);
    }
    let pool = SqlitePoolOptions::new().max_connections(2).connect_with(options).await?;
    ensure_schema(&pool, TABLE).await?;
    Ok(pool)
}

/// What both connections of the pool say of themselves, held at the same time.
async fn read_back(pool: &SqlitePool) -> Result<(String, Vec<Connection>), Problem> {
    let version = sqlx::query_scalar("SELECT sqlite_version()").fetch_one(pool).await?;
    let mut held = Vec::new();
    let mut connections = Vec::new();
    for number in 1..=2 {
        let mut sqlite = pool.acquire().await?;
        let mut connection = Connection::new(format!("pool {number}"));
        let mode: String =
            sqlx::query_scalar("PRAGMA journal_mode").fetch_one(&mut *sqlite).await?;
        connection.set("journal_mode", mode);
        for pragma in &Connection::PRAGMAS[1..] {
            let value: i64 =
                sqlx::query_scalar(&format!("PRAGMA {pragma}")).fetch_one(&mut *sqlite).await?;
            connection.set(pragma, value);
        }
        connections.push(connection);
        held.push(sqlite);
    }
    Ok((version, connections))
}

async fn enqueue(
    publisher: &SqliteOutboxPublisher,
    arguments: &Arguments,
    share: Share,
) -> Result<Reading, Problem> {
    let share = Arc::new(share);
    let callers: Vec<_> = (0..arguments.callers)
        .map(|_| tokio::spawn(enqueue_as_caller(publisher.clone(), Arc::clone(&share))))
        .collect();
    for caller in callers {
        caller.await??;
    }
    Ok(Reading::of(share.done(), share.elapsed()))
}

async fn enqueue_as_caller(
    publisher: SqliteOutboxPublisher,
    share: Arc<Share>,
) -> Result<(), Problem> {
    while let Some(batch) = share.next() {
        if batch.end - batch.start == 1 {
            publisher.publish(&Message(payload(batch.start))).await?;
            continue;
        }
        let mut transaction = publisher.pool().begin().await?;
        for sequence in batch {
            publisher.publish_in_tx(&mut transaction, &Message(payload(sequence))).await?;
        }
        transaction.commit().await?;
    }
    Ok(())
}

fn work(
    pool: &SqlitePool,
    handler: impl Handler<Message>,
    claim: Option<usize>,
) -> Result<JoinHandle<Result<(), OutboxError>>, Problem> {
    let mut builder = SqliteOutboxWorkerBuilder::new(pool.clone())
        .table_name(TABLE)
        .register_handler::<Message, _>(handler);
    if let Some(claim) = claim {
        builder = builder.batch_size(claim);
    }
    Ok(tokio::spawn(builder.build()?.run(CancellationToken::new())))
}

async fn handle(pool: &SqlitePool, arguments: &Arguments) -> Result<Reading, Problem> {
    let delivered_before = delivered(pool).await?;
    let pending = all(pool).await? - delivered_before;
    let handled = Arc::new(AtomicU64::new(0));
    let deadline = Deadline::after(arguments.time);
    let worker = work(pool, Counter(Arc::clone(&handled)), Some(CLAIM))?;
    // What is handled is acknowledged a little later, so the rest is looked up at the end only.
    while !deadline.has_passed() && !worker.is_finished() {
        tokio::time::sleep(Duration::from_millis(1)).await;
        if handled.load(Ordering::Relaxed) >= pending
            && delivered(pool).await? >= delivered_before + pending
        {
            break;
        }
    }
    let time = deadline.elapsed();
    worker.abort();
    // A worker that was not aborted has ended too early, and says why.
    if let Ok(ended) = worker.await {
        ended?;
    }
    Ok(Reading::of(delivered(pool).await? - delivered_before, time))
}

async fn delivered(pool: &SqlitePool) -> Result<u64, Problem> {
    let statement = "SELECT count(*) FROM outbox WHERE delivered_at IS NOT NULL";
    let count: i64 = sqlx::query_scalar(statement).fetch_one(pool).await?;
    Ok(u64::try_from(count)?)
}

async fn all(pool: &SqlitePool) -> Result<u64, Problem> {
    let count: i64 = sqlx::query_scalar("SELECT count(*) FROM outbox").fetch_one(pool).await?;
    Ok(u64::try_from(count)?)
}

async fn finish(
    publisher: &SqliteOutboxPublisher,
    arguments: &Arguments,
) -> Result<Reading, Problem> {
    let begin = Instant::now();
    let pattern = Arguments { count: 1, ..arguments.clone() };
    enqueue(publisher, &pattern, Share::to_fill(&pattern, 1)).await?;
    handle(publisher.pool(), &pattern).await?;
    let rest = Arguments { count: arguments.count.saturating_sub(1), ..arguments.clone() };
    enqueue(publisher, &rest, Share::to_fill(&rest, FILL_BATCH)).await?;
    sqlx::query(FINISH_ALL).execute(publisher.pool()).await?;
    Ok(Reading::of(arguments.count, begin.elapsed())
        .note("one was handled by the peer, the others were written by SQL like it"))
}

fn latency(
    runtime: &Runtime,
    publisher: &SqliteOutboxPublisher,
    arguments: &Arguments,
) -> Result<Reading, Problem> {
    let arrivals = Arc::new(Arrivals::new(arguments.count));
    let clock = Clock(Arc::clone(&arrivals));
    let worker = runtime.block_on(async { work(publisher.pool(), clock, None) })?;
    let deadline;
    let latencies = if arguments.case == "latency" {
        deadline = Deadline::after(arguments.time);
        reading::latencies(arguments, &arrivals, |sequence| {
            runtime.block_on(publisher.publish(&Message(payload(sequence))))?;
            Ok(reading::monotonic_nanoseconds())
        })?
    } else {
        let mut elsewhere = Elsewhere::start(arguments)?;
        deadline = Deadline::after(arguments.time);
        reading::latencies(arguments, &arrivals, |sequence| elsewhere.enqueue(sequence))?
    };
    worker.abort();
    Ok(Reading::of_latencies(latencies, deadline.elapsed()).note(
        "polled 100 ms after an empty batch, but 5 ms after one that was not: the pause of 5 ms \
         after each message often meets the latter",
    ))
}
