//! What becomes of a message that was not applied: it waits, is dead, or comes back as it was.

use super::{Again, Exception, Lane, Moment, State, TickMs};
use crate::id::{KeyHash, MessageId, Seq};
use crate::store::delivery::{Change, Counts, Standing};

impl Lane {
    /// A retryable failure: the message becomes an exception that waits, or a dead letter.
    pub(super) fn failed(&mut self, seq: Seq, delay: Option<i64>, error: String, now: Moment) {
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
    pub(super) fn refused(&mut self, seq: Seq, reason: &'static str, detail: String, now: Moment) {
        let Some((_, _, mut counts)) = self.counts(seq) else { return };
        counts.failures += 1;
        self.bury(seq, counts, reason, Some(detail), now);
    }

    /// An attempt got no answer although the destination answers others.
    pub(super) fn lost(&mut self, seq: Seq, now: Moment) {
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
            if let Some(flight) = self.window.get_mut(seq) {
                flight.counts = counts;
                flight.state = State::Idle { blocked: false, not_before: now.tick + wait };
            }
            return;
        }
        let exception = Exception {
            id,
            key,
            standing: Standing::Waiting,
            bytes: 0,
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
            bytes: 0,
            counts,
            due: TickMs::MAX,
            state: State::Idle { blocked: false, not_before: 0 },
            why_again: Again::Failure,
            doubtful: false,
        };
        self.become_exception(seq, exception);
        self.look_at_followers(key, seq, now);
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
        if let Some(flight) = self.window.remove(seq) {
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
    pub(super) fn land(&mut self, seq: Seq, blocked: bool, why: Again, now: Moment) {
        let Some((_, key, _)) = self.counts(seq) else { return };
        self.leave_the_air(seq);
        if let Some(key) = key {
            self.keys.rest(key, seq);
        }
        let state = State::Idle { blocked, not_before: 0 };
        if let Some(flight) = self.window.get_mut(seq) {
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

    /// Who waits for another attempt behind a dead one waits for a person now.
    fn look_at_followers(&mut self, key: Option<KeyHash>, seq: Seq, now: Moment) {
        for follower in key.into_iter().flat_map(|key| self.keys.behind(key, seq)) {
            let Some(exception) = self.exceptions.get_mut(&follower) else { continue };
            let is_idle = matches!(exception.state, State::Idle { .. });
            if is_idle && exception.standing == Standing::Waiting {
                self.due.remove(&(exception.due, follower));
                exception.due = now.tick;
                self.due.insert((exception.due, follower));
            }
        }
    }

    fn may_become_exception(&self, seq: Seq) -> bool {
        self.exceptions.contains_key(&seq) || self.exceptions.len() < self.settings.max_exceptions
    }

    fn was_alone_in_doubt(&self, seq: Seq) -> bool {
        self.exceptions.get(&seq).is_some_and(|exception| exception.doubtful)
    }
}
