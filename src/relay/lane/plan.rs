//! What to read, and what to write and send (rules 6, 10, 15, 21).

use super::{Again, Doubt, Exception, Flight, Lane, Moment, Standing, State, Tally};
use crate::id::{KeyHash, MessageId, Seq};
use crate::message::Envelope;
use crate::store::delivery::{Change, Counts};
use crate::store::log::{Content, LogRow};
use crate::store::subscription::Position;
use crate::watermark::Ranges;
use std::collections::{BTreeSet, HashSet};

/// Rows read at a time while only one message may go: filtered ones are passed in one go.
const ROWS_PER_PROBE: usize = 64;

/// What a cycle should read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Wants {
    /// These places: sent before, or exceptions.
    pub(crate) at: Vec<Seq>,
    /// After this place, at most so many rows and so many bytes of payload.
    pub(crate) fresh: Option<(Seq, (usize, usize))>,
}

/// What a cycle read.
#[derive(Debug, Default)]
pub(crate) struct Batch {
    /// What stands at the wanted places; none where the row is gone.
    pub(crate) at: Vec<(Seq, Option<LogRow>)>,
    pub(crate) fresh: Vec<LogRow>,
    /// The end of the log was not reached.
    pub(crate) more: bool,
}

/// What a cycle writes, and what it sends once that is committed.
#[derive(Debug)]
pub(crate) struct Plan {
    pub(crate) changes: Vec<Change>,
    pub(crate) position: Position,
    pub(crate) tally: Tally,
    pub(crate) send: Option<Sending>,
}

/// A request, but for what the transport adds.
#[derive(Debug)]
pub(crate) struct Sending {
    pub(crate) request: u64,
    pub(crate) statement: Ranges,
    pub(crate) envelopes: Vec<Envelope>,
}

/// What may be done with a message now.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Go {
    Send,
    Park,
    Wait,
}

impl Lane {
    /// What the next cycle should read; none when there is nothing to do but to wait.
    pub(crate) fn wants(&mut self, now: Moment) -> Option<Wants> {
        if !self.may_send(now) {
            return None;
        }
        self.end_doubt();
        let alone = self.goes_alone();
        let room = if alone {
            usize::from(self.flying == 0)
        } else {
            self.settings.batch
        };
        if room == 0 {
            return None;
        }
        let at = self.candidates(room, now);
        let space = self.settings.window.saturating_sub(self.window.len());
        let bytes = self.settings.window_bytes.saturating_sub(self.window_bytes);
        let in_doubt = self.doubt.is_none_or(|run| self.cursor < run.to);
        let doubtful = self.doubt.is_some() && self.has_doubtful();
        let fits = at.len() < room && space > 0 && bytes > 0;
        let fresh = (self.more && fits && !self.stalled && in_doubt && !doubtful).then(|| {
            let rows = if alone {
                ROWS_PER_PROBE
            } else {
                (room - at.len()).min(space)
            };
            (self.cursor, (rows, bytes.min(self.settings.batch_bytes)))
        });
        let statement = at.is_empty() && fresh.is_none() && self.statements.is_due(now.tick);
        (statement || !at.is_empty() || fresh.is_some()).then_some(Wants { at, fresh })
    }

    fn may_send(&self, now: Moment) -> bool {
        self.destination.is_available(now)
    }

    /// After a crash or an outage one message goes, and the next when that one was answered.
    fn goes_alone(&self) -> bool {
        self.doubt.is_some() || self.destination.is_probing()
    }

    fn has_doubtful(&self) -> bool {
        self.exceptions
            .values()
            .any(|one| one.doubtful && one.standing == Standing::Waiting)
    }

    fn end_doubt(&mut self) {
        let Some(run) = self.doubt else { return };
        let window_open = self
            .window
            .iter()
            .any(|(seq, flight)| *seq <= run.to && !matches!(flight.state, State::Acked { .. }));
        let passed = self.cursor >= run.to || !self.more;
        if self.flying == 0 && passed && !window_open && !self.has_doubtful() {
            self.doubt = None;
            self.doubt_row = Doubt::default();
        }
    }

