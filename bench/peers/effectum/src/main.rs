//! Drives effectum: one `Queue` in one process, tasks of a multi-threaded tokio runtime.

use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, Instant};

use effectum::{Job, JobRegistry, JobRunner, Queue, RunningJob, Worker};
use reading::{
    Answer, Arguments, Arrivals, Connection, Deadline, Problem, Reading, Setting, Share, Subject,
    payload,
};
use tokio::runtime::Runtime;

const SUBJECT: Subject = Subject {
    name: "effectum",
    version: "0.7.0",
    settings: &[
        Setting {
            name: "default",
            survives_power_cut: false,
            note: "rollback journal (DELETE), synchronous=NORMAL: the crate means to set WAL but \
                   sets a pragma that does not exist",
        },
        Setting {
            name: "wal",
            survives_power_cut: false,
            note: "WAL, synchronous=NORMAL: the file was put into WAL before the crate opened it",
        },
    ],
    acknowledges: true,
    deduplicates: true,
    joins_callers_transaction: false,
    order_within_key: false,
};

const JOB: &str = "message";

const FILL_BATCH: u64 = 1_000;

/// A worker takes new jobs when fewer than the first number run, up to the second one.
const CONCURRENCY: (u16, u16) = (512, 1024);

/// Gives the one job that the peer has finished itself as a pattern to all others, which leaves
/// them exactly as the peer leaves a finished job.
const FINISH_ALL: &str = "
    DELETE FROM active_jobs;
    UPDATE jobs SET (status, run_info, started_at, finished_at) =
        (SELECT status, run_info, started_at, finished_at FROM jobs
            WHERE status = 'succeeded' LIMIT 1)
        WHERE status = 'pending';";

fn main() -> ExitCode {
    reading::run(&SUBJECT, perform)
}

fn perform(arguments: &Arguments) -> Result<Answer, Problem> {
    if matches!(arguments.case.as_str(), "latency-elsewhere" | "produce") {
        return Ok(Answer::Cannot(
            "one process only: a worker does not learn of what another process enqueues",
        ));
    }
    let runtime = Runtime::new()?;
    // The queue needs a runtime around it when it is dropped, too.
    let _entered = runtime.enter();
    let path = arguments.directory.join("effectum.db");
    prepare(&path, arguments)?;
    let queue = Arc::new(runtime.block_on(Queue::new(&path))?);
    let reading = match arguments.case.as_str() {
        "enqueue" => runtime.block_on(enqueue(&queue, arguments, Share::new(arguments)))?,
        "fill" => {
            let share = Share::to_fill(arguments, FILL_BATCH);
            runtime.block_on(enqueue(&queue, arguments, share))?
        }
        "handle" => runtime.block_on(handle(&queue, arguments))?,
        "finished" => runtime.block_on(finish(&queue, &path, arguments))?,
        "latency" => latency(&runtime, &queue, arguments)?,
        other => return Err(format!("there is no case {other}").into()),
    };
    // A queue whose workers are still busy after that is left to the end of the process.
    let _ = runtime.block_on(queue.close(Duration::from_secs(5)));
    let (version, connection) = read_back(&path)?;
    Ok(reading.sqlite(version, vec![connection]).into())
}

