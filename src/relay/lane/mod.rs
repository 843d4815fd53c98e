//! One subscription's decisions, as a pure state machine.
//!
//! A lane is told what happened (rows were read, an answer came, time passed) and says what to do:
//! what to read, what to write, what to send. It does no I/O, reads no clock, and never writes a
//! cached view of a row: what it remembers of exceptions is valid as long as the epoch is, which
//! every cycle checks in its transaction. `relay::engine` runs it against a store and a transport;
//! `tests` run it through every interleaving of a small scope.
//!
//! The rules are numbered as in `docs/protocol.md`.

mod advance;
mod answer;
mod choose;
mod destination;
mod flight;
#[cfg(test)]
pub(crate) mod frozen;
mod keys;
mod outgoing;
mod plan;
mod statement;
mod verdict;
mod wake;
mod window;

#[cfg(test)]
mod storm;
#[cfg(test)]
mod tests;

pub(crate) use destination::Trouble;
#[cfg(test)]
pub(crate) use frozen::Pace;
pub(crate) use plan::{Batch, Plan, Sending, Wants};

use crate::id::{Incarnation, KeyHash, Seq};
use crate::relay::settings::Settings;
use crate::store::delivery::{Change, ExceptionRow, Standing};
use crate::store::subscription::{Doubt, Position, SubscriptionRow, Tally};
use crate::watermark::Ranges;
use destination::Destination;
use flight::{Again, Exception, Flight, State};
use keys::Keys;
use statement::Statements;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use window::Window;

/// Milliseconds of the clock that only grows.
pub(crate) type TickMs = i64;

/// Both times, as the lane counts them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Moment {
    pub(crate) tick: TickMs,
    pub(crate) wall_ms: i64,
}

/// A subscription while one relay serves it in one epoch.
#[derive(Clone, Debug)]
pub(crate) struct Lane {
    settings: Settings,
    incarnation: Incarnation,
    /// Everything at or below is settled, or an exception.
    settled_to: Seq,
    /// Everything at or below was read by this incarnation.
    cursor: Seq,
    /// The largest place that any incarnation may have sent.
    sent_to: Seq,
    acked_to: Seq,
    /// What was read above `settled_to` and is no exception; gone when the position passes it.
    window: Window,
    window_bytes: usize,
    exceptions: BTreeMap<Seq, Exception>,
    /// The exceptions that are acknowledged or skipped: settled once the position has passed them.
    done: BTreeSet<Seq>,
    /// Who of a key is before whom, window and exceptions together.
    keys: Keys,
    /// In the window and to be sent again.
    again: BTreeSet<Seq>,
    /// Waiting exceptions by when they may be sent.
    due: BTreeSet<(TickMs, Seq)>,
    /// Parked exceptions that may have become free.
    freed: BTreeSet<Seq>,
    /// When the messages under way run out of time, in the order they were sent.
    deadlines: VecDeque<(TickMs, Seq, u32)>,
    /// Whose attempt the transport has given up, since time was looked at last.
    unknown: Vec<(Seq, u32)>,
    flying: usize,
    flying_bytes: usize,
    statements: Statements,
    destination: Destination,
    doubt: Option<DoubtfulRun>,
    doubt_row: Doubt,
    /// Where the row of this subscription stands, as the last plan wrote it.
    written: Position,
    changes: Vec<Change>,
    tally: Tally,
    more: bool,
    stalled: bool,
    settle_by: Option<TickMs>,
    next_request: u64,
}

/// The messages that were under way when the process before this one died.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct DoubtfulRun {
    to: Seq,
}

impl Lane {
    /// A lane as the store says it stands, at the opening of an incarnation.
    ///
    /// `after_crash`: an earlier process did not close the subscription.
    pub(crate) fn open(
        settings: Settings,
        row: &SubscriptionRow,
        exceptions: Vec<ExceptionRow>,
        skips: Vec<Seq>,
        after_crash: bool,
        now: Moment,
    ) -> Self {
        let longest = settings.longest_wait_ms();
        let mut lane = Self {
            incarnation: row.incarnation,
            settled_to: row.settled_to,
            cursor: row.settled_to,
            sent_to: row.sent_to,
            acked_to: row.acked_to,
            window: Window::default(),
            window_bytes: 0,
            exceptions: BTreeMap::new(),
            done: BTreeSet::new(),
            keys: Keys::default(),
            again: BTreeSet::new(),
            due: BTreeSet::new(),
            freed: BTreeSet::new(),
            deadlines: VecDeque::new(),
            unknown: Vec::new(),
            flying: 0,
            flying_bytes: 0,
            statements: Statements::new(settings.remembers, skips),
            destination: Destination::new(row.outage, longest, now),
            doubt: None,
            doubt_row: mistake!(AttemptsForgotten ? Doubt::default(), else row.doubt),
            written: row.position(),
            changes: Vec::new(),
            tally: Tally::default(),
            more: true,
            stalled: false,
            settle_by: None,
            next_request: 1,
            settings,
        };
        for row in exceptions {
            lane.adopt(&row, after_crash, now);
        }
        let doubtful = lane.sent_to > lane.settled_to
            || lane.exceptions.values().any(|exception| exception.doubtful);
        if after_crash && doubtful {
            lane.doubt = Some(DoubtfulRun { to: lane.sent_to });
        } else {
            lane.doubt_row = Doubt::default();
        }
        // A skip is stated, and the consumer remembers how far it was told: no further than what
        // is recorded as sent, or the next greeting would take the store for a rewound one.
        if let Some(skipped) = lane.done.last() {
            lane.sent_to = lane.sent_to.max(*skipped);
        }
        let settled = lane.settled_by_the_store();
        lane.statements.add(&settled, now.tick);
        lane
    }

