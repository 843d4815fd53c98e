//! What was read becomes what is written and what is sent (rules 6, 15, 20).

use super::choose::{Go, Going};
use super::outgoing::Outgoing;
use super::{Again, Doubt, Exception, Flight, Lane, Moment, Standing, State, Tally};
use crate::id::{KeyHash, MessageId, Seq};
use crate::message::Envelope;
use crate::store::delivery::{Change, Counts};
use crate::store::log::{Content, LogRow};
use crate::store::subscription::Position;
use crate::watermark::Ranges;

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
    /// Whether the log goes on after these; none when it was not read.
    pub(crate) more: Option<bool>,
}

/// What a cycle writes, and what it sends once that is committed.
#[derive(Debug)]
pub(crate) struct Plan {
    pub(crate) changes: Vec<Change>,
    pub(crate) position: Position,
    pub(crate) tally: Tally,
    pub(crate) send: Vec<Sending>,
}

/// A request, but for what the transport adds.
#[derive(Debug)]
pub(crate) struct Sending {
    pub(crate) request: u64,
    pub(crate) statement: Ranges,
    pub(crate) envelopes: Vec<Envelope>,
}

impl Lane {
    /// Decides about all that was read. What it returns is to be written, committed, and sent, in
    /// that order; if the commit fails the lane is worthless.
    pub(crate) fn plan(&mut self, batch: Batch, now: Moment) -> Plan {
        let most = (self.settings.batch, self.settings.batch_bytes);
        let mut outgoing = Outgoing::new(self.next_request, most);
        for (seq, row) in batch.at {
            self.plan_again(seq, row, &mut outgoing, now);
        }
        self.plan_fresh(batch.fresh, batch.more, &mut outgoing, now);
        let settled = self.advance();
        mistake!(StatementTooEarly: self.statements.add(&Ranges::through(self.sent_to), now.tick));
        self.statements.add(&settled, now.tick);
        if outgoing.is_empty() && self.may_send(now) && self.statements.is_due(now.tick) {
            // A statement alone.
            outgoing.request();
        }
        let confirmed_by = now.tick + self.settings.ack_timeout_ms;
        let requests = outgoing.into_requests();
        self.next_request += requests.len() as u64;
        let send = requests.map(|(request, envelopes)| {
            let statement = self.statements.carry(request, confirmed_by);
            Sending { request, statement, envelopes }
        });
        let send = send.collect();
        self.settle_by = None;
        self.written = self.position();
        Plan {
            changes: std::mem::take(&mut self.changes),
            position: self.written,
            tally: std::mem::take(&mut self.tally),
            send,
        }
    }

    fn plan_again(&mut self, seq: Seq, row: Option<LogRow>, outgoing: &mut Outgoing, now: Moment) {
        let Some((id, key, counts)) = self.counts(seq) else { return };
        let Some(row) = row.filter(|row| row.id == id) else { return self.gone(seq, now) };
        let Some(State::Idle { blocked, .. }) = self.state_of(seq) else { return };
        let go = key.map_or(Go::Send, |key| self.may_follow(key, seq, blocked, &Going::default()));
        match go {
            Go::Wait => {}
            Go::Park => self.park(seq, (id, key), now),
            Go::Send => {
                if let Some((reason, error)) = self.undeliverable(seq, &row, counts, now) {
                    return self.bury(seq, counts, reason, Some(error), now);
                }
                self.send(row, outgoing, now);
            }
        }
    }

    fn plan_fresh(
        &mut self,
        rows: Vec<LogRow>,
        more: Option<bool>,
        outgoing: &mut Outgoing,
        now: Moment,
    ) {
        let mut all = true;
        for row in rows {
            // What is not there was deleted, and is read.
            self.pass(row.seq - 1);
            if self.goes_alone() && !outgoing.is_empty()
                || self.doubt.is_some_and(|run| row.seq > run.to)
            {
                all = false;
                break;
            }
            if !self.plan_one_fresh(row, outgoing, now) {
                all = false;
                break;
            }
        }
        if all && more == Some(false) {
            // And so is what was deleted at the end of the log.
            let last = self.exceptions.last_key_value().map_or(0, |(seq, _)| *seq);
            self.pass(self.cursor.max(last));
        }
        self.more = !all || more.unwrap_or(self.more);
    }

