//! A lane, and what is around it: rows, a clock, and answers.

use crate::handoff::{Outcome, Ticket};
use crate::id::{Fingerprint, Incarnation, KeyHash, MessageId, Seq, SubscriptionId};
use crate::message::Parts;
use crate::relay::lane::{Batch, Lane, Moment, Wants};
use crate::relay::settings::Settings;
use crate::retry::RetryPolicy;
use crate::store::delivery::{Counts, ExceptionRow, Standing};
use crate::store::log::{Content, LogRow};
use crate::store::subscription::{Bound, Doubt, Outage, SubscriptionRow, SubscriptionState};
use crate::transport::Answer;
use crate::watermark::Ranges;
use std::collections::BTreeSet;
use std::time::Duration;

pub(super) const EPOCH: Incarnation = Incarnation { epoch: 1, nonce: 1 };
/// Nothing waits, and no answer is overdue.
pub(super) const NOW: i64 = 1_000_000;

pub(super) fn moment(tick: i64) -> Moment {
    Moment { tick, wall_ms: tick }
}

pub(super) fn id(seq: Seq) -> MessageId {
    MessageId::at(seq, [0; 10])
}

/// One behind more ranges than two requests state.
pub(super) const FAR: Seq = 5_121;

/// All of one key but the fourth and the far one.
pub(super) fn key(seq: Seq) -> &'static str {
    match seq {
        4 => "b",
        FAR => "c",
        _ => "a",
    }
}

/// How a store stands that a lane is opened on.
#[derive(Default)]
pub(super) struct Stands<'a> {
    pub(super) last: Seq,
    pub(super) settled_to: Seq,
    pub(super) sent_to: Seq,
    pub(super) waiting: &'a [Seq],
    pub(super) parked: &'a [Seq],
    pub(super) dead: &'a [Seq],
    /// The consumer has not confirmed them.
    pub(super) skipped: &'a [Seq],
    /// A process died, with all that waits under way.
    pub(super) crashed: bool,
}

pub(super) struct Served {
    pub(super) lane: Lane,
    pub(super) last: Seq,
    pub(super) now: Moment,
    /// All that was stated to be settled.
    pub(super) stated: Ranges,
    pub(super) last_request: u64,
    /// Whose row somebody has deleted.
    pub(super) gone: BTreeSet<Seq>,
}

impl Served {
    pub(super) fn open(stands: &Stands<'_>) -> Self {
        let retry = RetryPolicy::default().first_delay(Duration::ZERO);
        let settings = Settings {
            name: "test".into(),
            ack_timeout_ms: 1_000,
            retry,
            batch: 8,
            batch_bytes: 1024,
            window: 8,
            window_bytes: 1024,
            capacity: usize::MAX,
            max_exceptions: 8,
            remembers: true,
        };
        let row = SubscriptionRow {
            number: 1,
            name: "test".into(),
            id: SubscriptionId::from_bytes([1; 16]),
            topics: ">".into(),
            state: SubscriptionState::Active,
            settled_to: stands.settled_to,
            sent_to: stands.sent_to,
            acked_to: 0,
            incarnation: EPOCH,
            closed_cleanly: true,
            doubt: Doubt::default(),
            outage: Outage::default(),
            bound: Bound::default(),
            pending_bytes: 0,
        };
        let exception = |standing| {
            move |seq: &Seq| ExceptionRow {
                seq: *seq,
                id: id(*seq),
                key: Some(KeyHash::of(key(*seq))),
                standing,
                counts: Counts::default(),
                sent: stands.crashed && standing == Standing::Waiting,
                available_at_ms: 0,
                longest_wait_ms: 0,
            }
        };
        let waiting = stands.waiting.iter().map(exception(Standing::Waiting));
        let parked = stands.parked.iter().map(exception(Standing::Parked));
        let dead = stands.dead.iter().map(exception(Standing::Dead));
        let skipped = stands.skipped.iter().map(exception(Standing::Skipped));
        let exceptions = waiting.chain(parked).chain(dead).chain(skipped).collect();
        let crashed = stands.crashed;
        let skips = stands.skipped.to_vec();
        let lane = Lane::open(settings, &row, exceptions, skips, crashed, moment(NOW));
        let (last, now, stated) = (stands.last, moment(NOW), Ranges::new());
        Self { lane, last, now, stated, last_request: 0, gone: BTreeSet::new() }
    }

    /// Nobody answers in time, and the wait after that is over.
    pub(super) fn hears_nothing(&mut self) {
        self.now = moment(self.now.tick + 100_000);
        self.lane.tick(self.now);
        self.now = moment(self.now.tick + 100_000);
    }

    /// A cycle; says what it sends: each place, and what it has to come after.
    pub(super) fn cycle(&mut self) -> Vec<(Seq, Seq)> {
        let now = self.now;
        self.lane.tick(now);
        let Wants { at, fresh } = self.lane.wants(now).unwrap_or_default();
        let stored = |seq| (seq, (!self.gone.contains(&seq)).then(|| row(seq)));
        let at = at.into_iter().map(stored).collect();
        let mut batch = Batch { at, ..Batch::default() };
        if let Some((after, (rows, _))) = fresh {
            batch.fresh = (after + 1..=self.last)
                .filter(|s| !self.gone.contains(s))
                .take(rows)
                .map(row)
                .collect();
            batch.more = Some(batch.fresh.len() == rows);
        }
        let mut sent = Vec::new();
        for sending in self.lane.plan(batch, now).send {
            self.stated.union(&sending.statement);
            self.last_request = sending.request;
            sent.extend(sending.envelopes.iter().map(|one| (one.seq, one.after)));
        }
        sent
    }

    /// Time passes, all is confirmed, and nothing is sent.
    pub(super) fn comes_to_rest(&mut self) {
        for seconds in 0..20 {
            self.now = moment(NOW + 1_000 * seconds);
            assert_eq!(self.cycle(), []);
            self.lane.confirmed(self.last_request, self.now);
            self.lane.hurry(self.now);
        }
    }

    pub(super) fn standing(&self, seq: Seq) -> Option<Standing> {
        self.lane.exceptions.get(&seq).map(|exception| exception.standing)
    }

    pub(super) fn answer(&mut self, seq: Seq, attempt: u32, outcome: Outcome) {
        let ticket = Ticket { seq, id: id(seq), attempt };
        self.lane.answered(Answer { incarnation: EPOCH, ticket, outcome }, self.now);
    }
}

pub(super) fn row(seq: Seq) -> LogRow {
    let key = Some(key(seq).into());
    let (headers, content_type) = (None, None);
    let parts = Parts { topic: "t".into(), key, headers, content_type, payload: Vec::new() };
    let content = Content::Whole(Fingerprint(seq), parts);
    LogRow { seq, id: id(seq), created_at_ms: 0, expires_at_ms: None, revision: 0, content }
}
