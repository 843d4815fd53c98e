//! The measurements by name, each in a process of its own: its memory is its own, and so is what it
//! leaves in caches.

pub mod pipeline;

use crate::Outcome;
use crate::common::{bytes_of, peak_bytes};
use crate::reading::Reading;
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
    /// Where its databases are made; a new one otherwise.
    #[arg(long)]
    directory: Option<PathBuf>,
    #[arg(long, default_value_t = 100_000)]
    count: u64,
    #[arg(long, default_value_t = 0)]
    backlog: u64,
    #[arg(long, default_value_t = 256)]
    batch: u64,
    #[arg(long, default_value_t = 0)]
    window: usize,
    #[arg(long, default_value_t = crate::common::PAYLOAD)]
    payload: usize,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Case {
    EndToEnd,
}

pub fn run(arguments: &Arguments) -> Outcome<Reading> {
    let own = tempfile::tempdir()?;
    let directory = arguments.directory.clone().unwrap_or_else(|| own.path().into());
    let mut reading = match arguments.case {
        Case::EndToEnd => pipeline::run(
            arguments.subject,
            &pipeline::Work {
                directory: directory.clone(),
                count: arguments.count,
                backlog: arguments.backlog,
                batch: arguments.batch,
                fill_batch: 4096,
                window: arguments.window,
                payload: arguments.payload,
            },
        )?,
    };
    reading.sqlite = Some(rusqlite::version().into());
    reading.peak_bytes = peak_bytes();
    reading.file_bytes = bytes_of(&directory);
    Ok(reading)
}
