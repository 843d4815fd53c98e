//! The measurements by name, each in a process of its own: its memory is its own, and so is what it
//! leaves in caches.

use crate::common::{bytes_of, peak_bytes};
use crate::reading::Reading;
use crate::{Outcome, floor, ours};
use clap::ValueEnum;
use std::path::PathBuf;

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Subject {
    Ours,
    Floor,
}

#[derive(clap::Args)]
pub struct Arguments {
    /// What to measure.
    case: Case,
    /// Whose.
    #[arg(long, default_value = "ours")]
    subject: Subject,
    /// Where its databases are; a new one otherwise.
    #[arg(long)]
    directory: Option<PathBuf>,
    #[command(flatten)]
    work: Work,
}

/// What is to be done, and how; each case takes of it what it needs.
#[derive(Clone, Debug, clap::Args)]
pub struct Work {
    #[arg(skip)]
    pub directory: PathBuf,
    #[arg(long, default_value_t = 100_000)]
    pub count: u64,
    /// Enqueued before.
    #[arg(long, default_value_t = 0)]
    pub backlog: u64,
    #[arg(long, default_value_t = 256)]
    pub batch: u64,
    #[arg(long, default_value_t = 1)]
    pub callers: u64,
    /// No longer than that, if it is not 0.
    #[arg(long, default_value_t = 0.0)]
    pub seconds: f64,
    /// Milliseconds between two trials.
    #[arg(long, default_value_t = 5)]
    pub pause: u64,
    #[arg(long, default_value_t = 0)]
    pub window: usize,
    #[arg(long, default_value_t = crate::common::PAYLOAD)]
    pub payload: usize,
    /// Ids without an order (UUIDv4).
    #[arg(long)]
    pub random_ids: bool,
    /// Which of several ways.
    #[arg(long, default_value = "plain")]
    pub way: Way,
}

/// One word for each variant of a case.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Way {
    Plain,
    /// Latency: from another process's own transaction.
    Elsewhere,
    /// Enqueue in a transaction: many by one call.
    Many,
    /// With a key and headers.
    Keyed,
    /// With an idempotency key.
    Idempotent,
    /// With a bound on what may be pending.
    Bounded,
    /// Trouble: many keys.
    Keys,
    /// A failing head with messages of its key behind it.
    Parked,
    /// Failed messages that wait for their retry.
    Waiting,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Case {
    EndToEnd,
    Fill,
    /// Messages that are over, for what they leave behind.
    Finished,
    Handle,
    Drains,
    Enqueue,
    EnqueueInside,
    History,
    Trouble,
    Subscriptions,
    Outage,
    Host,
    Latency,
    /// The other process of a latency: commits a message for each line of its input.
    Produce,
    Sync,
    Idle,
    Wal,
    CountEnqueue,
    CountHandle,
}

pub fn run(arguments: &Arguments) -> Outcome<Reading> {
    let mut work = arguments.work.clone();
    // Kept until the end, and removed then.
    let own;
    work.directory = match &arguments.directory {
        Some(directory) => directory.clone(),
        None => {
            own = tempfile::Builder::new().prefix("measure-").tempdir_in(crate::run::target()?)?;
            own.path().into()
        }
    };
    let mut reading = match arguments.subject {
        Subject::Ours => of_ours(arguments.case, &work)?,
        Subject::Floor => of_the_floor(arguments.case, &work)?,
    };
    reading.sqlite = Some(rusqlite::version().into());
    reading.peak_bytes = peak_bytes();
    reading.file_bytes = bytes_of(&work.directory);
    Ok(reading)
}

fn of_ours(case: Case, work: &Work) -> Outcome<Reading> {
    match case {
        Case::EndToEnd => ours::pipeline::run(work),
        Case::Fill => ours::drain::fill(work),
        Case::Finished => ours::history::finished(work),
        Case::Handle => ours::drain::handle(work),
        Case::Drains => ours::drain::drains(work),
        Case::Enqueue => ours::enqueue::run(work),
        Case::EnqueueInside => ours::inside::run(work),
        Case::History => ours::history::run(work),
        Case::Trouble => ours::trouble::run(work),
        Case::Subscriptions => ours::subscriptions::run(work),
        Case::Outage => ours::outage::run(work),
        Case::Host => ours::host::run(work),
        Case::Latency => ours::latency::run(work),
        Case::Produce => ours::latency::produce(work),
        Case::Sync => floor::sync::run(work),
        Case::Idle => ours::idle::run(work),
        Case::Wal => ours::wal::run(work),
        Case::CountEnqueue => ours::count::enqueue(work),
        Case::CountHandle => ours::count::handle(work),
    }
}

fn of_the_floor(case: Case, work: &Work) -> Outcome<Reading> {
    match case {
        Case::EndToEnd => floor::pipeline::run(work),
        Case::Fill => floor::drain::fill(work),
        Case::Handle => floor::drain::handle(work),
        Case::Drains => floor::drain::drains(work),
        Case::Enqueue => floor::enqueue::run(work),
        Case::Host => floor::host::run(work),
        Case::Sync => floor::sync::run(work),
        other => Err(format!("the floor has no {other:?}").into()),
    }
}
