//! Enqueue, relay, dedup and effect, acknowledge, prune.

use super::Subject;
use crate::Outcome;
use crate::reading::Reading;
use std::path::PathBuf;

/// What is to be handed over, and how.
pub struct Work {
    pub directory: PathBuf,
    /// Enqueued while the relay runs.
    pub count: u64,
    /// Enqueued before.
    pub backlog: u64,
    pub batch: u64,
    pub fill_batch: u64,
    pub window: usize,
    pub payload: usize,
}

pub fn run(subject: Subject, work: &Work) -> Outcome<Reading> {
    match subject {
        Subject::Ours => crate::ours::pipeline::run(work),
        Subject::Floor => crate::floor::pipeline::run(work),
    }
}
