//! A lane as `crate::model` needs it: time stands still, and equal states compare equal.
//!
//! Nothing here decides. What a lane remembers of time is reduced to what its decisions can tell
//! apart: over or still to come, and which of several deadlines is first.

use super::{Again, Lane, Moment, State, TickMs};
use std::collections::BTreeSet;
use std::hash::{Hash, Hasher};

/// The moment at which everything happens that does not wait.
const NOW: TickMs = 1_000_000;
/// So long do answers have; longer than anything else waits.
pub(crate) const ACK_TIMEOUT_MS: i64 = 100_000;
/// Every wait that is not over ends then.
const LATER: TickMs = NOW + 40_000;
const OVER: TickMs = 0;

/// How much time has passed before a step is taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Pace {
    /// None.
    At,
    /// Enough to commit what is settled; too little for a retry, an outage or a statement.
    Soon,
    /// Enough for all of them; too little for an answer to be overdue.
    Late,
}

impl Pace {
    pub(crate) fn moment(self) -> Moment {
        moment(match self {
            Self::At => NOW,
            Self::Soon => NOW + 20,
            Self::Late => NOW + 50_000,
        })
    }
}

pub(crate) fn moment(tick: TickMs) -> Moment {
    // Two clocks that agree: a clock that jumps only changes how long a wait is.
    let wall_ms = tick;
    Moment { tick, wall_ms }
}

/// A stored time as the model keeps it: over, or still to come.
pub(crate) fn instant(at: TickMs, now: TickMs) -> TickMs {
    match at {
        TickMs::MAX => at,
        _ if at > now => LATER,
        _ => OVER,
    }
}

impl Lane {
    /// After every step: forgets how late it is.
    pub(crate) fn freeze(&mut self, now: Moment) {
        let over = |at| instant(at, now.tick);
        let rest = |state: &mut State| {
            if let State::Idle { not_before, .. } = state {
                *not_before = over(*not_before);
            }
        };
        self.window.values_mut().for_each(|flight| rest(&mut flight.state));
        for flight in self.window.values_mut() {
            flight.why_again = Again::First;
        }
        for exception in self.exceptions.values_mut() {
            exception.why_again = Again::First;
            rest(&mut exception.state);
            exception.due = over(exception.due);
        }
        self.due = self.due.iter().map(|(due, seq)| (over(*due), *seq)).collect();
        self.settle_by = self.settle_by.map(|_| NOW + super::answer::SETTLE_WITHIN_MS);
        self.statements.freeze(over);
        self.tally = super::Tally::default();
        // Of all requests before an answer or a trouble the newest that is open says the same.
        let open = self.open_requests();
        let newest = |request| open.range(..=request).next_back().copied().unwrap_or(0);
        self.destination.freeze(over, newest);
        self.rank_deadlines();
    }

    /// Keeps the order of what was sent, and nothing else of their times.
    fn rank_deadlines(&mut self) {
        let mut deadlines = std::mem::take(&mut self.deadlines);
        deadlines.retain(|(_, seq, attempt)| self.flying_attempt(*seq) == Some(*attempt));
        let times: BTreeSet<TickMs> = deadlines.iter().map(|(deadline, ..)| *deadline).collect();
        let count = times.len() as TickMs;
        for (deadline, ..) in &mut deadlines {
            let place = times.range(..*deadline).count() as TickMs;
            *deadline = NOW - count + place + ACK_TIMEOUT_MS;
        }
        self.deadlines = deadlines;
    }

    /// When the answers run out of time, each moment once.
    pub(crate) fn deadlines(&self) -> BTreeSet<TickMs> {
        self.deadlines.iter().map(|(deadline, ..)| *deadline).collect()
    }

    /// The requests with messages that are overdue at that moment.
    pub(crate) fn overdue(&self, deadline: TickMs) -> BTreeSet<u64> {
        let overdue = self.deadlines.iter().filter(|(at, ..)| *at <= deadline);
        overdue.filter_map(|(_, seq, _)| self.request_of(*seq)).collect()
    }

    /// The requests that an answer, a confirmation or a `Closed` may still be about.
    pub(crate) fn open_requests(&self) -> BTreeSet<u64> {
        let states = self.window.values().map(|flight| flight.state);
        let states = states.chain(self.exceptions.values().map(|one| one.state));
        let flying = states.filter_map(|state| match state {
            State::Flying { request } => Some(request),
            _ => None,
        });
        flying.chain(self.statements.awaited()).collect()
    }

    /// Gives the next request this number: one that nothing under way has.
    pub(crate) fn number_requests_from(&mut self, request: u64) {
        self.next_request = request;
    }

    /// What is there of a place, if the lane knows it: its id and the attempt under way.
    pub(crate) fn known_at(
        &self,
        seq: crate::id::Seq,
    ) -> Option<(crate::id::MessageId, Option<u32>)> {
        let (id, ..) = self.counts(seq)?;
        Some((id, self.flying_attempt(seq)))
    }
}

impl Hash for Lane {
    fn hash<H: Hasher>(&self, state: &mut H) {
        // Without the settings, which never change, and what the rest determines.
        let Self {
            incarnation,
            settled_to,
            cursor,
            sent_to,
            acked_to,
            window,
            exceptions,
            keys,
            again,
            due,
            freed,
            deadlines,
            statements,
            destination,
            doubt,
            doubt_row,
            changes,
            more,
            stalled,
            settle_by,
            ..
        } = self;
        (incarnation, settled_to, cursor, sent_to, acked_to).hash(state);
        (window, exceptions, keys, again, due, freed, deadlines).hash(state);
        (statements, destination, doubt, doubt_row, changes).hash(state);
        (more, stalled, settle_by, self.flying).hash(state);
    }
}
