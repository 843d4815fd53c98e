//! The exceptions: messages of a subscription that wait, are parked, or are dead.

use super::{read_all, run};
use crate::error::Result;
use crate::id::{KeyHash, MessageId, Seq};
use crate::limits;
use rusqlite::{Connection, params};

pub(super) const ALL: &str = "SELECT seq, id, key_hash, state, attempts, failures, lost, sent, \
    available_at_ms, max(0, available_at_ms - updated_at_ms) \
    FROM outbox_delivery WHERE subscription = ?1 ORDER BY seq";
/// Never over a row that a person has changed meanwhile: those bump the epoch, which is checked in
/// the same transaction.
pub(super) const WAIT: &str = "INSERT INTO outbox_delivery (subscription, seq, id, key_hash, \
    state, attempts, failures, lost, available_at_ms, last_error, history, updated_at_ms) \
    VALUES (?1, ?2, ?3, ?4, 'waiting', ?5, ?6, ?7, ?8, ?9, ?10, ?11) \
    ON CONFLICT (subscription, seq) DO UPDATE SET state = 'waiting', \
    attempts = max(attempts, excluded.attempts), failures = excluded.failures, \
    lost = excluded.lost, sent = 0, available_at_ms = excluded.available_at_ms, \
    last_error = coalesce(excluded.last_error, last_error), \
    history = coalesce(excluded.history, history), updated_at_ms = excluded.updated_at_ms \
    WHERE outbox_delivery.id = excluded.id AND outbox_delivery.state <> 'skipped'";
pub(super) const PARK: &str = "INSERT INTO outbox_delivery \
    (subscription, seq, id, key_hash, state, updated_at_ms) VALUES (?1, ?2, ?3, ?4, 'parked', ?5) \
    ON CONFLICT (subscription, seq) DO UPDATE SET state = 'parked', sent = 0, \
    updated_at_ms = excluded.updated_at_ms \
    WHERE outbox_delivery.id = excluded.id AND outbox_delivery.state <> 'skipped'";
pub(super) const BURY: &str = "INSERT INTO outbox_delivery (subscription, seq, id, key_hash, \
    state, attempts, failures, lost, reason, last_error, history, updated_at_ms) \
    VALUES (?1, ?2, ?3, ?4, 'dead', ?5, ?6, ?7, ?8, ?9, ?10, ?11) \
    ON CONFLICT (subscription, seq) DO UPDATE SET state = 'dead', \
    attempts = max(attempts, excluded.attempts), failures = excluded.failures, \
    lost = excluded.lost, sent = 0, reason = excluded.reason, \
    last_error = coalesce(excluded.last_error, last_error), \
    history = coalesce(excluded.history, history), updated_at_ms = excluded.updated_at_ms \
    WHERE outbox_delivery.id = excluded.id AND outbox_delivery.state <> 'skipped'";
pub(super) const SEND: &str = "UPDATE outbox_delivery SET state = 'waiting', sent = 1, \
    attempts = max(attempts, ?3), lost = ?4, updated_at_ms = ?5 \
    WHERE subscription = ?1 AND seq = ?2 AND state IN ('waiting', 'parked')";
/// What the bound on bytes counted for it, before its row may be deleted: its length, which SQLite
/// knows without reading it.
pub(super) const RETURN_BYTES: &str = "UPDATE outbox_subscription SET pending_bytes = \
    max(0, pending_bytes - coalesce((SELECT octet_length(payload) FROM outbox_message \
    WHERE seq = ?2), 0)) WHERE subscription = ?1 AND maximum_bytes IS NOT NULL";
pub(super) const SETTLE: &str =
    "DELETE FROM outbox_delivery WHERE subscription = ?1 AND seq = ?2 AND id = ?3";
pub(super) const DROP_SKIPPED: &str = "DELETE FROM outbox_delivery \
    WHERE subscription = ?1 AND state = 'skipped' AND seq <= ?2";
pub(super) const APPLIED: &str = "UPDATE outbox_replacement SET applied = ?4, updated_at_ms = ?5 \
    WHERE subscription = ?1 AND seq = ?2 AND id = ?3";
pub(super) const HISTORY: &str =
    "SELECT history FROM outbox_delivery WHERE subscription = ?1 AND seq = ?2";
