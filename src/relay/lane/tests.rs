//! Single decisions of a lane.

use super::{Batch, Lane, Moment, Wants};
use crate::failure::Failure;
use crate::handoff::{Outcome, Ticket};
use crate::id::{Fingerprint, Incarnation, KeyHash, MessageId, Seq, SubscriptionId};
use crate::message::Parts;
use crate::relay::settings::Settings;
use crate::retry::RetryPolicy;
use crate::store::delivery::{Counts, ExceptionRow, Standing};
use crate::store::log::{Content, LogRow};
use crate::store::subscription::{Bound, Doubt, Outage, SubscriptionRow, SubscriptionState};
use crate::transport::Answer;
use std::time::Duration;

const EPOCH: Incarnation = Incarnation { epoch: 1, nonce: 1 };
/// Nothing waits, and no answer is overdue.
const NOW: i64 = 1_000_000;

fn moment(tick: i64) -> Moment {
    Moment { tick, wall_ms: tick }
}

fn id(seq: Seq) -> MessageId {
    MessageId::from_bytes([u8::try_from(seq).unwrap(); 16])
}

/// A lane over a log of `last` messages of one key.
struct Served {
    lane: Lane,
    last: Seq,
}

impl Served {
    fn open(last: Seq, settled_to: Seq, exceptions: &[(Seq, Standing)]) -> Self {
        let retry = RetryPolicy::default().first_delay(Duration::ZERO);
        let settings = Settings {
            name: "test".into(),
            ack_timeout_ms: 1_000,
            retry,
            batch: 8,
            batch_bytes: 1024,
            window: 8,
            window_bytes: 1024,
            max_exceptions: 8,
            remembers: true,
        };
        let row = SubscriptionRow {
            number: 1,
            name: "test".into(),
            id: SubscriptionId::from_bytes([1; 16]),
            topics: ">".into(),
            state: SubscriptionState::Active,
            settled_to,
            sent_to: last,
            acked_to: 0,
            incarnation: EPOCH,
            closed_cleanly: true,
            doubt: Doubt::default(),
            outage: Outage::default(),
            bound: Bound::default(),
            pending_bytes: 0,
        };
        let exception = |(seq, standing): &(Seq, Standing)| ExceptionRow {
            seq: *seq,
            id: id(*seq),
            key: Some(KeyHash::of("a")),
            standing: *standing,
            counts: Counts::default(),
            sent: false,
            available_at_ms: 0,
            longest_wait_ms: 0,
        };
        let exceptions = exceptions.iter().map(exception).collect();
        let lane = Lane::open(settings, &row, exceptions, Vec::new(), false, moment(NOW));
        Self { lane, last }
    }

    /// A cycle; says what it sends: each place, and what it has to come after.
    fn cycle(&mut self) -> Vec<(Seq, Seq)> {
        let now = moment(NOW);
        let Wants { at, fresh } = self.lane.wants(now).unwrap_or_default();
        let mut batch = Batch { more: true, ..Batch::default() };
        batch.at = at.into_iter().map(|seq| (seq, Some(row(seq)))).collect();
        if let Some((after, (rows, _))) = fresh {
            batch.fresh = (after + 1..=self.last).take(rows).map(row).collect();
            batch.more = batch.fresh.len() == rows;
        }
        let sent = self.lane.plan(batch, now).send.map(|sending| sending.envelopes);
        sent.into_iter().flatten().map(|one| (one.seq, one.after)).collect()
    }

    fn answer(&mut self, seq: Seq, attempt: u32, outcome: Outcome) {
        let ticket = Ticket { seq, id: id(seq), attempt };
        self.lane.answered(Answer { incarnation: EPOCH, ticket, outcome }, moment(NOW));
    }
}

fn row(seq: Seq) -> LogRow {
    let key = Some("a".into());
    let (headers, content_type) = (None, None);
    let parts = Parts { topic: "t".into(), key, headers, content_type, payload: Vec::new() };
    let content = Content::Whole(Fingerprint(seq), parts);
    LogRow { seq, id: id(seq), created_at_ms: 0, expires_at_ms: None, revision: 0, content }
}

#[test]
fn what_is_not_read_yet_is_not_jumped_over() {
    // 2 was under way when the last incarnation ended: it is read again, after 1 and before 3.
    let exceptions = [(1, Standing::Waiting), (3, Standing::Parked)];
    let mut served = Served::open(3, 1, &exceptions);
    assert_eq!(served.cycle(), [(1, 0), (2, 1)]);
    assert_eq!(served.cycle(), [(3, 2)]);
}

#[test]
fn one_that_waits_for_two_is_woken_by_the_last() {
    let failed = || Outcome::Failed(Failure::retry("no"));
    let mut served = Served::open(3, 0, &[]);
    assert_eq!(served.cycle(), [(1, 0), (2, 1), (3, 2)]);
    served.answer(2, 1, failed());
    served.answer(3, 1, failed());
    assert_eq!(served.cycle(), [(2, 1), (3, 2)]);
    served.answer(2, 2, Outcome::delivered());
    served.answer(3, 2, Outcome::Blocked);
    assert_eq!(served.cycle(), [], "1 is under way still");
    served.answer(1, 1, Outcome::delivered());
    assert_eq!(served.cycle(), [(3, 2)]);
}
