//! Where every subscription stands.

use crate::error::Result;
use crate::id::Seq;
use crate::store::stats;
use crate::store::subscription::SubscriptionState;
use rusqlite::Connection;
use std::time::Duration;

/// Where a subscription stands, with the counters since it was made.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct SubscriptionStats {
    /// How long the oldest message that is neither settled nor dead has been waiting: the one to
    /// alert on. Counted from its enqueue, or from when it was due if it was delayed.
    pub oldest_pending_age: Option<Duration>,
    /// The subscription's name.
    pub name: String,
    /// Whether it is served.
    pub state: SubscriptionState,
    /// Messages after the position, of all topics, and waiting or parked exceptions: an upper
    /// bound, because an exception after the position counts twice.
    pub pending: i64,
    /// Places after the position that may have been sent: an upper bound of what is under way.
    pub in_flight: i64,
    /// Exceptions that wait for another attempt.
    pub waiting: i64,
    /// Exceptions behind an earlier message of their key.
    pub parked: i64,
    /// Exceptions that wait for a person.
    pub dead: i64,
    /// Skips the consumer has not confirmed.
    pub unconfirmed_skips: i64,
    /// Failures of the destination in a row; 0 when it answers.
    pub outages: u32,
    /// Messages acknowledged.
    pub delivered: i64,
    /// Attempts after the first, by what became of the one before.
    pub redelivered: Redelivered,
    /// Acknowledgements of attempts that were not current, or of settled messages.
    pub late_acks: i64,
    /// Refusals of attempts that were not current: ignored.
    pub fenced_nacks: i64,
    /// Acknowledgements of messages nobody knows.
    pub unknown_acks: i64,
    /// Everything up to here is settled, or an exception.
    pub settled_to: Seq,
    /// Everything up to here may have been sent.
    pub sent_to: Seq,
    /// The end of the log.
    pub last_seq: Seq,
    /// Grows with every opening, and with every change by a person.
    pub epoch: i64,
}

/// Attempts after the first, by what became of the one before.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Redelivered {
    /// It was not answered in time.
    pub timeout: i64,
    /// It was refused.
    pub failure: i64,
    /// It was under way when its relay ended, in whatever way.
    pub crash: i64,
    /// The destination was away.
    pub outage: i64,
}

pub(super) fn read(connection: &Connection, now_ms: i64) -> Result<Vec<SubscriptionStats>> {
    let rows = stats::subscriptions(connection)?;
    rows.into_iter()
        .map(|row| {
            let counts = stats::exceptions(connection, row.number)?;
            let oldest = stats::oldest_pending(connection, row.number, row.settled_to, now_ms)?;
            let age = oldest.map(|at| u64::try_from(now_ms.saturating_sub(at)).unwrap_or(0));
            Ok(SubscriptionStats {
                oldest_pending_age: age.map(Duration::from_millis),
                name: row.name,
                state: row.state,
                pending: row.last_seq - row.settled_to + counts.waiting + counts.parked,
                in_flight: (row.sent_to - row.settled_to).max(0),
                waiting: counts.waiting,
                parked: counts.parked,
                dead: counts.dead,
                unconfirmed_skips: counts.unconfirmed_skips,
                outages: row.outages,
                delivered: row.delivered,
                redelivered: Redelivered {
                    timeout: row.redelivered[0],
                    failure: row.redelivered[1],
                    crash: row.redelivered[2],
                    outage: row.redelivered[3],
                },
                late_acks: row.late_acks,
                fenced_nacks: row.fenced_nacks,
                unknown_acks: row.unknown_acks,
                settled_to: row.settled_to,
                sent_to: row.sent_to,
                last_seq: row.last_seq,
                epoch: row.epoch,
            })
        })
        .collect()
}