pub(super) const SKIPS: &str = "SELECT seq FROM outbox_skip \
    WHERE subscription = ?1 AND state = 'unconfirmed' ORDER BY seq";
/// Not by IN: SQLite would make a table of the three states each time.
pub(super) const COUNT: &str = "SELECT \
    (SELECT count(*) FROM main.outbox_delivery \
        WHERE subscription = ?1 AND state = 'waiting' AND seq <= ?2) \
    + (SELECT count(*) FROM main.outbox_delivery \
        WHERE subscription = ?1 AND state = 'parked' AND seq <= ?2) \
    + (SELECT count(*) FROM main.outbox_delivery \
        WHERE subscription = ?1 AND state = 'dead' AND seq <= ?2)";
pub(super) const CONFIRM_SKIP: &str = "UPDATE outbox_skip SET state = 'confirmed', \
    updated_at_ms = ?3 WHERE subscription = ?1 AND seq = ?2 AND state = 'unconfirmed'";
pub(super) const SKIPPED_BUT_APPLIED: &str = "UPDATE outbox_skip SET state = 'applied', \
    updated_at_ms = ?4 WHERE subscription = ?1 AND seq = ?2 AND id = ?3 AND state <> 'applied'";

/// Where an exception stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Standing {
    /// For its next attempt.
    Waiting,
    /// Behind an earlier message of its key.
    Parked,
    /// For a person.
    Dead,
    /// Settled by a person; kept until the position has passed it.
    Skipped,
}

/// A row of the exceptions.
#[derive(Clone, Debug)]
pub(crate) struct ExceptionRow {
    pub(crate) seq: Seq,
    pub(crate) id: MessageId,
    pub(crate) key: Option<KeyHash>,
    pub(crate) standing: Standing,
    pub(crate) counts: Counts,
    pub(crate) sent: bool,
    pub(crate) available_at_ms: i64,
    /// How long it was to wait when that was written.
    pub(crate) longest_wait_ms: i64,
}

/// What was tried: three numbers that mean three things.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct Counts {
    /// How often it was sent. Fences refusals; never reset.
    pub(crate) attempts: u32,
    /// How often the consumer refused it.
    pub(crate) failures: u32,
    /// How often an attempt got no answer, or took the process down.
    pub(crate) lost: u32,
}

/// What a cycle writes about one message.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Change {
    /// Wait for another attempt.
    Wait {
        seq: Seq,
        id: MessageId,
        key: Option<KeyHash>,
        counts: Counts,
        at_ms: i64,
        error: Option<String>,
    },
    /// Wait for an earlier message of the key.
    Park { seq: Seq, id: MessageId, key: Option<KeyHash> },
    /// Wait for a person.
    Bury {
        seq: Seq,
        id: MessageId,
        key: Option<KeyHash>,
        counts: Counts,
        reason: &'static str,
        error: Option<String>,
    },
    /// An exception is sent (again).
    Send { seq: Seq, counts: Counts },
    /// An exception is settled; the revision that took effect, if it is known.
    Settle { seq: Seq, id: MessageId, applied: Option<i64> },
    /// The position has passed these skipped ones.
    DropSkipped { through: Seq },
    /// The consumer knows that this one was skipped.
    ConfirmSkip { seq: Seq },
    /// An acknowledgement came for a message that is not pending any more.
    LateAck { seq: Seq, id: MessageId },
}

pub(crate) fn all(connection: &Connection, subscription: i64) -> Result<Vec<ExceptionRow>> {
    read_all(connection, ALL, [subscription], "read the exceptions", |row| {
        let standing = match row.get_ref(3)?.as_str()? {
            "waiting" => Standing::Waiting,
            "parked" => Standing::Parked,
            "skipped" => Standing::Skipped,
            _ => Standing::Dead,
        };
        let failures = mistake!(FailuresForgotten ? 0, else row.get(5)?);
        Ok(ExceptionRow {
            seq: row.get(0)?,
            id: MessageId::from_bytes(row.get(1)?),
            key: row.get::<_, Option<i64>>(2)?.map(KeyHash),
            standing,
            counts: Counts { attempts: row.get(4)?, failures, lost: row.get(6)? },
            sent: row.get(7)?,
            available_at_ms: row.get(8)?,
            longest_wait_ms: row.get(9)?,
        })
    })
}

