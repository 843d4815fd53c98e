//! The consumer's memory: what each source has settled, and what was applied and is not settled.

use super::{Context, read_all, read_one, run};
use crate::error::Result;
use crate::id::{Fingerprint, Incarnation, MessageId, Seq, StoreId, SubscriptionId};
use crate::message::Envelope;
use crate::watermark::Ranges;
use rusqlite::{CachedStatement, Connection, params};
use std::collections::BTreeMap;
use std::sync::LazyLock;

pub(super) const OPENED: &str = "UPDATE inbox_store SET openings = openings + 1 WHERE one = 1";
pub(super) const FIND: &str = "SELECT source, epoch, nonce, high, changes FROM inbox_source \
    WHERE consumer = ?1 AND store = ?2 AND subscription = ?3";
pub(super) const CREATE: &str = "INSERT INTO inbox_source \
    (consumer, store, subscription, epoch, nonce) VALUES (?1, ?2, ?3, ?4, ?5)";
pub(super) const REGISTER: &str = "UPDATE inbox_source \
    SET epoch = ?2, nonce = ?3, changes = changes + 1 WHERE source = ?1";
pub(super) const SETTLED: &str =
    "SELECT first, last FROM inbox_settled WHERE source = ?1 ORDER BY first";
pub(super) const FORGET_RANGE: &str = "DELETE FROM inbox_settled WHERE source = ?1 AND first = ?2";
pub(super) const SET_RANGE: &str =
    "INSERT OR REPLACE INTO inbox_settled (source, first, last) VALUES (?1, ?2, ?3)";
pub(super) const PRUNE: &str = "DELETE FROM inbox_seen WHERE source = ?1 AND seq BETWEEN ?2 AND ?3";
pub(super) const SEEN: &str =
    "SELECT seq, id, revision, fingerprint FROM inbox_seen WHERE source = ?1 ORDER BY seq";
pub(super) const REPLY: &str = "SELECT reply FROM inbox_seen WHERE source = ?1 AND seq = ?2";
pub(super) const REMEMBER: &str = "INSERT INTO inbox_seen \
    (source, seq, id, revision, fingerprint, reply) VALUES (?1, ?2, ?3, ?4, ?5, ?6)";
/// How many are remembered by one statement, if there are so many.
const ROWS: usize = 32;
static REMEMBER_MANY: LazyLock<String> = LazyLock::new(|| {
    let row = |index: usize| {
        let [a, b, c, d, e] = std::array::from_fn(|column| 5 * index + column + 2);
        format!(", (?1, ?{a}, ?{b}, ?{c}, ?{d}, ?{e})")
    };
    (1..ROWS).fold(REMEMBER.to_owned(), |sql, index| sql + &row(index))
});
pub(super) const COUNT: &str = "UPDATE inbox_source SET high = max(high, ?2), \
    applied = applied + ?3, duplicates = duplicates + ?4, failed = failed + ?5, \
    blocked = blocked + ?6, conflicts = conflicts + ?7, superseded = superseded + ?8, \
    corrupt = corrupt + ?9, unhandled = unhandled + ?10, stale = stale + ?11, \
    refused = refused + ?12, changes = changes + 1 WHERE source = ?1";
pub(super) const QUARANTINE: &str = "INSERT INTO inbox_quarantine (consumer, origin, seq, id, \
    reason, topic, key, headers, content_type, payload, received_at_ms) \
    VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11) \
    ON CONFLICT (consumer, origin, seq, id, reason) DO UPDATE SET times = times + 1";

pub(super) const SENDER: &str =
    "SELECT sender, floor_ms FROM inbox_sender WHERE consumer = ?1 AND name = ?2";
pub(super) const NEW_SENDER: &str = "INSERT INTO inbox_sender (consumer, name, floor_ms) \
    VALUES (?1, ?2, 0) ON CONFLICT (consumer, name) DO NOTHING";
pub(super) const ADMITTED: &str =
    "SELECT fingerprint, reply FROM inbox_admitted WHERE sender = ?1 AND id = ?2";
