//! Drives apalis with its SQLite storage: a pool of connections, tasks of a tokio runtime.

use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use apalis::prelude::*;
use apalis_sqlite::callback::HookCallbackListener;
use apalis_sqlite::{Config, SqliteConnectOptions, SqlitePool, SqliteStorage};
use futures::StreamExt;
use reading::{
    Answer, Arguments, Arrivals, Connection, Deadline, Elsewhere, Problem, Reading, Setting, Share,
    Subject, payload,
};
use sqlx::AssertSqlSafe;
use sqlx::sqlite::SqliteSynchronous;
use tokio::runtime::Runtime;

const SUBJECT: Subject = Subject {
    name: "apalis",
    version: "1.0.0",
    settings: &[
        Setting {
            name: "default",
            survives_power_cut: false,
            note: "WAL; its setup sets synchronous=OFF on one connection of the pool, the others \
                   stay at FULL, so it is chance which of them writes a message",
        },
        Setting {
            name: "full",
            survives_power_cut: true,
            note: "WAL, synchronous=FULL on all connections: the pool is opened anew after setup",
        },
    ],
    acknowledges: true,
    deduplicates: true,
    joins_callers_transaction: true,
    order_within_key: false,
};

const FILE: &str = "apalis.db";

const QUEUE: &str = "messages";

/// How many messages are fetched at once, and run at the same time; the peer's own defaults of 10
/// and 1 are slower.
const FETCH: usize = 1_000;

const CONCURRENCY: usize = 1_000;

const FILL_BATCH: u64 = 1_000;

/// How often the event-driven worker in the peer's README looks without being woken.
const FALLBACK: Duration = Duration::from_millis(500);

/// Gives the one task that the peer has finished itself as a pattern to all others, which leaves
/// them exactly as the peer leaves a finished task.
const FINISH_ALL: &str = "
    UPDATE Jobs SET (status, attempts, last_result, lock_at, lock_by, done_at) =
        (SELECT status, attempts, last_result, lock_at, lock_by, done_at FROM Jobs
            WHERE status = 'Done' LIMIT 1)
        WHERE status = 'Pending'";

type Storage = SqliteStorage<String>;

fn main() -> ExitCode {
    reading::run(&SUBJECT, perform)
}

fn perform(arguments: &Arguments) -> Result<Answer, Problem> {
    let runtime = Runtime::new()?;
    if arguments.case.starts_with("latency") {
        return latency(&runtime, arguments);
    }
    let pool = runtime.block_on(open(arguments))?;
    let storage = storage(&pool);
    let reading = match arguments.case.as_str() {
        "enqueue" => runtime.block_on(enqueue(&storage, arguments, Share::new(arguments)))?,
        "fill" => {
            let share = Share::to_fill(arguments, FILL_BATCH);
            runtime.block_on(enqueue(&storage, arguments, share))?
        }
        "handle" => runtime.block_on(handle(&storage, arguments))?,
        "finished" => runtime.block_on(finish(&storage, arguments))?,
        "produce" => {
            let mut storage = storage;
            reading::produce_on_request(|sequence| {
                Ok(runtime.block_on(storage.push(payload(sequence)))?)
            })?;
            return Ok(Answer::Nothing);
        }
        other => return Err(format!("there is no case {other}").into()),
    };
    let (version, connections) = runtime.block_on(read_back(&pool))?;
    runtime.block_on(pool.close());
    Ok(reading.sqlite(version, connections).into())
}

/// The pool that the peer's README opens; in the setting `full`, opened anew after its setup.
async fn open(arguments: &Arguments) -> Result<SqlitePool, Problem> {
    let options = options(arguments);
    let pool = SqlitePool::connect_with(options.clone()).await?;
    SqliteStorage::setup(&pool).await?;
    if arguments.setting != "full" {
        return Ok(pool);
    }
    pool.close().await;
    Ok(SqlitePool::connect_with(options.synchronous(SqliteSynchronous::Full)).await?)
}

/// The pool of the peer's event-driven worker, with what wakes it.
async fn open_with_hook(
    arguments: &Arguments,
) -> Result<(SqlitePool, HookCallbackListener), Problem> {
    let path = arguments.directory.join(FILE);
    let (pool, listener) =
        SqliteStorage::connect_with_callback(&format!("sqlite://{}?mode=rwc", path.display()))?;
    if arguments.setting == "full" {
        open(arguments).await?.close().await;
        pool.set_connect_options(options(arguments).synchronous(SqliteSynchronous::Full));
    } else {
        SqliteStorage::setup(&pool).await?;
    }
    Ok((pool, listener))
}

fn options(arguments: &Arguments) -> SqliteConnectOptions {
    SqliteConnectOptions::new().filename(arguments.directory.join(FILE)).create_if_missing(true)
}

fn storage(pool: &SqlitePool) -> Storage {
    Storage::new(pool).with_config(Config::default().queue(QUEUE).batch_size(FETCH))
}

/// What four connections of the pool say of themselves, all held at the same time.
async fn read_back(pool: &SqlitePool) -> Result<(String, Vec<Connection>), Problem> {
    let version = sqlx::query_scalar("SELECT sqlite_version()").fetch_one(pool).await?;
    let mut held = Vec::new();
    let mut connections = Vec::new();
    for number in 1..=4 {
        let mut sqlite = pool.acquire().await?;
        let mut connection = Connection::new(format!("pool {number}"));
        let mode: String =
            sqlx::query_scalar("PRAGMA journal_mode").fetch_one(&mut *sqlite).await?;
        connection.set("journal_mode", mode);
        for pragma in &Connection::PRAGMAS[1..] {
            let statement = AssertSqlSafe(format!("PRAGMA {pragma}"));
            let value: i64 = sqlx::query_scalar(statement).fetch_one(&mut *sqlite).await?;
            connection.set(pragma, value);
        }
        connections.push(connection);
        held.push(sqlite);
    }
    Ok((version, connections))
}

