//! What a crash test has found so far, from all of its threads.

use super::disk::{Fault, Image, Op, Platter};
use super::events::Event;
use super::network::Seen;
use super::states::{Crash, End};
use super::verdict::{Counts, Loss, Story, Verdict};
use std::collections::{BTreeSet, HashSet};
use std::sync::{Mutex, MutexGuard, PoisonError};
use xxhash_rust::xxh3::{xxh3_64, xxh3_64_with_seed};

/// Nobody looks at more losses than so many: the simplest of them is told.
const ENOUGH: usize = 200;

#[derive(Debug, Default)]
pub(crate) struct Progress(Mutex<Found>);

#[derive(Debug, Default)]
struct Found {
    seen: HashSet<u64>,
    faults: BTreeSet<Fault>,
    counts: Counts,
    losses: Vec<Loss>,
}

impl Progress {
    fn found(&self) -> MutexGuard<'_, Found> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Notes a crash; says whether what it leaves was not looked at before.
    pub(crate) fn is_new(
        &self,
        (image, unsynced): (&Image, (usize, usize)),
        events: &[Event],
        crash: &Crash,
        depth: usize,
        crashes_before: usize,
    ) -> bool {
        // What the next power cut may still lose makes a difference where there is one to come.
        let unsynced = (depth > 1 && crash.end == End::Kill).then_some(unsynced);
        let rest = xxh3_64(format!("{events:?} {unsynced:?} {depth}").as_bytes());
        let hash = image.hash() ^ rest;
        let mut found = self.found();
        found.counts.crashes += 1;
        let is_new = found.seen.insert(hash);
        if is_new {
            found.counts.states += 1;
            found.counts.recovery_states += u64::from(crashes_before > 0);
        }
        is_new
    }

    /// A fault struck the scenario, which failed of it or went on.
    pub(crate) fn struck(&self, fault: Fault, failed: bool) {
        let mut found = self.found();
        found.faults.insert(fault);
        found.counts.faults += 1;
        found.counts.failed_runs += u64::from(failed);
    }

    /// The scenario came through the weather of a seed, or did not.
    pub(crate) fn weathered(&self, seed: u64, seen: &Seen, trace: u64) {
        let mut found = self.found();
        let counts = &mut found.counts;
        counts.network_seeds += 1;
        counts.network_events += seen.events;
        counts.troubles.add_all(&seen.troubles);
        // In whatever order the threads come to it.
        counts.trace = counts.trace.wrapping_add(xxh3_64_with_seed(&trace.to_le_bytes(), seed));
    }

    pub(crate) fn lost(&self, loss: Loss) {
        let mut found = self.found();
        found.counts.violations += 1;
        found.losses.push(loss);
    }

    /// Whether there is nothing more to be learnt.
    pub(crate) fn has_seen_enough(&self) -> bool {
        self.found().losses.len() >= ENOUGH
    }

    /// The end of it: the simplest loss, with its story.
    pub(crate) fn verdict(self, name: &str, seed: u64, base: &Platter, record: &[Op]) -> Verdict {
        let Found { mut counts, losses, faults, .. } =
            self.0.into_inner().unwrap_or_else(PoisonError::into_inner);
        counts.fault_kinds = faults.len() as u64;
        match losses.into_iter().min_by_key(Loss::size) {
            None => Verdict::Survived(counts),
            Some(loss) => {
                Verdict::Lost(Box::new(Story::of(loss, (name, seed), base, record)), counts)
            }
        }
    }
}
