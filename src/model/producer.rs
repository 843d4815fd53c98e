//! The producer's file: what `store::{log, subscription, delivery, dead}` keep in SQLite.

use super::network::content_of;
use super::scope::{Number, Rules, Scope, id_of, number_of};
use crate::id::{Incarnation, KeyHash, MessageId, Seq, SubscriptionId};
use crate::message::Parts;
use crate::relay::lane::frozen::instant;
use crate::relay::lane::{Batch, Moment, Wants};
use crate::store::delivery::{Change, Counts, ExceptionRow, Standing};
use crate::store::log::{Content, LogRow};
use crate::store::subscription::{
    Bound, Doubt, Outage, Position, SubscriptionRow, SubscriptionState,
};
use std::collections::{BTreeMap, BTreeSet};

/// A row of the exceptions.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Exception {
    pub(super) id: MessageId,
    key: Option<KeyHash>,
    pub(super) standing: Standing,
    counts: Counts,
    sent: bool,
    available_at_ms: i64,
}

/// One image of the file.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Producer {
    last_seq: Seq,
    pub(super) log: BTreeMap<Seq, Number>,
    pub(super) position: Position,
    pub(super) incarnation: Incarnation,
    pub(super) closed_cleanly: bool,
    pub(super) exceptions: BTreeMap<Seq, Exception>,
    unconfirmed_skips: BTreeSet<Seq>,
    /// The revision of a replaced message, and which one took effect.
    pub(super) replaced: BTreeMap<Seq, (i64, Option<i64>)>,
    /// For the invariants: where each message was put, and which were skipped.
    pub(super) created: BTreeMap<Number, Seq>,
    pub(super) skipped: BTreeSet<Number>,
}

impl Default for Producer {
    fn default() -> Self {
        Self {
            last_seq: 0,
            log: BTreeMap::new(),
            position: Position {
                settled_to: 0,
                sent_to: 0,
                acked_to: 0,
                doubt: Doubt::default(),
                outage: Outage::default(),
            },
            incarnation: Incarnation { epoch: 0, nonce: 0 },
            closed_cleanly: true,
            exceptions: BTreeMap::new(),
            unconfirmed_skips: BTreeSet::new(),
            replaced: BTreeMap::new(),
            created: BTreeMap::new(),
            skipped: BTreeSet::new(),
        }
    }
}

impl Producer {
    pub(super) fn enqueue(&mut self, number: Number, rules: &Rules) -> Seq {
        let seq = if rules.autoincrement {
            self.last_seq + 1
        } else {
            self.log.last_key_value().map_or(0, |(seq, _)| *seq) + 1
        };
        self.last_seq = self.last_seq.max(seq);
        self.log.insert(seq, number);
        self.created.insert(number, seq);
        seq
    }

    pub(super) fn last_seq(&self) -> Seq {
        self.last_seq
    }

    /// `subscription::open`: the next epoch, and a nonce.
    pub(super) fn open(&mut self, nonce: i64) {
        self.incarnation = Incarnation { epoch: self.incarnation.epoch + 1, nonce };
        self.closed_cleanly = false;
    }

    pub(super) fn row(&self) -> SubscriptionRow {
        SubscriptionRow {
            number: 1,
            name: "model".into(),
            id: SubscriptionId::from_bytes([2; 16]),
            topics: ">".into(),
            state: SubscriptionState::Active,
            settled_to: self.position.settled_to,
            sent_to: self.position.sent_to,
            acked_to: self.position.acked_to,
            incarnation: self.incarnation,
            closed_cleanly: self.closed_cleanly,
            doubt: self.position.doubt,
            outage: self.position.outage,
            bound: Bound::default(),
            pending_bytes: 0,
        }
    }

    pub(super) fn exception_rows(&self) -> Vec<ExceptionRow> {
        let row = |(seq, one): (&Seq, &Exception)| ExceptionRow {
            seq: *seq,
            id: one.id,
            key: one.key,
            standing: one.standing,
            counts: one.counts,
            sent: one.sent,
            available_at_ms: one.available_at_ms,
            longest_wait_ms: one.available_at_ms,
        };
        self.exceptions.iter().map(row).collect()
    }

    pub(super) fn unconfirmed_skips(&self) -> Vec<Seq> {
        self.unconfirmed_skips.iter().copied().collect()
    }

    /// `engine::read`.
    pub(super) fn read(&self, scope: &Scope, wants: Wants) -> Batch {
        let mut batch = Batch::default();
        for seq in wants.at {
            let row = self.log.get(&seq).map(|number| {
                let revision = self.replaced.get(&seq).map_or(0, |(revision, _)| *revision);
                log_row(scope, seq, *number, revision, true)
            });
            batch.at.push((seq, row));
        }
        if let Some((after, (rows, _))) = wants.fresh {
            let fresh = self.log.range(after + 1..).take(rows);
            let row = |(seq, number): (&Seq, &Number)| log_row(scope, *seq, *number, 0, false);
            batch.fresh = fresh.map(row).collect();
            batch.more = Some(batch.fresh.len() == rows);
        }
        batch
    }

    /// `subscription::advance`, then `delivery::apply` for each, as `engine::write` does.
    pub(super) fn write(&mut self, position: &Position, changes: &[Change], now: Moment) {
        self.position = *position;
        let until = self.position.outage.until_ms;
        self.position.outage.until_ms = instant(until, now.wall_ms);
        self.position.outage.failures = self.position.outage.failures.min(2);
        for change in changes {
            self.apply(change, now);
        }
    }

