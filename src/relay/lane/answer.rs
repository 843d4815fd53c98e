//! What an answer means.
//!
//! An acknowledgement speaks of the message: accepted from any attempt and epoch (rule 19). A
//! refusal speaks of the attempt: accepted for the current one only (rule 20).

use super::{Again, Lane, Moment, State, Trouble};
use crate::id::{MessageId, Seq};
use crate::limits::ERROR_BYTES;
use crate::store::delivery::{Change, Standing};
use crate::transport::{Answer, Outcome};
use std::collections::BTreeSet;
use std::time::Duration;

/// So many deadlines of answered messages are not worth looking for.
const IDLE_DEADLINES: usize = 1_024;
/// How long a commit that only settles waits for one that also sends.
pub(super) const SETTLE_WITHIN_MS: i64 = 10;

impl Lane {
    /// An answer to one message came.
    pub(crate) fn answered(&mut self, answer: Answer, now: Moment) {
        let Answer { incarnation, ticket, outcome } = answer;
        if !matches!(outcome, Outcome::Unknown) {
            self.destination_answered(ticket.seq, now);
        }
        let current = incarnation == self.incarnation
            && self.attempt_under_way(ticket.seq, ticket.id) == Some(ticket.attempt);
        let is_late = mistake!(LateRefusalCounts ? false, else !current);
        match outcome {
            Outcome::Applied(applied) => {
                self.acknowledged(ticket.seq, ticket.id, applied.revision, current, now);
            }
            Outcome::Failed(_) | Outcome::Refused { .. } | Outcome::Blocked if is_late => {
                self.tally.fenced_nacks += 1;
                self.settle_soon(now);
            }
            Outcome::Blocked => self.land(ticket.seq, true, Again::Blocked, now),
            Outcome::Failed(_) if mistake!(FailureSettled) => {
                self.acknowledged(ticket.seq, ticket.id, None, current, now);
            }
            Outcome::Failed(failure) => {
                let error = kept(failure.text());
                if failure.is_permanent() {
                    self.refused(ticket.seq, "refused by the handler", error, now);
                } else {
                    let delay = failure.delay().map(crate::clock::millis);
                    self.failed(ticket.seq, delay, error, now);
                }
            }
            Outcome::Refused { reason, detail } => {
                self.refused(ticket.seq, reason, kept(detail), now);
            }
            Outcome::Unknown if current => self.unknown.push((ticket.seq, ticket.attempt)),
            Outcome::Unknown => {}
        }
    }

    /// A request's statement was merged.
    pub(crate) fn confirmed(&mut self, request: u64, now: Moment) {
        for seq in self.statements.confirmed(request) {
            self.change(Change::ConfirmSkip { seq }, now);
        }
    }

    /// The transport gave a request up: what has no answer yet is unknown.
    pub(crate) fn closed(&mut self, request: u64, trouble: Option<Trouble>, now: Moment) {
        self.statements.lost(request, now.tick);
        let open = self.under_way(|its| its == request);
        let is_success = match trouble {
            Some(_) => mistake!(OutageIsSuccess),
            None => mistake!(DroppedIsSuccess),
        };
        match trouble {
            // Old news: what it was about has been dealt with.
            _ if open.is_empty() && self.flying > 0 => {}
            _ if is_success => {
                for seq in open {
                    let Some(flight) = self.window.get(seq) else { continue };
                    self.acknowledged(seq, flight.id, None, true, now);
                }
            }
            Some(trouble) => self.outage(&open, trouble, now),
            None if open.is_empty() => {}
            None => self.out_of_time(open, now),
        }
    }

    /// The destination asked to be left alone for so long.
    pub(crate) fn leave_alone(&mut self, rest: Duration, now: Moment) {
        if !rest.is_zero() {
            self.destination.rest_for(crate::clock::millis(rest), now);
            self.settle_soon(now);
        }
    }

    /// The consumer did not listen to us: it looked at nothing that is under way.
    pub(crate) fn fenced(&mut self, now: Moment) {
        for seq in self.under_way(|_| true) {
            self.land(seq, false, Again::Outage, now);
        }
        self.statements.all_lost(now.tick);
    }

    /// Time has passed: whose answer is overdue, or will not come?
    pub(crate) fn tick(&mut self, now: Moment) {
        self.statements.tick(now.tick);
        // Together, however they were told: nothing at all was answered, or others were.
        let mut overdue: BTreeSet<Seq> = BTreeSet::new();
        for (seq, attempt) in std::mem::take(&mut self.unknown) {
            if self.flying_attempt(seq) == Some(attempt) {
                overdue.insert(seq);
            }
        }
        while let Some((deadline, seq, attempt)) = self.deadlines.front().copied() {
            let is_under_way = self.flying_attempt(seq) == Some(attempt);
            if is_under_way && deadline > now.tick {
                break;
            }
            self.deadlines.pop_front();
            if is_under_way {
                overdue.insert(seq);
            }
        }
        self.forget_deadlines();
        if !overdue.is_empty() {
            self.out_of_time(overdue.into_iter().collect(), now);
        }
    }

