//! What the consumer is told to be settled (rules 10-13).
//!
//! From committed state only, sent as what is new, repeated until confirmed.

use super::TickMs;
use crate::id::Seq;
use crate::limits::STATED_RANGES;
use crate::watermark::Ranges;
use std::collections::{BTreeMap, BTreeSet};

/// How long a statement waits for a message to travel with.
const LONGEST_WAIT_MS: i64 = 1_000;

/// How far the consumer has been told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Standpoint {
    /// It knows all that is settled, or what it does not know fits into one request.
    Current,
    /// Messages must wait for statements to go first (rule 12).
    Behind,
}

#[derive(Clone, Debug)]
#[cfg_attr(test, derive(Hash))]
pub(super) struct Statements {
    /// The transport ends in an inbox that merges statements; otherwise nothing is kept.
    wanted: bool,
    unconfirmed: Ranges,
    /// With when it will be too late for a confirmation.
    carried: BTreeMap<u64, (TickMs, Ranges)>,
    skips: BTreeSet<Seq>,
    due: Option<TickMs>,
    /// After one that was not confirmed the next one waits, however urgent it is.
    rest_until: TickMs,
}

impl Statements {
    pub(super) fn new(wanted: bool, skips: Vec<Seq>) -> Self {
        Self {
            wanted,
            unconfirmed: Ranges::new(),
            carried: BTreeMap::new(),
            skips: if wanted { skips.into_iter().collect() } else { BTreeSet::new() },
            due: None,
            rest_until: TickMs::MIN,
        }
    }

    /// More was settled, by the commit that comes before the next request: all, at the opening.
    pub(super) fn add(&mut self, settled: &Ranges, now: TickMs) {
        if self.wanted && !settled.is_empty() {
            self.unconfirmed.union(settled);
            mistake!(SkipUntold: self.skips.iter().for_each(|seq| self.unconfirmed.remove(*seq)));
            self.due.get_or_insert(now + LONGEST_WAIT_MS);
        }
    }

    pub(super) fn standpoint(&self) -> Standpoint {
        let fits = self.unconfirmed.len() <= STATED_RANGES;
        if fits { Standpoint::Current } else { Standpoint::Behind }
    }

    /// The statement that travels with a request.
    pub(super) fn carry(&mut self, request: u64, deadline: TickMs) -> Ranges {
        let stated = self.unconfirmed.truncate_to(STATED_RANGES);
        if !stated.is_empty() {
            self.carried.insert(request, (deadline, stated.clone()));
        }
        self.due = None;
        stated
    }

    /// The consumer has merged what this request carried. Says which skips it knows now.
    pub(super) fn confirmed(&mut self, request: u64) -> Vec<Seq> {
        let Some((_, stated)) = self.carried.remove(&request) else { return Vec::new() };
        self.unconfirmed.subtract(&stated);
        self.rest_until = TickMs::MIN;
        let known: Vec<Seq> =
            self.skips.iter().copied().filter(|seq| stated.contains(*seq)).collect();
        for seq in &known {
            self.skips.remove(seq);
        }
        known
    }

    /// This request got no confirmation: what it carried is stated again, after a rest.
    pub(super) fn lost(&mut self, request: u64, now: TickMs) {
        if self.carried.remove(&request).is_some() {
            self.rest(now);
        }
    }

    /// Time has passed: whose confirmation is overdue?
    pub(super) fn tick(&mut self, now: TickMs) {
        while let Some(request) = self.deadline().and_then(|(at, one)| (at <= now).then_some(one)) {
            self.lost(request, now);
        }
    }

    /// When the first confirmation is overdue, and to which request.
    pub(super) fn deadline(&self) -> Option<(TickMs, u64)> {
        self.carried.first_key_value().map(|(request, (at, _))| (*at, *request))
    }

    /// Nothing that was carried so far was merged.
    pub(super) fn all_lost(&mut self, now: TickMs) {
        if !self.carried.is_empty() {
            self.carried.clear();
            self.rest(now);
        }
    }

    fn rest(&mut self, now: TickMs) {
        self.rest_until = now + LONGEST_WAIT_MS;
        self.due.get_or_insert(self.rest_until);
    }

    /// Whether a request without messages should go, to tell what is settled.
    pub(super) fn is_due(&self, now: TickMs) -> bool {
        self.due().is_some_and(|due| due <= now)
    }

    /// When a request without messages should go; none while one is under way.
    pub(super) fn due(&self) -> Option<TickMs> {
        if !self.carried.is_empty() || self.unconfirmed.is_empty() {
            return None;
        }
        let urgent = !self.skips.is_empty() || self.standpoint() == Standpoint::Behind;
        let due = if urgent { Some(TickMs::MIN) } else { self.due };
        due.map(|due| due.max(self.rest_until))
    }

    /// Whether the consumer has confirmed all that is settled, or will soon.
    pub(super) fn is_confirmed(&self) -> bool {
        self.unconfirmed.is_empty() || !self.wanted
    }

    /// Stop waiting for a message to travel with.
    pub(super) fn hurry(&mut self, now: TickMs) {
        self.due = Some(now);
    }
}

#[cfg(test)]
impl Statements {
    /// Every moment it remembers, for the model, in which time stands still.
    pub(super) fn freeze(&mut self, instant: impl Fn(TickMs) -> TickMs) {
        self.due = self.due.map(&instant);
        self.rest_until = instant(self.rest_until);
        // The model says when a request is lost.
        self.carried.values_mut().for_each(|(deadline, _)| *deadline = TickMs::MAX);
    }

    /// The requests whose confirmation is awaited.
    pub(super) fn awaited(&self) -> impl Iterator<Item = u64> {
        self.carried.keys().copied()
    }
}
