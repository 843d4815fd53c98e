//! What an answer means.
//!
//! An acknowledgement speaks of the message: accepted from any attempt and epoch (rule 19). A
//! refusal speaks of the attempt: accepted for the current one only (rule 20).

use super::{Again, Exception, Flight, Lane, Moment, State, TickMs, Trouble};
use crate::id::{KeyHash, MessageId, Seq};
use crate::store::delivery::{Change, Counts, Standing};
use crate::transport::{Answer, Outcome};

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
        match outcome {
            Outcome::Applied(applied) => {
                self.acknowledged(ticket.seq, ticket.id, applied.revision, current, now);
            }
            Outcome::Failed(_) | Outcome::Refused { .. } | Outcome::Blocked if !current => {
                self.tally.fenced_nacks += 1;
            }
            Outcome::Blocked => self.land(ticket.seq, true, Again::Blocked, now),
            Outcome::Failed(failure) => {
                let error = failure.text();
                if failure.is_permanent() {
                    self.refused(ticket.seq, "refused by the handler", error, now);
                } else {
                    let delay = failure.delay().map(crate::clock::millis);
                    self.failed(ticket.seq, delay, error, now);
                }
            }
            Outcome::Refused { reason, detail } => self.refused(ticket.seq, reason, detail, now),
            Outcome::Unknown if current => self.land(ticket.seq, false, Again::Timeout, now),
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
        match trouble {
            // Old news: what it was about has been dealt with.
            _ if open.is_empty() && self.flying > 0 => {}
            Some(trouble) => self.outage(&open, trouble, now),
            None if open.is_empty() => {}
            None => self.out_of_time(open, now),
        }
    }

    /// The consumer did not listen to us: it looked at nothing that is under way.
    pub(crate) fn fenced(&mut self, now: Moment) {
        for seq in self.under_way(|_| true) {
            self.land(seq, false, Again::Outage, now);
        }
        self.statements.all_lost(now.tick);
    }

    /// Time has passed: whose answer is overdue?
    pub(crate) fn tick(&mut self, now: Moment) {
        let mut overdue = Vec::new();
        while let Some((deadline, seq, attempt)) = self.deadlines.front().copied() {
            if deadline > now.tick {
                break;
            }
            self.deadlines.pop_front();
            if self.flying_attempt(seq) == Some(attempt) {
                overdue.push(seq);
            }
        }
        if !overdue.is_empty() {
            self.out_of_time(overdue, now);
        }
    }

    /// Nobody answered for these: is it them, or the destination?
    fn out_of_time(&mut self, overdue: Vec<Seq>, now: Moment) {
        let everything = overdue.len() == self.flying;
        let sent = now.tick - self.settings.ack_timeout_ms;
        if everything && !self.destination.heard_since(sent) {
            return self.outage(&overdue, Trouble::Silent, now);
        }
        for seq in overdue {
            self.lost(seq, now);
        }
    }

    fn outage(&mut self, seqs: &[Seq], trouble: Trouble, now: Moment) {
        let probed = match seqs {
            [alone] if self.destination.is_probing() => Some(*alone),
            _ => None,
        };
        for seq in seqs {
            self.land(*seq, false, Again::Outage, now);
        }
        self.destination.fail(trouble, probed, now);
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
        for silent in self.destination.answered(now) {
            if silent != seq {
                self.lost(silent, now);
            }
        }
    }

    fn acknowledged(
        &mut self,
        seq: Seq,
        id: MessageId,
        revision: Option<i64>,
        current: bool,
        now: Moment,
    ) {
        let known = self.window.get(&seq).map(|flight| (flight.id, flight.state, flight.key));
        let exception = self.exceptions.get(&seq).map(|one| (one.id, one.state, one.key));
        let Some((known_id, state, key)) = known.or(exception) else {
            // Settled before, or from an incarnation whose window is gone. Never an error.
            if seq <= self.settled_to {
                self.tally.late_acks += 1;
                self.change(Change::LateAck { seq, id }, now);
            } else {
                self.tally.unknown_acks += 1;
            }
            return;
        };
        if known_id != id {
            self.tally.unknown_acks += 1;
            return;
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

    /// A retryable failure: the message becomes an exception that waits, or a dead letter.
    fn failed(&mut self, seq: Seq, delay: Option<i64>, error: String, now: Moment) {
        let Some((id, key, mut counts)) = self.counts(seq) else { return };
        counts.failures += 1;
        if self.was_alone_in_doubt(seq) {
            counts.lost = counts.lost.saturating_sub(1);
        }
        if counts.failures >= self.settings.retry.failures_allowed() {
            return self.bury(seq, counts, "too many failures", Some(error), now);
        }
        let policy = self.settings.retry.delay(counts.failures, *id.as_bytes());
        let wait = delay.unwrap_or_else(|| crate::clock::millis(policy));
        self.wait(seq, (id, key, counts), wait, Some(error), Again::Failure, now);
    }

    /// A failure for good.
    fn refused(&mut self, seq: Seq, reason: &'static str, detail: String, now: Moment) {
        let Some((_, _, mut counts)) = self.counts(seq) else { return };
        counts.failures += 1;
        self.bury(seq, counts, reason, Some(detail), now);
    }

    /// An attempt got no answer although the destination answers others.
    fn lost(&mut self, seq: Seq, now: Moment) {
        let Some((id, key, mut counts)) = self.counts(seq) else { return };
        counts.lost += 1;
        if counts.lost >= self.settings.retry.crashes_allowed() {
            let error = "no answer, attempt after attempt".to_string();
            return self.bury(seq, counts, "no answer", Some(error), now);
        }
        let wait = match counts.lost {
            1 => 0,
            more => crate::clock::millis(self.settings.retry.delay(more - 1, *id.as_bytes())),
        };
        self.wait(seq, (id, key, counts), wait, None, Again::Timeout, now);
    }

    fn wait(
        &mut self,
        seq: Seq,
        (id, key, counts): (MessageId, Option<KeyHash>, Counts),
        wait: i64,
        error: Option<String>,
        why_again: Again,
        now: Moment,
    ) {
        if !self.may_become_exception(seq) {
            // At the bound: it stays in the window, and the position stays with it.
            self.land(seq, false, why_again, now);
            let state = State::Idle { blocked: false, not_before: now.tick + wait };
            return self.set_state(seq, state);
        }
        let exception = Exception {
            id,
            key,
            standing: Standing::Waiting,
            counts,
            due: now.tick + wait,
            state: State::Idle { blocked: false, not_before: 0 },
            why_again,
            doubtful: false,
        };
        let at_ms = now.wall_ms + wait;
        self.become_exception(seq, exception);
        self.change(Change::Wait { seq, id, key, counts, at_ms, error }, now);
    }

    pub(super) fn bury(
        &mut self,
        seq: Seq,
        counts: Counts,
        reason: &'static str,
        error: Option<String>,
        now: Moment,
    ) {
        let Some((id, key, _)) = self.counts(seq) else { return };
        self.bury_unread(seq, (id, key, counts), reason, error, now);
    }

    /// Buries a message that may not be in the window yet. Dead letters have no bound: somebody has
    /// to look at them, and their followers wait.
    pub(super) fn bury_unread(
        &mut self,
        seq: Seq,
        (id, key, counts): (MessageId, Option<KeyHash>, Counts),
        reason: &'static str,
        error: Option<String>,
        now: Moment,
    ) {
        let exception = Exception {
            id,
            key,
            standing: Standing::Dead,
            counts,
            due: TickMs::MAX,
            state: State::Idle { blocked: false, not_before: 0 },
            why_again: Again::Failure,
            doubtful: false,
        };
        self.become_exception(seq, exception);
        tracing::error!(
            messaging.system = "surehand",
            messaging.operation.name = "dead_letter",
            messaging.destination.subscription.name = %self.settings.name,
            messaging.message.id = %id,
            surehand.seq = seq,
            error.type = reason,
            "a message became a dead letter"
        );
        self.change(Change::Bury { seq, id, key, counts, reason, error }, now);
    }

    /// Moves a message from the window to the exceptions, or rewrites the exception.
    pub(super) fn become_exception(&mut self, seq: Seq, exception: Exception) {
        self.leave_the_air(seq);
        if let Some(flight) = self.window.remove(&seq) {
            self.window_bytes -= flight.bytes as usize;
        }
        self.again.remove(&seq);
        self.freed.remove(&seq);
        if let Some(old) = self.exceptions.remove(&seq) {
            self.due.remove(&(old.due, seq));
        }
        let key = exception.key;
        self.insert_exception(seq, exception);
        if let Some(key) = key {
            self.keys.rest(key, seq);
        }
    }

    /// A message comes back without a verdict on it.
    fn land(&mut self, seq: Seq, blocked: bool, why: Again, now: Moment) {
        let Some((_, key, _)) = self.counts(seq) else { return };
        self.leave_the_air(seq);
        if let Some(key) = key {
            self.keys.rest(key, seq);
        }
        let state = State::Idle { blocked, not_before: 0 };
        if let Some(flight) = self.window.get_mut(&seq) {
            flight.state = state;
            flight.why_again = why;
            self.again.insert(seq);
        } else if let Some(exception) = self.exceptions.get_mut(&seq) {
            exception.state = state;
            exception.why_again = why;
            self.due.remove(&(exception.due, seq));
            exception.due = now.tick;
            let (id, key) = (exception.id, exception.key);
            if blocked {
                exception.standing = Standing::Parked;
                self.freed.insert(seq);
                self.change(Change::Park { seq, id, key }, now);
            } else if exception.standing == Standing::Waiting {
                self.due.insert((now.tick, seq));
            }
        }
    }

    fn leave_the_air(&mut self, seq: Seq) {
        if self.flying_attempt(seq).is_some() {
            self.flying -= 1;
        }
    }

    fn set_state(&mut self, seq: Seq, state: State) {
        if let Some(flight) = self.window.get_mut(&seq) {
            flight.state = state;
        } else if let Some(exception) = self.exceptions.get_mut(&seq) {
            exception.state = state;
            if matches!(state, State::Acked { .. }) {
                self.done.insert(seq);
            }
        }
    }

    /// Followers of this one may be free now.
    pub(super) fn wake_key(&mut self, key: KeyHash, seq: Seq) {
        for follower in self.keys.behind(key, seq) {
            let Some(exception) = self.exceptions.get(&follower) else { continue };
            if !matches!(exception.state, State::Idle { .. }) {
                // Under way or acknowledged: it holds nobody back.
                continue;
            }
            match exception.standing {
                Standing::Parked => drop(self.freed.insert(follower)),
                Standing::Waiting => drop(self.due.insert((exception.due, follower))),
                Standing::Dead => {}
                Standing::Skipped => continue,
            }
            // Behind one that is at rest nobody moves.
            break;
        }
    }

    fn may_become_exception(&self, seq: Seq) -> bool {
        self.exceptions.contains_key(&seq) || self.exceptions.len() < self.settings.max_exceptions
    }

    fn was_alone_in_doubt(&self, seq: Seq) -> bool {
        self.exceptions.get(&seq).is_some_and(|exception| exception.doubtful)
    }

    /// Identity and counts of a message of the window or the exceptions.
    pub(super) fn counts(&self, seq: Seq) -> Option<(MessageId, Option<KeyHash>, Counts)> {
        if let Some(Flight { id, key, attempt, .. }) = self.window.get(&seq) {
            return Some((*id, *key, Counts { attempts: *attempt, ..Counts::default() }));
        }
        self.exceptions.get(&seq).map(|exception| (exception.id, exception.key, exception.counts))
    }

    fn attempt_under_way(&self, seq: Seq, id: MessageId) -> Option<u32> {
        let (known, _, _) = self.counts(seq)?;
        if known == id { self.flying_attempt(seq) } else { None }
    }

    pub(super) fn flying_attempt(&self, seq: Seq) -> Option<u32> {
        let (state, attempt) = match (self.window.get(&seq), self.exceptions.get(&seq)) {
            (Some(flight), _) => (flight.state, flight.attempt),
            (None, Some(exception)) => (exception.state, exception.counts.attempts),
            (None, None) => return None,
        };
        matches!(state, State::Flying { .. }).then_some(attempt)
    }

    fn under_way(&self, is_meant: impl Fn(u64) -> bool) -> Vec<Seq> {
        let flies = |state: State| matches!(state, State::Flying { request } if is_meant(request));
        let window = self.window.iter().map(|(seq, one)| (*seq, one.state));
        let others = self.exceptions.iter().map(|(seq, one)| (*seq, one.state));
        window.chain(others).filter(|(_, state)| flies(*state)).map(|(seq, _)| seq).collect()
    }

    pub(super) fn change(&mut self, change: Change, now: Moment) {
        self.changes.push(change);
        self.settle_soon(now);
    }

    pub(super) fn settle_soon(&mut self, now: Moment) {
        self.settle_by.get_or_insert(now.tick + SETTLE_WITHIN_MS);
    }
}