    /// Says whether the row was dealt with; otherwise it is read again later.
    fn plan_one_fresh(&mut self, row: LogRow, outgoing: &mut Outgoing, now: Moment) -> bool {
        let (seq, id) = (row.seq, row.id);
        // Above the position after a restart: an earlier incarnation made it one.
        if self.exceptions.contains_key(&seq) {
            self.pass(seq);
            return true;
        }
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
        let go = key.map_or(Go::Send, |key| self.may_follow(key, seq, false, &Going::default()));
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
        let why_again = if seq <= self.sent_to { Again::Crash } else { Again::First };
        let bytes = row.bytes();
        let state = State::Idle { blocked: false, not_before: 0 };
        // Crashes are counted in the row of doubt as long as it has no exception.
        let counts = Counts { attempts: counts.attempts, ..Counts::default() };
        let flight = Flight { id, key, bytes, counts, state, why_again };
        self.window.insert(seq, flight);
        self.window_bytes += bytes as usize;
        if let Some(key) = key {
            self.keys.add(key, seq);
        }
        match go {
            Go::Send => self.send(row, outgoing, now),
            Go::Park => self.park(seq, (id, key), now),
            Go::Wait => drop(self.again.insert(seq)),
        }
        true
    }

    fn pass(&mut self, seq: Seq) {
        self.cursor = seq;
    }

    fn counts_in_doubt(&self, seq: Seq) -> Counts {
        let lost = if self.doubt_row.seq == seq { self.doubt_row.attempts } else { 0 };
        Counts { attempts: lost, failures: 0, lost }
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
        if row.expires_at_ms.is_some_and(|expires| expires < now.wall_ms) {
            return Some(("expired", "its time to be delivered is over".into()));
        }
        let doubtful = self.doubt_row.seq == seq
            || self.exceptions.get(&seq).is_some_and(|exception| exception.doubtful);
        if doubtful && counts.lost >= self.settings.retry.crashes_allowed() {
            let error = format!("the process died in {} attempts at it alone", counts.lost);
            return Some(("crash loop", error));
        }
        None
    }

    fn send(&mut self, row: LogRow, outgoing: &mut Outgoing, now: Moment) {
        let (seq, bytes) = (row.seq, row.bytes());
        let Content::Whole(fingerprint, parts) = row.content else { return };
        let Some((id, key, counts)) = self.counts(seq) else { return };
        let attempt = counts.attempts + 1;
        let predecessor = key.map_or(0, |key| self.keys.predecessor(key, seq));
        let after = mistake!(RetryOvertaken ? 0, else predecessor);
        let request = outgoing.request();
        self.record_attempt(seq, attempt, request, bytes);
        self.enter_the_air(seq);
        self.again.remove(&seq);
        self.freed.remove(&seq);
        if let Some(key) = key {
            self.keys.depart(key, seq);
            self.wake_key(key, seq);
        }
        self.deadlines.push_back((now.tick + self.settings.ack_timeout_ms, seq, attempt));
        self.sent_to = self.sent_to.max(seq);
        outgoing.add(Envelope {
            seq,
            id,
            revision: row.revision,
            fingerprint,
            attempt,
            after,
            created_at_ms: row.created_at_ms,
            parts,
        });
        mistake!(SettledWhenSent: self.acknowledged(seq, id, None, true, now));
    }

    fn record_attempt(&mut self, seq: Seq, attempt: u32, request: u64, bytes: u32) {
        let state = State::Flying { request };
        let why = if let Some(flight) = self.window.get_mut(seq) {
            flight.counts.attempts = attempt;
            flight.state = state;
            if self.doubt.is_some() {
                self.doubt_row = Doubt { seq, attempts: attempt };
            }
            flight.why_again
        } else if let Some(exception) = self.exceptions.get_mut(&seq) {
            self.due.remove(&(exception.due, seq));
            exception.counts.attempts = attempt;
            exception.counts.lost += u32::from(exception.doubtful && self.doubt.is_some());
            exception.state = state;
            exception.bytes = bytes;
            exception.standing = Standing::Waiting;
            self.changes.push(Change::Send { seq, counts: exception.counts });
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
        let Some((_, _, counts)) = self.counts(seq) else { return };
        let exception = Exception {
            id,
            key,
            standing: Standing::Parked,
            bytes: 0,
            counts,
            due: 0,
            state: State::Idle { blocked: false, not_before: 0 },
            why_again: Again::Blocked,
            doubtful: false,
        };
        self.become_exception(seq, exception);
        self.freed.remove(&seq);
        self.change(Change::Park { seq, id, key }, now);
    }

    /// Somebody deleted the row: there is nothing left to deliver.
    fn gone(&mut self, seq: Seq, now: Moment) {
        let Some((id, key, _)) = self.counts(seq) else { return };
        if let Some(key) = key {
            // The consumer may not hear of it soon: nobody comes after it.
            self.keys.remove(key, seq);
            self.wake_key(key, seq);
        }
        self.again.remove(&seq);
        if let Some(flight) = self.window.get_mut(seq) {
            flight.state = State::Acked { revision: None };
        } else if let Some(exception) = self.exceptions.remove(&seq) {
            self.due.remove(&(exception.due, seq));
            self.freed.remove(&seq);
            self.stalled = false;
            self.change(Change::Settle { seq, id, applied: None }, now);
        }
    }
}