    /// Behind one that takes its time, those of answered messages do not pile up.
    fn forget_deadlines(&mut self) {
        if self.deadlines.len() > 2 * self.flying + IDLE_DEADLINES {
            let mut deadlines = std::mem::take(&mut self.deadlines);
            deadlines.retain(|(_, seq, attempt)| self.flying_attempt(*seq) == Some(*attempt));
            self.deadlines = deadlines;
        }
    }

    /// Nobody answered for these. Who was sent before the last answer is to blame itself; for the
    /// others it is the destination that says nothing.
    fn out_of_time(&mut self, overdue: Vec<Seq>, now: Moment) {
        let (blamed, others): (Vec<Seq>, Vec<Seq>) = overdue.into_iter().partition(|seq| {
            self.request_of(*seq).is_some_and(|request| self.destination.heard_since(request))
        });
        for seq in blamed {
            self.lost(seq, now);
        }
        if !others.is_empty() {
            self.outage(&others, Trouble::Silent, now);
        }
    }

    fn outage(&mut self, seqs: &[Seq], trouble: Trouble, now: Moment) {
        let newest = seqs.iter().filter_map(|seq| self.request_of(*seq)).max();
        let is_known = newest.is_some_and(|newest| self.destination.is_troubled_since(newest));
        let probed = match seqs {
            [alone] if self.destination.is_probing() => Some(*alone),
            _ => None,
        };
        for seq in seqs {
            self.land(*seq, false, Again::Outage, now);
        }
        if is_known {
            // Sent before the trouble that has been noted.
            return;
        }
        self.destination.fail(trouble, probed, self.newest_request(), now);
        self.settle_soon(now);
        tracing::warn!(
            messaging.system = "surehand",
            messaging.destination.subscription.name = %self.settings.name,
            error.type = ?trouble,
            outages = self.destination.outage().failures,
            "the destination does not answer; it is left alone for a while"
        );
    }

    fn destination_answered(&mut self, seq: Seq, now: Moment) {
        for silent in self.destination.answered(self.newest_request(), now) {
            if silent != seq {
                self.lost(silent, now);
            }
        }
    }

    pub(super) fn acknowledged(
        &mut self,
        seq: Seq,
        id: MessageId,
        revision: Option<i64>,
        current: bool,
        now: Moment,
    ) {
        let known = self.window.get(seq).map(|flight| (flight.id, flight.state, flight.key));
        let exception = || self.exceptions.get(&seq).map(|one| (one.id, one.state, one.key));
        let Some((known_id, state, key)) = known.or_else(exception) else {
            // Settled before, or from an incarnation whose window is gone. Never an error.
            if seq <= self.settled_to {
                self.tally.late_acks += 1;
                self.change(Change::LateAck { seq, id }, now);
            } else {
                self.count_unknown(now);
            }
            return;
        };
        if known_id != id {
            return self.count_unknown(now);
        }
        if matches!(state, State::Acked { .. }) {
            return;
        }
        if self.exceptions.get(&seq).is_some_and(|one| one.standing == Standing::Skipped) {
            self.tally.late_acks += 1;
            return self.change(Change::LateAck { seq, id }, now);
        }
        if !current {
            self.tally.late_acks += 1;
        }
        self.leave_the_air(seq);
        self.set_state(seq, State::Acked { revision });
        self.again.remove(&seq);
        self.freed.remove(&seq);
        if let Some(exception) = self.exceptions.get(&seq) {
            self.due.remove(&(exception.due, seq));
        }
        if let Some(key) = key {
            self.keys.depart(key, seq);
            self.wake_key(key, seq);
        }
        self.acked_to = self.acked_to.max(seq);
        self.tally.delivered += 1;
        self.settle_soon(now);
    }

    fn count_unknown(&mut self, now: Moment) {
        self.tally.unknown_acks += 1;
        self.settle_soon(now);
    }

    pub(super) fn change(&mut self, change: Change, now: Moment) {
        self.changes.push(change);
        self.settle_soon(now);
    }

    pub(super) fn settle_soon(&mut self, now: Moment) {
        self.settle_by.get_or_insert(now.tick + SETTLE_WITHIN_MS);
    }
}

/// What is kept of what was said.
fn kept(mut text: String) -> String {
    let mut end = text.len().min(ERROR_BYTES);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    text.truncate(end);
    text
}