/// Puts a file into WAL mode, which it keeps, before the peer opens it.
fn prepare(path: &Path, arguments: &Arguments) -> Result<(), Problem> {
    if arguments.setting == "wal" {
        let connection = rusqlite::Connection::open(path)?;
        connection.query_row("PRAGMA journal_mode = WAL", [], |row| row.get::<_, String>(0))?;
        // An empty file keeps no mode, so it needs a page.
        connection.execute_batch("CREATE TABLE IF NOT EXISTS page (a); DROP TABLE page;")?;
    }
    Ok(())
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

fn job(sequence: u64) -> Job {
    Job::builder(JOB).payload(payload(sequence).into_bytes()).build()
}

async fn enqueue(
    queue: &Arc<Queue>,
    arguments: &Arguments,
    share: Share,
) -> Result<Reading, Problem> {
    let share = Arc::new(share);
    let callers: Vec<_> = (0..arguments.callers)
        .map(|_| tokio::spawn(enqueue_as_caller(Arc::clone(queue), Arc::clone(&share))))
        .collect();
    for caller in callers {
        caller.await??;
    }
    Ok(Reading::of(share.done(), share.elapsed()))
}

async fn enqueue_as_caller(queue: Arc<Queue>, share: Arc<Share>) -> Result<(), Problem> {
    while let Some(batch) = share.next() {
        if batch.end - batch.start == 1 {
            queue.add_job(job(batch.start)).await?;
        } else {
            queue.add_jobs(batch.map(job).collect()).await?;
        }
    }
    Ok(())
}

async fn start_worker(
    queue: &Queue,
    arrivals: &Arc<Arrivals>,
    concurrency: (u16, u16),
) -> Result<Worker, Problem> {
    let registry = JobRegistry::new(&[JobRunner::builder(JOB, note_arrival).build()]);
    let worker = Worker::builder(queue, Arc::clone(arrivals))
        .registry(&registry)
        .min_concurrency(concurrency.0)
        .max_concurrency(concurrency.1)
        .build()
        .await?;
    Ok(worker)
}

async fn note_arrival(job: RunningJob, arrivals: Arc<Arrivals>) -> Result<(), String> {
    arrivals.handler_begins(&job.payload);
    Ok(())
}

async fn do_nothing(_: RunningJob, (): ()) -> Result<(), String> {
    Ok(())
}

async fn handle(queue: &Queue, arguments: &Arguments) -> Result<Reading, Problem> {
    let registry = JobRegistry::new(&[JobRunner::builder(JOB, do_nothing).build()]);
    let deadline = Deadline::after(arguments.time);
    let worker = Worker::builder(queue, ())
        .registry(&registry)
        .min_concurrency(CONCURRENCY.0)
        .max_concurrency(CONCURRENCY.1)
        .build()
        .await?;
    // A job counts as finished when the worker has been told so, after the commit. The queue is
    // empty when nothing new was finished for a while and nothing that was begun is missing.
    let mut last = (worker.counts().finished, deadline.elapsed());
    while !deadline.has_passed() {
        tokio::time::sleep(Duration::from_millis(1)).await;
        let counts = worker.counts();
        if counts.finished > last.0 {
            last = (counts.finished, deadline.elapsed());
        } else if counts.started == counts.finished && idle_since(last.1, &deadline) {
            break;
        }
    }
    Ok(Reading::of(last.0, last.1))
}

fn idle_since(last: Duration, deadline: &Deadline) -> bool {
    deadline.elapsed() - last > Duration::from_millis(200)
}

async fn finish(
    queue: &Arc<Queue>,
    path: &Path,
    arguments: &Arguments,
) -> Result<Reading, Problem> {
    let begin = Instant::now();
    let pattern = Arguments { count: 1, ..arguments.clone() };
    enqueue(queue, &pattern, Share::to_fill(&pattern, 1)).await?;
    handle(queue, &pattern).await?;
    let rest = Arguments { count: arguments.count.saturating_sub(1), ..arguments.clone() };
    let share = Share::to_fill(&rest, FILL_BATCH);
    enqueue(queue, &rest, share).await?;
    rusqlite::Connection::open(path)?.execute_batch(FINISH_ALL)?;
    Ok(Reading::of(arguments.count, begin.elapsed())
        .note("one was handled by the peer, the others were written by SQL like it"))
}

fn latency(runtime: &Runtime, queue: &Queue, arguments: &Arguments) -> Result<Reading, Problem> {
    let arrivals = Arc::new(Arrivals::new(arguments.count));
    let worker = runtime.block_on(start_worker(queue, &arrivals, CONCURRENCY))?;
    let deadline = Deadline::after(arguments.time);
    let latencies = reading::latencies(arguments, &arrivals, |sequence| {
        runtime.block_on(queue.add_job(job(sequence)))?;
        Ok(reading::monotonic_nanoseconds())
    })?;
    let reading = Reading::of_latencies(latencies, deadline.elapsed());
    runtime.block_on(worker.unregister(Some(Duration::from_secs(5))))?;
    Ok(reading)
}