    /// Places to read again: idle ones of the window, due exceptions, parked ones that are free.
    fn candidates(&mut self, room: usize, now: Moment) -> Vec<Seq> {
        let mut going = Going::default();
        let mut found = BTreeSet::new();
        let doubtful_first = self.doubt.is_some();
        let again = self
            .again
            .iter()
            .copied()
            .filter(|seq| self.is_rested(*seq, now));
        let due = self
            .due
            .iter()
            .take_while(|(due, _)| *due <= now.tick)
            .map(|(_, seq)| *seq);
        let mut candidates: BTreeSet<Seq> = again.chain(due).collect();
        candidates.extend(self.freed.iter().copied());
        if doubtful_first {
            let run = self.doubt.map_or(0, |run| run.to);
            candidates.retain(|seq| match self.exceptions.get(seq) {
                Some(exception) => exception.doubtful,
                None => *seq <= run,
            });
            self.shrink_to_doubtful(&mut candidates);
        }
        let mut held = Vec::new();
        for seq in candidates {
            if found.len() >= room {
                break;
            }
            match self.may_go(seq, &going) {
                Go::Wait => held.push(seq),
                Go::Park => drop(found.insert(seq)),
                Go::Send if self.goes_alone() && self.destination.was_silent(seq) => {}
                Go::Send => self.take_with_followers(seq, room, &mut going, &mut found),
            }
        }
        for seq in held {
            self.hold(seq);
        }
        if found.is_empty() && self.destination.is_probing() && !self.more {
            self.destination.forget_silent();
        }
        found.into_iter().collect()
    }

    /// In doubt, exceptions that may have taken the process down go before the log's run.
    fn shrink_to_doubtful(&self, candidates: &mut BTreeSet<Seq>) {
        if candidates
            .iter()
            .any(|seq| self.exceptions.contains_key(seq))
        {
            candidates.retain(|seq| self.exceptions.contains_key(seq));
        }
    }

    /// One that goes, and the parked ones behind it that may go in the same request.
    fn take_with_followers(
        &self,
        seq: Seq,
        room: usize,
        going: &mut Going,
        found: &mut BTreeSet<Seq>,
    ) {
        found.insert(seq);
        let Some(key) = self.key_of(seq) else { return };
        going.0.insert(seq);
        for follower in self.keys.behind(key, seq) {
            let parked = self.exceptions.get(&follower).is_some_and(|exception| {
                exception.standing == Standing::Parked
                    && matches!(exception.state, State::Idle { blocked: false, .. })
            });
            if !parked || found.len() >= room || self.goes_alone() {
                break;
            }
            found.insert(follower);
            going.0.insert(follower);
        }
    }

    /// Out of the sets that are looked through; its key's head brings it back.
    fn hold(&mut self, seq: Seq) {
        self.freed.remove(&seq);
        if let Some(exception) = self.exceptions.get(&seq) {
            self.due.remove(&(exception.due, seq));
        }
    }

    fn is_rested(&self, seq: Seq, now: Moment) -> bool {
        self.window.get(&seq).is_some_and(|flight| {
            matches!(flight.state, State::Idle { not_before, .. } if not_before <= now.tick)
        })
    }

    fn key_of(&self, seq: Seq) -> Option<KeyHash> {
        let window = self.window.get(&seq).map(|flight| flight.key);
        window
            .or_else(|| self.exceptions.get(&seq).map(|exception| exception.key))
            .flatten()
    }

    /// Whether a message of the window or the exceptions may go (rule 21).
    fn may_go(&self, seq: Seq, going: &Going) -> Go {
        let state = match (self.window.get(&seq), self.exceptions.get(&seq)) {
            (Some(flight), _) => flight.state,
            (None, Some(one)) if matches!(one.standing, Standing::Waiting | Standing::Parked) => {
                one.state
            }
            _ => return Go::Wait,
        };
        let State::Idle { blocked, .. } = state else {
            return Go::Wait;
        };
        let Some(key) = self.key_of(seq) else {
            return Go::Send;
        };
        self.may_follow(key, seq, blocked, going)
    }

    fn may_follow(&self, key: KeyHash, seq: Seq, blocked: bool, going: &Going) -> Go {
        if !going.lets_pass(&self.keys, key, seq) {
            let parkable = self
                .keys
                .before(key, seq)
                .any(|earlier| self.is_held(earlier))
                && self.exceptions.len() < self.settings.max_exceptions
                && !self.exceptions.contains_key(&seq);
            return if parkable { Go::Park } else { Go::Wait };
        }
        // Without an inbox at the other end nobody checks `after`: wait for the answer.
        let careful = blocked || !self.settings.remembers;
        let in_the_air = |earlier: Seq| self.is_flying(earlier);
        if careful && self.keys.before(key, seq).any(in_the_air) {
            Go::Wait
        } else {
            Go::Send
        }
    }