pub(super) const ADMIT: &str = "INSERT INTO inbox_admitted \
    (sender, id, fingerprint, created_at_ms, reply) VALUES (?1, ?2, ?3, ?4, ?5)";
pub(super) const COUNT_SENDER: &str = "UPDATE inbox_sender SET floor_ms = ?2, \
    applied = applied + ?3, duplicates = duplicates + ?4, failed = failed + ?5, \
    conflicts = conflicts + ?6, stale = stale + ?7, unhandled = unhandled + ?8 WHERE sender = ?1";
pub(super) const SENDERS: &str = "SELECT sender, name, floor_ms, applied, duplicates, failed, \
    conflicts, stale, unhandled FROM inbox_sender WHERE consumer = ?1";
pub(super) const COUNT_ADMITTED: &str = "SELECT count(*) FROM inbox_admitted WHERE sender = ?1";
pub(super) const FORGET_IDS: &str = "DELETE FROM inbox_admitted WHERE (sender, id) IN \
    (SELECT sender, id FROM inbox_admitted WHERE sender = ?1 AND created_at_ms < ?2 \
    ORDER BY created_at_ms LIMIT 64)";

/// A source as it is stored.
#[derive(Clone, Debug)]
pub(crate) struct SourceRow {
    pub(crate) number: i64,
    pub(crate) incarnation: Incarnation,
    pub(crate) high: Seq,
    /// Counted up by everything that is written of the source.
    pub(crate) changes: i64,
}

/// A message that was applied and is not settled yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Seen {
    pub(crate) seq: Seq,
    pub(crate) id: MessageId,
    pub(crate) revision: i64,
    pub(crate) fingerprint: Fingerprint,
}

/// What became of the messages of one transaction.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Verdicts {
    pub(crate) applied: i64,
    pub(crate) duplicates: i64,
    pub(crate) failed: i64,
    pub(crate) blocked: i64,
    pub(crate) conflicts: i64,
    pub(crate) superseded: i64,
    pub(crate) corrupt: i64,
    pub(crate) unhandled: i64,
    pub(crate) stale: i64,
    pub(crate) refused: i64,
}

/// The durable write of every opening: WAL recovery does not sync what it finds, this commit does.
pub(crate) fn opened(connection: &Connection) -> Result<()> {
    run(connection, OPENED, [], "open the inbox").map(drop)
}

pub(crate) fn find(
    connection: &Connection,
    consumer: &str,
    store: StoreId,
    subscription: SubscriptionId,
) -> Result<Option<SourceRow>> {
    let parameters = params![consumer, store.as_bytes(), subscription.as_bytes()];
    read_one(connection, FIND, parameters, "look up a source", |row| {
        Ok(SourceRow {
            number: row.get(0)?,
            incarnation: Incarnation { epoch: row.get(1)?, nonce: row.get(2)? },
            high: row.get(3)?,
            changes: row.get(4)?,
        })
    })
}

pub(crate) fn create(
    connection: &Connection,
    consumer: &str,
    store: StoreId,
    subscription: SubscriptionId,
    incarnation: Incarnation,
) -> Result<()> {
    let Incarnation { epoch, nonce } = incarnation;
    let parameters = params![consumer, store.as_bytes(), subscription.as_bytes(), epoch, nonce];
    run(connection, CREATE, parameters, "register a source").map(drop)
}

pub(crate) fn register(
    connection: &Connection,
    source: i64,
    incarnation: Incarnation,
) -> Result<()> {
    let parameters = [source, incarnation.epoch, incarnation.nonce];
    run(connection, REGISTER, parameters, "register a source").map(drop)
}

pub(crate) fn settled(connection: &Connection, source: i64) -> Result<Ranges> {
    let what = "read what is settled";
    let ranges =
        read_all(connection, SETTLED, [source], what, |row| Ok((row.get(0)?, row.get(1)?)))?;
    Ok(Ranges::from_ranges(ranges))
}