/// How many exceptions a subscription has up to a place, skipped ones not counted.
pub(crate) fn count_to(connection: &Connection, subscription: i64, through: Seq) -> Result<i64> {
    let what = "count exceptions";
    let count =
        super::read_one(connection, COUNT, [subscription, through], what, |row| row.get(0))?;
    Ok(count.unwrap_or(0))
}

/// The skips that the consumer has not confirmed.
pub(crate) fn unconfirmed_skips(connection: &Connection, subscription: i64) -> Result<Vec<Seq>> {
    read_all(connection, SKIPS, [subscription], "read the skips", |row| row.get(0))
}

/// Writes one change; says whether it was an acknowledgement of something that had been skipped.
pub(crate) fn apply(
    connection: &Connection,
    subscription: i64,
    change: &Change,
    now_ms: i64,
) -> Result<bool> {
    let what = "write an exception";
    match change {
        Change::Wait { seq, id, key, counts, at_ms, error } => {
            let history = history(connection, subscription, *seq, *counts, error, now_ms)?;
            let Counts { attempts, failures, lost } = counts;
            let (id, key) = (id.as_bytes(), key.map(|key| key.0));
            let parameters = params![
                subscription,
                seq,
                id,
                key,
                attempts,
                failures,
                lost,
                at_ms,
                error,
                history,
                now_ms
            ];
            run(connection, WAIT, parameters, what)?;
        }
        Change::Park { seq, id, key } => {
            let key = key.map(|key| key.0);
            run(connection, PARK, params![subscription, seq, id.as_bytes(), key, now_ms], what)?;
        }
        Change::Bury { seq, id, key, counts, reason, error } => {
            let history = history(connection, subscription, *seq, *counts, error, now_ms)?;
            let Counts { attempts, failures, lost } = counts;
            let (id, key) = (id.as_bytes(), key.map(|key| key.0));
            let parameters = params![
                subscription,
                seq,
                id,
                key,
                attempts,
                failures,
                lost,
                reason,
                error,
                history,
                now_ms
            ];
            run(connection, BURY, parameters, what)?;
        }
        Change::Send { seq, counts } => {
            let parameters = params![subscription, seq, counts.attempts, counts.lost, now_ms];
            run(connection, SEND, parameters, what)?;
        }
        Change::Settle { seq, id, applied } => {
            run(connection, RETURN_BYTES, [subscription, *seq], what)?;
            run(connection, SETTLE, params![subscription, seq, id.as_bytes()], what)?;
            let parameters = params![subscription, seq, id.as_bytes(), applied, now_ms];
            run(connection, APPLIED, parameters, what)?;
            super::prune::settled_exception(connection, *seq)?;
        }
        Change::DropSkipped { through } => {
            run(connection, DROP_SKIPPED, [subscription, *through], what)?;
        }
        Change::ConfirmSkip { seq } => {
            run(connection, CONFIRM_SKIP, [subscription, *seq, now_ms], what)?;
        }
        Change::LateAck { seq, id } => {
            let parameters = params![subscription, seq, id.as_bytes(), now_ms];
            return Ok(run(connection, SKIPPED_BUT_APPLIED, parameters, what)? > 0);
        }
    }
    Ok(false)
}

/// The message's history with one more entry; none when there is no error to add.
fn history(
    connection: &Connection,
    subscription: i64,
    seq: Seq,
    counts: Counts,
    error: &Option<String>,
    now_ms: i64,
) -> Result<Option<String>> {
    let Some(error) = error else { return Ok(None) };
    let stored: Option<String> = super::read_one(
        connection,
        HISTORY,
        [subscription, seq],
        "read a message's history",
        |row| row.get::<_, Option<String>>(0),
    )?
    .flatten();
    let mut entries: Vec<serde_json::Value> =
        stored.and_then(|text| serde_json::from_str(&text).ok()).unwrap_or_default();
    entries.push(serde_json::json!({
        "at_ms": now_ms,
        "attempt": counts.attempts,
        "error": error,
    }));
    let excess = entries.len().saturating_sub(limits::HISTORY_ENTRIES);
    entries.drain(..excess);
    Ok(Some(serde_json::Value::Array(entries).to_string()))
}
