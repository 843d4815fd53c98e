//! What became of everything a consumer was sent.

use super::Inbox;
use crate::error::Result;
use crate::id::{Seq, StoreId, SubscriptionId};
use crate::store::{self, stats};

/// One source of a consumer: its counters since the first hello, and the size of its memory.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct SourceStats {
    /// Whose messages.
    pub store: StoreId,
    /// Over which subscription.
    pub subscription: SubscriptionId,
    /// The largest place applied, or told to be settled.
    pub high: Seq,
    /// Messages whose effect was committed.
    pub applied: i64,
    /// Copies that were answered from memory.
    pub duplicates: i64,
    /// Attempts a handler refused.
    pub failed: i64,
    /// Attempts that came before an earlier message of their key.
    pub blocked: i64,
    /// Ids that came again with other content: quarantined.
    pub conflicts: i64,
    /// Copies of a revision that a later one has replaced.
    pub superseded: i64,
    /// Messages that did not match their checksum: quarantined.
    pub corrupt: i64,
    /// Messages of a topic without a handler: quarantined.
    pub unhandled: i64,
    /// Messages remembered because they are not settled yet.
    pub remembered: i64,
    /// Ranges that hold all settled places.
    pub ranges: i64,
}

/// One sender without positions, fed by [`Inbox::receive`]: its counters, and the size of its
/// memory.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct SenderStats {
    /// The name it was received under.
    pub name: String,
    /// Messages of an earlier time are stale: milliseconds since 1970 by the sender's clock.
    pub floor_ms: i64,
    /// Messages whose effect was committed.
    pub applied: i64,
    /// Copies that were answered from memory.
    pub duplicates: i64,
    /// Attempts a handler refused.
    pub failed: i64,
    /// Ids that came again with other content: quarantined.
    pub conflicts: i64,
    /// Messages older than the ids that are kept: quarantined.
    pub stale: i64,
    /// Messages of a topic without a handler: quarantined.
    pub unhandled: i64,
    /// Ids that are kept.
    pub remembered: i64,
}

impl Inbox {
    /// What became of everything this consumer received from senders without positions.
    ///
    /// # Errors
    ///
    /// When the database cannot be read.
    pub fn senders(&mut self) -> Result<Vec<SenderStats>> {
        let consumer = self.consumer.clone();
        let connection = &self.connect()?.connection;
        let rows = store::snapshot(connection, "read the statistics", |connection| {
            store::inbox::senders(connection, &consumer)
        })?;
        let sender = |row: store::inbox::SenderStatsRow| SenderStats {
            name: row.name,
            floor_ms: row.floor_ms,
            applied: row.verdicts.applied,
            duplicates: row.verdicts.duplicates,
            failed: row.verdicts.failed,
            conflicts: row.verdicts.conflicts,
            stale: row.verdicts.stale,
            unhandled: row.verdicts.unhandled,
            remembered: row.remembered,
        };
        Ok(rows.into_iter().map(sender).collect())
    }

    /// What became of everything this consumer was sent, by source.
    ///
    /// # Errors
    ///
    /// When the database cannot be read.
    pub fn stats(&mut self) -> Result<Vec<SourceStats>> {
        let consumer = self.consumer.clone();
        let connection = &self.connect()?.connection;
        let rows = store::snapshot(connection, "read the statistics", |connection| {
            stats::sources(connection, &consumer)
        })?;
        let source = |row: stats::SourceStatsRow| SourceStats {
            store: StoreId::from_bytes(row.store),
            subscription: SubscriptionId::from_bytes(row.subscription),
            high: row.high,
            applied: row.verdicts.applied,
            duplicates: row.verdicts.duplicates,
            failed: row.verdicts.failed,
            blocked: row.verdicts.blocked,
            conflicts: row.verdicts.conflicts,
            superseded: row.verdicts.superseded,
            corrupt: row.verdicts.corrupt,
            unhandled: row.verdicts.unhandled,
            remembered: row.remembered,
            ranges: row.ranges,
        };
        Ok(rows.into_iter().map(source).collect())
    }
}