    /// An exception that is not on its way.
    fn is_held(&self, seq: Seq) -> bool {
        self.exceptions
            .get(&seq)
            .is_some_and(|one| matches!(one.state, State::Idle { .. }))
    }

    fn is_flying(&self, seq: Seq) -> bool {
        let state = match (self.window.get(&seq), self.exceptions.get(&seq)) {
            (Some(flight), _) => flight.state,
            (None, Some(exception)) => exception.state,
            (None, None) => return false,
        };
        matches!(state, State::Flying { .. })
    }

    /// Decides about all that was read. What it returns is to be written, committed, and sent, in
    /// that order; if the commit fails the lane is worthless.
    pub(crate) fn plan(&mut self, batch: Batch, now: Moment) -> Plan {
        let request = self.next_request;
        let mut envelopes = Vec::with_capacity(batch.at.len() + batch.fresh.len());
        for (seq, row) in batch.at {
            self.plan_again(seq, row, request, &mut envelopes, now);
        }
        self.plan_fresh(batch.fresh, batch.more, request, &mut envelopes, now);
        let settled = self.advance();
        self.statements.add(&settled, now.tick);
        let statement_only =
            envelopes.is_empty() && self.may_send(now) && self.statements.is_due(now.tick);
        let send = (!envelopes.is_empty() || statement_only).then(|| {
            self.next_request += 1;
            Sending {
                request,
                statement: self.statements.carry(request),
                envelopes,
            }
        });
        self.settle_by = None;
        Plan {
            changes: std::mem::take(&mut self.changes),
            position: self.position(),
            tally: std::mem::take(&mut self.tally),
            send,
        }
    }

    fn plan_again(
        &mut self,
        seq: Seq,
        row: Option<LogRow>,
        request: u64,
        envelopes: &mut Vec<Envelope>,
        now: Moment,
    ) {
        let Some((id, key, counts)) = self.counts(seq) else {
            return;
        };
        let Some(row) = row.filter(|row| row.id == id) else {
            return self.gone(seq, now);
        };
        let state = self.window.get(&seq).map(|flight| flight.state);
        let state = state.or_else(|| self.exceptions.get(&seq).map(|exception| exception.state));
        let Some(State::Idle { blocked, .. }) = state else {
            return;
        };
        let go = key.map_or(Go::Send, |key| {
            self.may_follow(key, seq, blocked, &Going::default())
        });
        match go {
            Go::Wait => {}
            Go::Park => self.park(seq, (id, key), now),
            Go::Send => {
                if let Some((reason, error)) = self.undeliverable(seq, &row, counts, now) {
                    return self.bury(seq, counts, reason, Some(error), now);
                }
                self.send(row, request, envelopes, now);
            }
        }
    }

    fn plan_fresh(
        &mut self,
        rows: Vec<LogRow>,
        more: bool,
        request: u64,
        envelopes: &mut Vec<Envelope>,
        now: Moment,
    ) {
        let mut all = true;
        for row in rows {
            if self.goes_alone() && !envelopes.is_empty()
                || self.doubt.is_some_and(|run| row.seq > run.to)
            {
                all = false;
                break;
            }
            if !self.plan_one_fresh(row, request, envelopes, now) {
                all = false;
                break;
            }
        }
        self.more = more || !all;
    }

