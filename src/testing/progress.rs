//! What a crash test has found so far, from all of its threads.

use super::case::Case;
use super::disk::Fault;
use super::script::{Broken, Start, Weathered};
use super::verdict::Counts;
use std::collections::{BTreeSet, HashSet};
use std::sync::{Mutex, MutexGuard, PoisonError};
use xxhash_rust::xxh3::{xxh3_64, xxh3_64_with_seed};

/// Nobody looks at more losses than so many: the simplest of them is told.
pub(crate) const ENOUGH: usize = 64;

#[derive(Debug)]
pub(crate) struct Progress {
    found: Mutex<Found>,
    enough: usize,
}

/// What a test found.
#[derive(Debug, Default)]
pub(crate) struct Found {
    seen: HashSet<u64>,
    pub(crate) faults: BTreeSet<Fault>,
    pub(crate) counts: Counts,
    losses: Vec<(Case, Broken)>,
    /// Threads that the test does not order used the disk, while programs started again.
    has_strangers: bool,
}

/// What a crash leaves.
#[derive(Clone, Copy, Debug)]
pub(crate) struct State<'a> {
    pub(crate) left: &'a Start,
    /// So many crashes are to come, with this one.
    pub(crate) depth: usize,
}

impl Progress {
    /// Nothing yet; so many losses are enough.
    pub(crate) fn new(enough: usize) -> Self {
        Self { found: Mutex::default(), enough }
    }

    fn found(&self) -> MutexGuard<'_, Found> {
        self.found.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Notes a crash; says whether what it leaves was not looked at before.
    pub(crate) fn is_new(&self, state: State<'_>, crashes_before: usize) -> bool {
        let hash = state.hash();
        let mut found = self.found();
        found.counts.crashes += 1;
        let is_new = found.seen.insert(hash);
        if is_new {
            found.counts.states += 1;
            found.counts.recovery_states += u64::from(crashes_before > 0);
        }
        is_new
    }

    /// At so many power cuts more can be lost than is tried.
    pub(crate) fn sampled(&self, cuts: usize) {
        self.found().counts.sampled_cuts += cuts as u64;
    }

    /// A fault struck the scenario, which failed of it or went on.
    pub(crate) fn struck(&self, fault: Fault, failed: bool) {
        let mut found = self.found();
        found.faults.insert(fault);
        found.counts.fault_kinds = found.faults.len() as u64;
        found.counts.faults += 1;
        found.counts.failed_runs += u64::from(failed);
    }

    /// The scenario came through the weather of a seed, or did not.
    pub(crate) fn weathered(&self, seed: u64, weathered: &Weathered) {
        let mut found = self.found();
        let counts = &mut found.counts;
        counts.network_seeds += 1;
        counts.network_events += weathered.seen.events;
        counts.troubles.add_all(&weathered.seen.troubles);
        // In whatever order the threads come to it.
        let trace = xxh3_64_with_seed(&weathered.trace.to_le_bytes(), seed);
        counts.trace = counts.trace.wrapping_add(trace);
    }

    pub(crate) fn lost(&self, case: &Case, broken: Broken) {
        let mut found = self.found();
        found.counts.violations += 1;
        found.losses.push((case.clone(), broken));
    }

    pub(crate) fn met_strangers(&self) {
        self.found().has_strangers = true;
    }

    pub(crate) fn has_met_strangers(&self) -> bool {
        self.found().has_strangers
    }

    /// Whether there is nothing more to be learnt.
    pub(crate) fn has_seen_enough(&self) -> bool {
        let found = self.found();
        found.has_strangers || found.losses.len() >= self.enough
    }

    pub(crate) fn counts(&self) -> Counts {
        self.found().counts
    }

    pub(crate) fn into_found(self) -> Found {
        self.found.into_inner().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Found {
    /// The simplest of the losses.
    pub(crate) fn simplest(self) -> Option<(Case, Broken)> {
        let size = |(case, _): &(Case, Broken)| (case.size(), case.clone());
        self.losses.into_iter().min_by_key(size)
    }
}

impl State<'_> {
    /// The same for states in which nobody can tell a difference.
    fn hash(self) -> u64 {
        let Self { left: Start { disks, events, .. }, depth } = self;
        // What a power cut may still lose makes a difference where one is to come.
        let unsynced = (depth > 1).then(|| disks.unsynced());
        let seen: Vec<_> = events.iter().filter(|event| event.is_remembered()).collect();
        disks.kept().hash() ^ xxh3_64(format!("{seen:?} {unsynced:?} {depth}").as_bytes())
    }
}