    fn adopt(&mut self, row: &ExceptionRow, after_crash: bool, now: Moment) {
        // A clock that jumped must not make a message wait for longer than it was to.
        let wait = (row.available_at_ms - now.wall_ms).clamp(0, row.longest_wait_ms);
        let counts = row.counts;
        let exception = Exception {
            id: row.id,
            key: mistake!(RedriveOvertaken ? row.key.filter(|_| counts.failures > 0), else row.key),
            standing: row.standing,
            bytes: 0,
            counts,
            due: now.tick + wait,
            state: State::Idle { blocked: false, not_before: 0 },
            why_again: if row.sent { Again::Crash } else { Again::Failure },
            doubtful: after_crash && row.sent,
        };
        self.insert_exception(row.seq, exception);
    }

    fn insert_exception(&mut self, seq: Seq, exception: Exception) {
        match exception.standing {
            Standing::Waiting => drop(self.due.insert((exception.due, seq))),
            Standing::Parked => drop(self.freed.insert(seq)),
            Standing::Skipped => drop(self.done.insert(seq)),
            Standing::Dead => {}
        }
        if exception.standing != Standing::Skipped
            && let Some(key) = exception.key
        {
            self.keys.add(key, seq);
            self.keys.set_aside(key, seq);
        }
        self.exceptions.insert(seq, exception);
    }

    /// What committed state calls settled: all up to the position but the unsettled exceptions,
    /// and what was skipped above it (rules 10, 11).
    fn settled_by_the_store(&self) -> Ranges {
        let mut settled = Ranges::through(self.settled_to);
        for (seq, exception) in &self.exceptions {
            if exception.standing == Standing::Skipped {
                settled.insert(*seq, *seq);
            } else {
                settled.remove(*seq);
            }
        }
        settled
    }

    /// Where the row of this subscription stands after the next commit.
    pub(crate) fn position(&self) -> Position {
        Position {
            settled_to: self.settled_to,
            sent_to: self.sent_to,
            acked_to: self.acked_to,
            doubt: self.doubt_row,
            outage: self.destination.outage(),
        }
    }

    /// Where it stood after the last commit: answers that came since are in memory only.
    pub(crate) fn written(&self) -> Position {
        self.written
    }

    /// The incarnation this lane belongs to.
    pub(crate) fn incarnation(&self) -> Incarnation {
        self.incarnation
    }

    pub(crate) fn settings(&self) -> &Settings {
        &self.settings
    }

    pub(crate) fn sent_to(&self) -> Seq {
        self.sent_to
    }

    pub(crate) fn acked_to(&self) -> Seq {
        self.acked_to
    }

    /// Somebody committed: there may be more to read.
    pub(crate) fn look_again(&mut self) {
        self.more = true;
    }

    /// Messages under way.
    pub(crate) fn in_flight(&self) -> usize {
        self.flying
    }

    /// Whether everything is settled but what waits for a person: dead letters, who is behind one
    /// of its key, and at the bound of exceptions all that is behind those.
    pub(crate) fn is_idle(&self) -> bool {
        let at_the_bound = self.stalled
            || self.window.len() >= self.settings.window
            || self.window_bytes >= self.settings.window_bytes;
        let waits_for_a_person = |(seq, exception): (&Seq, &Exception)| match exception.standing {
            Standing::Dead | Standing::Skipped => true,
            _ if matches!(exception.state, State::Acked { .. }) => true,
            _ if *seq > self.cursor && at_the_bound => true,
            Standing::Parked | Standing::Waiting => self.is_behind_dead(exception.key, *seq),
        };
        let cannot_be_parked = self.exceptions.len() >= self.settings.max_exceptions;
        // Acknowledged, and written: the position stops before them.
        let is_passed = |flight: &Flight| matches!(flight.state, State::Acked { .. });
        let stays = |(seq, flight): (Seq, &Flight)| {
            is_passed(flight) || cannot_be_parked && self.is_behind_dead(flight.key, seq)
        };
        self.flying == 0
            && self.settle_by.is_none()
            && (!self.more || at_the_bound)
            && self.changes.is_empty()
            && self.window.iter().all(stays)
            && self.exceptions.iter().all(waits_for_a_person)
            && self.statements.is_confirmed()
    }

    fn is_behind_dead(&self, key: Option<KeyHash>, seq: Seq) -> bool {
        key.is_some_and(|key| self.keys.at_rest_before(key, seq).any(|one| self.is_dead(one)))
    }

    fn is_dead(&self, seq: Seq) -> bool {
        self.exceptions.get(&seq).is_some_and(|exception| exception.standing == Standing::Dead)
    }
}
