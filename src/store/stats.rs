//! What there is to count.

use super::subscription::SubscriptionState;
use super::{log, read_all, read_one, whole};
use crate::error::Result;
use crate::id::Seq;
use rusqlite::{Connection, Row};

pub(super) const DATA_VERSION: &str = "PRAGMA data_version";
pub(super) const SUBSCRIPTIONS: &str = "SELECT subscription, name, state, settled_to, sent_to, \
    epoch, outages, delivered, redelivered_timeout, redelivered_failure, redelivered_crash, \
    redelivered_outage, late_acks, fenced_nacks, unknown_acks \
    FROM outbox_subscription ORDER BY subscription";
pub(super) const COUNT_STATE: &str =
    "SELECT count(*) FROM outbox_delivery WHERE subscription = ?1 AND state = ?2";
pub(super) const COUNT_SKIPS: &str =
    "SELECT count(*) FROM outbox_skip WHERE subscription = ?1 AND state = 'unconfirmed'";
pub(super) const FIRST_AFTER: &str = "SELECT coalesce(due_at_ms, created_at_ms) \
    FROM outbox_message WHERE seq > ?1 ORDER BY seq LIMIT 1";
pub(super) const OLDEST_EXCEPTION: &str = "SELECT coalesce(due_at_ms, created_at_ms) \
    FROM outbox_message WHERE seq = \
    (SELECT min(seq) FROM outbox_delivery WHERE subscription = ?1 AND state = ?2)";
pub(super) const SOURCES: &str = "SELECT source, store, subscription, high, applied, duplicates, \
    failed, blocked, conflicts, superseded, corrupt, unhandled, stale FROM inbox_source \
    WHERE consumer = ?1";
pub(super) const COUNT_SEEN: &str = "SELECT count(*) FROM inbox_seen WHERE source = ?1";
pub(super) const COUNT_RANGES: &str = "SELECT count(*) FROM inbox_settled WHERE source = ?1";

/// Changes when another connection has committed.
pub(crate) fn data_version(connection: &Connection) -> Result<i64> {
    let version = read_one(connection, DATA_VERSION, [], "look for commits", |row| row.get(0))?;
    Ok(version.unwrap_or(0))
}

/// A subscription's position and counters.
#[derive(Debug)]
pub(crate) struct StatsRow {
    pub(crate) number: i64,
    pub(crate) name: String,
    pub(crate) state: SubscriptionState,
    pub(crate) settled_to: Seq,
    pub(crate) sent_to: Seq,
    pub(crate) last_seq: Seq,
    pub(crate) epoch: i64,
    pub(crate) outages: u32,
    pub(crate) delivered: i64,
    pub(crate) redelivered: [i64; 4],
    pub(crate) late_acks: i64,
    pub(crate) fenced_nacks: i64,
    pub(crate) unknown_acks: i64,
}

pub(crate) fn subscriptions(connection: &Connection) -> Result<Vec<StatsRow>> {
    let last_seq = log::last_seq(connection)?;
    read_all(connection, SUBSCRIPTIONS, [], "read the statistics", |row: &Row<'_>| {
        Ok(StatsRow {
            number: row.get(0)?,
            name: row.get(1)?,
            state: SubscriptionState::parse(row.get_ref(2)?.as_str()?),
            settled_to: row.get(3)?,
            sent_to: row.get(4)?,
            last_seq,
            epoch: row.get(5)?,
            outages: row.get(6)?,
            delivered: row.get(7)?,
            redelivered: [row.get(8)?, row.get(9)?, row.get(10)?, row.get(11)?],
            late_acks: row.get(12)?,
            fenced_nacks: row.get(13)?,
            unknown_acks: row.get(14)?,
        })
    })
}

/// How many exceptions there are of each kind.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ExceptionCounts {
    pub(crate) waiting: i64,
    pub(crate) parked: i64,
    pub(crate) dead: i64,
    pub(crate) unconfirmed_skips: i64,
}

pub(crate) fn exceptions(connection: &Connection, subscription: i64) -> Result<ExceptionCounts> {
    let what = "count the exceptions";
    let count = |state: &str| -> Result<i64> {
        let parameters = rusqlite::params![subscription, state];
        Ok(read_one(connection, COUNT_STATE, parameters, what, |row| row.get(0))?.unwrap_or(0))
    };
    let skips = read_one(connection, COUNT_SKIPS, [subscription], what, |row| row.get(0))?;
    Ok(ExceptionCounts {
        waiting: count("waiting")?,
        parked: count("parked")?,
        dead: count("dead")?,
        unconfirmed_skips: skips.unwrap_or(0),
    })
}

/// Since when the oldest message is pending that is neither settled nor dead: since its enqueue, or
/// since it was due if it was delayed.
pub(crate) fn oldest_pending(
    connection: &Connection,
    subscription: i64,
    settled_to: Seq,
    now_ms: i64,
) -> Result<Option<i64>> {
    let what = "find the oldest pending message";
    let created = |row: &Row<'_>| Ok(whole(row.get_ref(0)?));
    let first = read_one(connection, FIRST_AFTER, [settled_to], what, created)?.flatten();
    let exception = |state: &str| -> Result<Option<i64>> {
        let parameters = rusqlite::params![subscription, state];
        Ok(read_one(connection, OLDEST_EXCEPTION, parameters, what, created)?.flatten())
    };
    // Due, and not in the log: no relay runs.
    let overdue = log::next_due(connection)?.filter(|due| *due <= now_ms);
    let pending = [first, exception("waiting")?, exception("parked")?, overdue];
    Ok(pending.into_iter().flatten().min())
}

/// A source's counters and the size of its memory, as the consumer has them.
#[derive(Debug)]
pub(crate) struct SourceStatsRow {
    pub(crate) store: [u8; 16],
    pub(crate) subscription: [u8; 16],
    pub(crate) high: Seq,
    pub(crate) verdicts: super::inbox::Verdicts,
    pub(crate) remembered: i64,
    pub(crate) ranges: i64,
}

pub(crate) fn sources(connection: &Connection, consumer: &str) -> Result<Vec<SourceStatsRow>> {
    let what = "read the consumer's statistics";
    read_all(connection, SOURCES, [consumer], what, |row| {
        let source: i64 = row.get(0)?;
        let count = |sql: &str| -> rusqlite::Result<i64> {
            connection.prepare_cached(sql)?.query_row([source], |row| row.get(0))
        };
        Ok(SourceStatsRow {
            store: row.get(1)?,
            subscription: row.get(2)?,
            high: row.get(3)?,
            verdicts: super::inbox::Verdicts {
                applied: row.get(4)?,
                duplicates: row.get(5)?,
                failed: row.get(6)?,
                blocked: row.get(7)?,
                conflicts: row.get(8)?,
                superseded: row.get(9)?,
                corrupt: row.get(10)?,
                unhandled: row.get(11)?,
                stale: row.get(12)?,
                refused: 0,
            },
            remembered: count(COUNT_SEEN)?,
            ranges: count(COUNT_RANGES)?,
        })
    })
}