    fn apply(&mut self, change: &Change, now: Moment) {
        match change {
            Change::Wait { seq, id, key, counts, at_ms, .. } => {
                let at_ms = instant(*at_ms, now.wall_ms);
                self.put(*seq, (*id, *key), Standing::Waiting, *counts, at_ms);
            }
            Change::Bury { seq, id, key, counts, .. } => {
                self.put(*seq, (*id, *key), Standing::Dead, *counts, 0)
            }
            Change::Park { seq, id, key } => {
                let old = self.exceptions.get(seq);
                let counts = old.map(|one| one.counts).unwrap_or_default();
                let at_ms = old.map_or(0, |one| one.available_at_ms);
                self.put(*seq, (*id, *key), Standing::Parked, counts, at_ms);
            }
            Change::Send { seq, counts } => {
                if let Some(one) = self.exceptions.get_mut(seq)
                    && matches!(one.standing, Standing::Waiting | Standing::Parked)
                {
                    one.standing = Standing::Waiting;
                    one.sent = true;
                    one.counts.attempts = one.counts.attempts.max(counts.attempts);
                    one.counts.lost = counts.lost;
                }
            }
            Change::Settle { seq, id, applied } => {
                if self.exceptions.get(seq).is_some_and(|one| one.id == *id) {
                    self.exceptions.remove(seq);
                }
                if let Some((_, recorded)) = self.replaced.get_mut(seq) {
                    *recorded = *applied;
                }
            }
            Change::DropSkipped { through } => self
                .exceptions
                .retain(|seq, one| one.standing != Standing::Skipped || seq > through),
            Change::ConfirmSkip { seq } => drop(self.unconfirmed_skips.remove(seq)),
            // Only the counters and the note of the skip change.
            Change::LateAck { .. } => {}
        }
    }

    /// The upserts of `delivery`: a row of another message, or of a skipped one, stays as it is.
    fn put(
        &mut self,
        seq: Seq,
        (id, key): (MessageId, Option<KeyHash>),
        standing: Standing,
        counts: Counts,
        available_at_ms: i64,
    ) {
        let old = self.exceptions.get(&seq);
        if old.is_some_and(|old| old.id != id || old.standing == Standing::Skipped) {
            return;
        }
        let attempts = old.map_or(0, |old| old.counts.attempts).max(counts.attempts);
        let counts = Counts { attempts, ..counts };
        let new = Exception { id, key, standing, counts, sent: false, available_at_ms };
        self.exceptions.insert(seq, new);
    }

    /// `engine::prune`: what is settled leaves the log, in the commit that settles it (rule 23).
    pub(super) fn prune(&mut self, rules: &Rules) {
        let (settled_to, exceptions) = (self.position.settled_to, &self.exceptions);
        let kept = |seq: &Seq| {
            let exception = exceptions.get(seq);
            exception.is_some_and(|one| one.standing != Standing::Skipped)
        };
        self.log.retain(|seq, _| *seq > settled_to || rules.keep_exceptions && kept(seq));
    }

    pub(super) fn dead(&self) -> Vec<(Seq, Number)> {
        let dead = |one: &Exception| one.standing == Standing::Dead;
        let found = self.exceptions.iter().filter(|(_, one)| dead(one));
        found.map(|(seq, one)| (*seq, number_of(one.id))).collect()
    }

    /// `dead::redrive`.
    pub(super) fn redrive(&mut self, seq: Seq) {
        if let Some(one) = self.exceptions.get_mut(&seq) {
            one.standing = Standing::Waiting;
            one.counts.failures = 0;
            one.counts.lost = 0;
            one.available_at_ms = 0;
        }
    }

    /// `dead::skip`: the row stays until the position has passed it.
    pub(super) fn skip(&mut self, seq: Seq) {
        let settled_to = self.position.settled_to;
        if let Some(one) = self.exceptions.get_mut(&seq) {
            one.standing = Standing::Skipped;
            self.skipped.insert(number_of(one.id));
            self.unconfirmed_skips.insert(seq);
        }
        if seq <= settled_to {
            self.exceptions.remove(&seq);
            self.log.remove(&seq);
        }
    }

    /// `dead::replace`: the next revision of the content, and another chance.
    pub(super) fn replace(&mut self, seq: Seq) {
        let (revision, _) = self.replaced.entry(seq).or_default();
        *revision += 1;
        self.redrive(seq);
    }

    /// Whether nobody has to deliver this place any more.
    pub(super) fn is_settled(&self, seq: Seq) -> bool {
        match self.exceptions.get(&seq) {
            Some(one) => one.standing == Standing::Skipped,
            None => seq <= self.position.settled_to,
        }
    }
}

fn log_row(scope: &Scope, seq: Seq, number: Number, revision: i64, whole: bool) -> LogRow {
    let id = id_of(number);
    let parts = || Parts {
        topic: "t".into(),
        key: scope.key(number).map(Into::into),
        headers: None,
        content_type: None,
        payload: Vec::new(),
    };
    let content = if scope.is_filtered(number) && !whole {
        Content::Filtered
    } else {
        Content::Whole(content_of(id, revision), parts())
    };
    LogRow { seq, id, created_at_ms: 0, expires_at_ms: None, revision, content }
}