    /// Says whether the row was dealt with; otherwise it is read again later.
    fn plan_one_fresh(
        &mut self,
        row: LogRow,
        request: u64,
        envelopes: &mut Vec<Envelope>,
        now: Moment,
    ) -> bool {
        let (seq, id) = (row.seq, row.id);
        let key = match &row.content {
            Content::Filtered => {
                self.pass(seq);
                return true;
            }
            Content::Malformed(_) => None,
            Content::Whole(_, parts) => parts.key.as_deref().map(KeyHash::of),
        };
        let counts = self.counts_in_doubt(seq);
        if let Some((reason, error)) = self.undeliverable(seq, &row, counts, now) {
            self.pass(seq);
            self.bury_unread(seq, (id, key, counts), reason, Some(error), now);
            return true;
        }
        let Content::Whole(_, parts) = &row.content else {
            return true;
        };
        let go = key.map_or(Go::Send, |key| {
            self.may_follow(key, seq, false, &Going::default())
        });
        self.stalled = go != Go::Send && self.exceptions.len() >= self.settings.max_exceptions;
        if self.stalled {
            tracing::error!(
                messaging.system = "surehand",
                messaging.destination.subscription.name = %self.settings.name,
                exceptions = self.exceptions.len(),
                "too many exceptions: the position stops until some are resolved"
            );
            return false;
        }
        self.pass(seq);
        let why_again = if seq <= self.sent_to {
            Again::Crash
        } else {
            Again::First
        };
        let bytes = u32::try_from(parts.payload.len()).unwrap_or(u32::MAX);
        let state = State::Idle {
            blocked: false,
            not_before: 0,
        };
        let flight = Flight {
            id,
            key,
            bytes,
            attempt: counts.attempts,
            state,
            why_again,
        };
        self.window.insert(seq, flight);
        self.window_bytes += bytes as usize;
        if let Some(key) = key {
            self.keys.add(key, seq);
        }
        match go {
            Go::Send => self.send(row, request, envelopes, now),
            Go::Park => self.park(seq, (id, key), now),
            Go::Wait => drop(self.again.insert(seq)),
        }
        true
    }

    fn pass(&mut self, seq: Seq) {
        self.cursor = seq;
    }

    fn counts_in_doubt(&self, seq: Seq) -> Counts {
        let lost = if self.doubt_row.seq == seq {
            self.doubt_row.attempts
        } else {
            0
        };
        Counts {
            attempts: lost,
            failures: 0,
            lost,
        }
    }

    /// Why a message must not be sent at all.
    fn undeliverable(
        &self,
        seq: Seq,
        row: &LogRow,
        counts: Counts,
        now: Moment,
    ) -> Option<(&'static str, String)> {
        if let Content::Malformed(problem) = &row.content {
            return Some(("malformed", problem.clone()));
        }
        if row
            .expires_at_ms
            .is_some_and(|expires| expires < now.wall_ms)
        {
            return Some(("expired", "its time to be delivered is over".into()));
        }
        let doubtful = self.doubt_row.seq == seq
            || self
                .exceptions
                .get(&seq)
                .is_some_and(|exception| exception.doubtful);
        if doubtful && counts.lost >= self.settings.retry.crashes_allowed() {
            let error = format!("the process died in {} attempts at it alone", counts.lost);
            return Some(("crash loop", error));
        }
        None
    }

    fn send(&mut self, row: LogRow, request: u64, envelopes: &mut Vec<Envelope>, now: Moment) {
        let Content::Whole(fingerprint, parts) = row.content else {
            return;
        };
        let seq = row.seq;
        let Some((id, key, counts)) = self.counts(seq) else {
            return;
        };
        let attempt = counts.attempts + 1;
        let after = key.map_or(0, |key| self.keys.predecessor(key, seq));
        self.record_attempt(seq, attempt, request);
        self.flying += 1;
        self.again.remove(&seq);
        self.freed.remove(&seq);
        if let Some(key) = key {
            self.keys.depart(key, seq);
            self.wake_key(key, seq);
        }
        self.deadlines
            .push_back((now.tick + self.settings.ack_timeout_ms, seq, attempt));
        self.sent_to = self.sent_to.max(seq);
        envelopes.push(Envelope {
            seq,
            id,
            revision: row.revision,
            fingerprint,
            attempt,
            after,
            created_at_ms: row.created_at_ms,
            parts,
        });
    }

    fn record_attempt(&mut self, seq: Seq, attempt: u32, request: u64) {
        let state = State::Flying { request };
        let why = if let Some(flight) = self.window.get_mut(&seq) {
            flight.attempt = attempt;
            flight.state = state;
            if self.doubt.is_some() {
                self.doubt_row = Doubt {
                    seq,
                    attempts: attempt,
                };
            }
            flight.why_again
        } else if let Some(exception) = self.exceptions.get_mut(&seq) {
            self.due.remove(&(exception.due, seq));
            exception.counts.attempts = attempt;
            exception.counts.lost += u32::from(exception.doubtful && self.doubt.is_some());
            exception.state = state;
            exception.standing = Standing::Waiting;
            self.changes.push(Change::Send {
                seq,
                counts: exception.counts,
            });
            exception.why_again
        } else {
            return;
        };
        match why {
            Again::First | Again::Blocked => {}
            Again::Timeout => self.tally.by_timeout += 1,
            Again::Failure => self.tally.by_failure += 1,
            Again::Crash => self.tally.by_crash += 1,
            Again::Outage => self.tally.by_outage += 1,
        }
    }