/// Writes the ranges that changed, and forgets the ids that the new ones cover.
pub(crate) fn settle(
    connection: &Connection,
    source: i64,
    before: &Ranges,
    after: &Ranges,
) -> Result<()> {
    let what = "merge what is settled";
    for (first, last) in after.difference(before).iter() {
        run(connection, PRUNE, [source, first, last], what)?;
    }
    let old: BTreeMap<Seq, Seq> = before.iter().collect();
    let new: BTreeMap<Seq, Seq> = after.iter().collect();
    for first in old.keys().filter(|first| !new.contains_key(first)) {
        run(connection, FORGET_RANGE, [source, *first], what)?;
    }
    for (first, last) in new.iter().filter(|(first, last)| old.get(first) != Some(last)) {
        run(connection, SET_RANGE, [source, *first, *last], what)?;
    }
    Ok(())
}

/// All that was applied and is not settled.
pub(crate) fn seen(connection: &Connection, source: i64) -> Result<Vec<Seen>> {
    read_all(connection, SEEN, [source], "read what was applied", |row| {
        Ok(Seen {
            seq: row.get(0)?,
            id: MessageId::from_bytes(row.get(1)?),
            revision: row.get(2)?,
            fingerprint: Fingerprint(row.get(3)?),
        })
    })
}

/// What the handler returned for the message that was applied at a place.
pub(crate) fn reply(connection: &Connection, source: i64, seq: Seq) -> Result<Option<Vec<u8>>> {
    let reply = read_one(connection, REPLY, [source, seq], "read a reply", |row| row.get(0))?;
    Ok(reply.flatten())
}

/// What a transaction applies of a source, written down at its end: many rows to a statement.
pub(crate) struct Notebook<'a> {
    connection: &'a Connection,
    source: i64,
    entries: Vec<(Seen, Option<Vec<u8>>)>,
}

impl<'a> Notebook<'a> {
    pub(crate) fn new(connection: &'a Connection, source: i64) -> Self {
        Self { connection, source, entries: Vec::new() }
    }

    pub(crate) fn remember(&mut self, seen: Seen, reply: Option<Vec<u8>>) -> &mut Self {
        self.entries.push((seen, reply));
        self
    }

    pub(crate) fn write(&mut self) -> Result<()> {
        let what = "remember messages";
        let whole = self.entries.len() / ROWS * ROWS;
        let (many, few) = self.entries.split_at(whole);
        for (rows, sql) in [(ROWS, REMEMBER_MANY.as_str()), (1, REMEMBER)] {
            let entries = if rows == 1 { few } else { many };
            if entries.is_empty() {
                continue;
            }
            let mut statement = self.connection.prepare_cached(sql).doing(what)?;
            for rows in entries.chunks(rows) {
                statement.raw_bind_parameter(1, self.source).doing(what)?;
                for (index, (seen, reply)) in rows.iter().enumerate() {
                    bind(&mut statement, 5 * index + 2, seen, reply.as_deref()).doing(what)?;
                }
                statement.raw_execute().doing(what)?;
            }
        }
        self.entries.clear();
        Ok(())
    }
}

fn bind(
    statement: &mut CachedStatement<'_>,
    first: usize,
    seen: &Seen,
    reply: Option<&[u8]>,
) -> rusqlite::Result<()> {
    let Seen { seq, id, revision, fingerprint } = seen;
    statement.raw_bind_parameter(first, seq)?;
    statement.raw_bind_parameter(first + 1, id.as_bytes())?;
    statement.raw_bind_parameter(first + 2, revision)?;
    statement.raw_bind_parameter(first + 3, fingerprint.0)?;
    statement.raw_bind_parameter(first + 4, reply)
}

pub(crate) fn count(
    connection: &Connection,
    source: i64,
    high: Seq,
    verdicts: &Verdicts,
) -> Result<()> {
    let parameters = params![
        source,
        high,
        verdicts.applied,
        verdicts.duplicates,
        verdicts.failed,
        verdicts.blocked,
        verdicts.conflicts,
        verdicts.superseded,
        verdicts.corrupt,
        verdicts.unhandled,
        verdicts.stale,
        verdicts.refused,
    ];
    run(connection, COUNT, parameters, "count what became of the messages").map(drop)
}