async fn enqueue(
    storage: &Storage,
    arguments: &Arguments,
    share: Share,
) -> Result<Reading, Problem> {
    let share = Arc::new(share);
    let callers: Vec<_> = (0..arguments.callers)
        .map(|_| tokio::spawn(enqueue_as_caller(storage.clone(), Arc::clone(&share))))
        .collect();
    for caller in callers {
        caller.await??;
    }
    Ok(Reading::of(share.done(), share.elapsed()))
}

async fn enqueue_as_caller(mut storage: Storage, share: Arc<Share>) -> Result<(), Problem> {
    while let Some(batch) = share.next() {
        if batch.end - batch.start == 1 {
            storage.push(payload(batch.start)).await?;
        } else {
            storage.push_bulk(batch.map(payload).collect()).await?;
        }
    }
    Ok(())
}

async fn handle(storage: &Storage, arguments: &Arguments) -> Result<Reading, Problem> {
    let pool = storage.pool().clone();
    let pending = count(&pool, "Pending").await?;
    let done_before = count(&pool, "Done").await?;
    let handled = Arc::new(AtomicU64::new(0));
    let seen = Arc::clone(&handled);
    let worker = WorkerBuilder::new(worker_name())
        .backend(storage.clone())
        .concurrency(CONCURRENCY)
        .data(seen)
        .build(count_and_do_nothing);
    let deadline = Deadline::after(arguments.time);
    let worker = tokio::spawn(async move { worker.run().await });
    // What is handled is acknowledged a little later, so the rest is looked up at the end only.
    while !deadline.has_passed() && !worker.is_finished() {
        tokio::time::sleep(Duration::from_millis(1)).await;
        if handled.load(Ordering::Relaxed) >= pending
            && count(&pool, "Done").await? >= done_before + pending
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
    let done = count(&pool, "Done").await? - done_before;
    Ok(Reading::of(done, time).note(
        "its setup has just run PRAGMA optimize on the filled file: a worker that runs since the \
         file was empty acknowledges far less with some thousand messages",
    ))
}

/// A name that no other process has had: the peer refuses one that was seen half a minute ago.
fn worker_name() -> String {
    format!("worker-{}", std::process::id())
}

async fn count_and_do_nothing(_: String, handled: Data<Arc<AtomicU64>>) -> Result<(), BoxDynError> {
    handled.fetch_add(1, Ordering::Relaxed);
    Ok(())
}

async fn count(pool: &SqlitePool, status: &str) -> Result<u64, Problem> {
    let count: i64 = sqlx::query_scalar("SELECT count(*) FROM Jobs WHERE status = ?")
        .bind(status)
        .fetch_one(pool)
        .await?;
    Ok(u64::try_from(count)?)
}

async fn finish(storage: &Storage, arguments: &Arguments) -> Result<Reading, Problem> {
    let begin = Instant::now();
    let pattern = Arguments { count: 1, ..arguments.clone() };
    enqueue(storage, &pattern, Share::to_fill(&pattern, 1)).await?;
    handle(storage, &pattern).await?;
    let rest = Arguments { count: arguments.count.saturating_sub(1), ..arguments.clone() };
    let share = Share::to_fill(&rest, FILL_BATCH);
    enqueue(storage, &rest, share).await?;
    sqlx::query(FINISH_ALL).execute(storage.pool()).await?;
    Ok(Reading::of(arguments.count, begin.elapsed())
        .note("one was handled by the peer, the others were written by SQL like it"))
}

/// With the event-driven worker of the peer's README, which its update hook wakes.
fn latency(runtime: &Runtime, arguments: &Arguments) -> Result<Answer, Problem> {
    let (pool, listener) = runtime.block_on(open_with_hook(arguments))?;
    let mut storage = storage(&pool);
    let arrivals = Arc::new(Arrivals::new(arguments.count));
    let strategy = Strategy::new().stream(listener.ready_chunks(FETCH)).interval(FALLBACK);
    let worker = WorkerBuilder::new(worker_name())
        .backend(storage.clone().poll_with_strategy(strategy))
        .data(Arc::clone(&arrivals))
        .build(note_arrival);
    let worker = runtime.spawn(async move { worker.run().await });
    let deadline;
    let (latencies, note) = if arguments.case == "latency" {
        deadline = Deadline::after(arguments.time);
        let enqueue = |sequence| {
            runtime.block_on(storage.push(payload(sequence)))?;
            Ok(reading::monotonic_nanoseconds())
        };
        (reading::latencies(arguments, &arrivals, enqueue)?, "woken by its update hook")
    } else {
        let mut elsewhere = Elsewhere::start(arguments)?;
        deadline = Deadline::after(arguments.time);
        let enqueue = |sequence| elsewhere.enqueue(sequence);
        let note = "polled every 500 ms: its update hook does not see another process";
        (reading::latencies(arguments, &arrivals, enqueue)?, note)
    };
    let reading = Reading::of_latencies(latencies, deadline.elapsed()).note(note);
    worker.abort();
    let (version, connections) = runtime.block_on(read_back(&pool))?;
    Ok(reading.sqlite(version, connections).into())
}

async fn note_arrival(payload: String, arrivals: Data<Arc<Arrivals>>) -> Result<(), BoxDynError> {
    arrivals.handler_begins(payload.as_bytes());
    Ok(())
}