    fn park(&mut self, seq: Seq, (id, key): (MessageId, Option<KeyHash>), now: Moment) {
        let Some((_, _, counts)) = self.counts(seq) else {
            return;
        };
        let exception = Exception {
            id,
            key,
            standing: Standing::Parked,
            counts,
            due: 0,
            state: State::Idle {
                blocked: false,
                not_before: 0,
            },
            why_again: Again::Blocked,
            doubtful: false,
        };
        self.become_exception(seq, exception);
        self.freed.remove(&seq);
        self.change(Change::Park { seq, id, key }, now);
    }

    /// Somebody deleted the row: there is nothing left to deliver.
    fn gone(&mut self, seq: Seq, now: Moment) {
        self.again.remove(&seq);
        if let Some(flight) = self.window.get_mut(&seq) {
            flight.state = State::Acked { revision: None };
        } else if let Some(exception) = self.exceptions.remove(&seq) {
            self.due.remove(&(exception.due, seq));
            self.freed.remove(&seq);
            if let Some(key) = exception.key {
                self.keys.depart(key, seq);
                self.wake_key(key, seq);
                self.keys.remove(key, seq);
            }
            self.change(
                Change::Settle {
                    seq,
                    id: exception.id,
                    applied: None,
                },
                now,
            );
        }
    }

    /// Moves the position over everything that is settled or an exception; returns what this
    /// commit settles.
    fn advance(&mut self) -> Ranges {
        let from = self.settled_to;
        while let Some(first) = self.window.first_entry() {
            if !matches!(first.get().state, State::Acked { .. }) {
                break;
            }
            let (seq, flight) = first.remove_entry();
            self.window_bytes -= flight.bytes as usize;
            self.tally.settled_bytes += i64::from(flight.bytes);
            if let Some(key) = flight.key {
                self.keys.remove(key, seq);
            }
        }
        self.settled_to = self
            .window
            .first_key_value()
            .map_or(self.cursor, |(seq, _)| seq - 1);
        self.sent_to = self.sent_to.max(self.settled_to);
        let mut settled = Ranges::new();
        settled.insert(from + 1, self.settled_to);
        for (seq, _) in self.exceptions.range(from + 1..=self.settled_to.max(from)) {
            settled.remove(*seq);
        }
        self.settle_exceptions(&mut settled);
        settled
    }

    fn settle_exceptions(&mut self, settled: &mut Ranges) {
        let done: Vec<Seq> = self
            .exceptions
            .range(..=self.settled_to)
            .filter(|(_, one)| {
                matches!(one.state, State::Acked { .. }) || one.standing == Standing::Skipped
            })
            .map(|(seq, _)| *seq)
            .collect();
        let mut skipped_through = 0;
        for seq in done {
            let Some(exception) = self.exceptions.remove(&seq) else {
                continue;
            };
            settled.insert(seq, seq);
            if exception.standing == Standing::Skipped {
                skipped_through = seq;
                continue;
            }
            if let Some(key) = exception.key {
                self.keys.remove(key, seq);
            }
            let applied = match exception.state {
                State::Acked { revision } => revision,
                _ => None,
            };
            self.changes.push(Change::Settle {
                seq,
                id: exception.id,
                applied,
            });
            self.stalled = false;
        }
        if skipped_through > 0 {
            self.changes.push(Change::DropSkipped {
                through: skipped_through,
            });
        }
    }
}

/// Messages that go in the request being put together, and so hold nobody back.
#[derive(Default)]
struct Going(HashSet<Seq>);

impl Going {
    fn lets_pass(&self, keys: &super::Keys, key: KeyHash, seq: Seq) -> bool {
        if self.0.is_empty() {
            return !keys.held_back(key, seq);
        }
        keys.at_rest_before(key, seq)
            .all(|earlier| self.0.contains(&earlier))
    }
}