/// Keeps a refused message for a person to look at.
pub(crate) fn quarantine(
    connection: &Connection,
    (consumer, origin): (&str, &[u8]),
    envelope: &Envelope,
    reason: &str,
    now_ms: i64,
) -> Result<()> {
    let parts = &envelope.parts;
    let parameters = params![
        consumer,
        origin,
        envelope.seq,
        envelope.id.as_bytes(),
        reason,
        &*parts.topic,
        parts.key,
        parts.headers,
        parts.content_type,
        parts.payload,
        now_ms,
    ];
    run(connection, QUARANTINE, parameters, "quarantine a message").map(drop)
}

/// A sender without positions, and the time below which its ids are forgotten.
#[derive(Clone, Copy, Debug)]
pub(crate) struct SenderRow {
    pub(crate) number: i64,
    pub(crate) floor_ms: i64,
}

/// What was applied under an id.
#[derive(Clone, Debug)]
pub(crate) struct AdmittedRow {
    pub(crate) fingerprint: Fingerprint,
    pub(crate) reply: Option<Vec<u8>>,
}

/// The sender of that name, made when it is new.
pub(crate) fn sender(connection: &Connection, consumer: &str, name: &str) -> Result<SenderRow> {
    let what = "look up a sender";
    run(connection, NEW_SENDER, [consumer, name], what)?;
    let row = read_one(connection, SENDER, [consumer, name], what, |row| {
        Ok(SenderRow { number: row.get(0)?, floor_ms: row.get(1)? })
    })?;
    Ok(row.unwrap_or(SenderRow { number: 0, floor_ms: 0 }))
}

pub(crate) fn admitted(
    connection: &Connection,
    sender: i64,
    id: MessageId,
) -> Result<Option<AdmittedRow>> {
    let parameters = params![sender, id.as_bytes()];
    read_one(connection, ADMITTED, parameters, "look for an id", |row| {
        Ok(AdmittedRow { fingerprint: Fingerprint(row.get(0)?), reply: row.get(1)? })
    })
}

pub(crate) fn remember_id(
    connection: &Connection,
    sender: i64,
    (id, fingerprint): (MessageId, Fingerprint),
    created_at_ms: i64,
    reply: Option<&[u8]>,
) -> Result<()> {
    let parameters = params![sender, id.as_bytes(), fingerprint.0, created_at_ms, reply];
    run(connection, ADMIT, parameters, "remember an id").map(drop)
}

/// Counts, lifts the floor, and forgets a slice of the ids below it.
pub(crate) fn count_sender(
    connection: &Connection,
    sender: i64,
    floor_ms: i64,
    verdicts: &Verdicts,
) -> Result<()> {
    let what = "count what became of a message";
    let parameters = [
        sender,
        floor_ms,
        verdicts.applied,
        verdicts.duplicates,
        verdicts.failed,
        verdicts.conflicts,
        verdicts.stale,
        verdicts.unhandled,
    ];
    run(connection, COUNT_SENDER, parameters, what)?;
    run(connection, FORGET_IDS, [sender, floor_ms], what).map(drop)
}

/// A sender's counters and the size of its memory.
#[derive(Debug)]
pub(crate) struct SenderStatsRow {
    pub(crate) name: String,
    pub(crate) floor_ms: i64,
    pub(crate) verdicts: Verdicts,
    pub(crate) remembered: i64,
}

pub(crate) fn senders(connection: &Connection, consumer: &str) -> Result<Vec<SenderStatsRow>> {
    let what = "read the statistics of senders";
    read_all(connection, SENDERS, [consumer], what, |row| {
        let sender: i64 = row.get(0)?;
        let mut count = connection.prepare_cached(COUNT_ADMITTED)?;
        Ok(SenderStatsRow {
            name: row.get(1)?,
            floor_ms: row.get(2)?,
            verdicts: Verdicts {
                applied: row.get(3)?,
                duplicates: row.get(4)?,
                failed: row.get(5)?,
                conflicts: row.get(6)?,
                stale: row.get(7)?,
                unhandled: row.get(8)?,
                ..Verdicts::default()
            },
            remembered: count.query_row([sender], |row| row.get(0))?,
        })
    })
}
