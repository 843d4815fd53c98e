//! Dead letters: what a person sees of them, and does about them.

use super::{read_all, read_one, run};
use crate::error::Result;
use crate::id::{Fingerprint, KeyHash, MessageId, Seq};
use rusqlite::{Connection, Row, params};

pub(super) const LIST: &str = "SELECT d.seq, d.id, d.attempts, d.failures, d.lost, d.reason, \
    d.last_error, d.history, d.updated_at_ms, m.topic, m.key, m.created_at_ms, d.key_hash \
    FROM outbox_delivery d LEFT JOIN outbox_message m ON m.seq = d.seq \
    WHERE d.subscription = ?1 AND d.state = 'dead' AND d.seq > ?2 ORDER BY d.seq LIMIT ?3";
pub(super) const ONE: &str = "SELECT d.seq, d.id, d.attempts, d.failures, d.lost, d.reason, \
    d.last_error, d.history, d.updated_at_ms, m.topic, m.key, m.created_at_ms, d.key_hash \
    FROM outbox_delivery d LEFT JOIN outbox_message m ON m.seq = d.seq \
    WHERE d.subscription = ?1 AND d.state = 'dead' AND d.seq = ?2 AND d.id = ?3";
pub(super) const REDRIVE: &str = "UPDATE outbox_delivery SET state = 'waiting', failures = 0, \
    lost = 0, available_at_ms = 0, reason = NULL, updated_at_ms = ?4 \
    WHERE subscription = ?1 AND seq = ?2 AND id = ?3 AND state = 'dead'";
pub(super) const SKIP: &str = "UPDATE outbox_delivery SET state = 'skipped', updated_at_ms = ?4 \
    WHERE subscription = ?1 AND seq = ?2 AND id = ?3 AND state = 'dead'";
pub(super) const FOLLOWERS: &str = "SELECT seq, id FROM outbox_delivery \
    WHERE subscription = ?1 AND key_hash = ?2 AND seq > ?3 AND state IN ('waiting', 'parked') \
    ORDER BY seq";
pub(super) const BURY_FOLLOWERS: &str = "UPDATE outbox_delivery SET state = 'dead', \
    reason = 'dropped with its head', updated_at_ms = ?4 \
    WHERE subscription = ?1 AND key_hash = ?2 AND seq > ?3 AND state IN ('waiting', 'parked')";
pub(super) const NOTE_SKIP: &str = "INSERT OR REPLACE INTO outbox_skip \
    (subscription, seq, id, state, updated_at_ms) VALUES (?1, ?2, ?3, 'unconfirmed', ?4)";
pub(super) const PASSED: &str = "DELETE FROM outbox_delivery WHERE subscription = ?1 \
    AND seq = ?2 AND state = 'skipped' AND seq <= \
    (SELECT settled_to FROM outbox_subscription WHERE subscription = ?1)";
pub(super) const REVISION: &str = "SELECT coalesce(max(revision), 0) FROM outbox_replacement \
    WHERE subscription = ?1 AND seq = ?2";
pub(super) const REPLACE: &str = "INSERT OR REPLACE INTO outbox_replacement (subscription, seq, \
    id, revision, headers, content_type, checksum, payload, updated_at_ms) \
    VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)";
pub(super) const FORGET_SKIPS: &str = "DELETE FROM outbox_skip WHERE (subscription, seq) IN \
    (SELECT subscription, seq FROM outbox_skip WHERE updated_at_ms <= ?1 \
    AND seq <= (SELECT pruned_to FROM outbox_store WHERE one = 1) \
    AND state <> 'unconfirmed' ORDER BY updated_at_ms LIMIT ?2)";
pub(super) const FORGET_REPLACEMENTS: &str = "DELETE FROM outbox_replacement \
    WHERE (subscription, seq) IN (SELECT subscription, seq FROM outbox_replacement \
    WHERE updated_at_ms <= ?1 \
    AND seq <= (SELECT pruned_to FROM outbox_store WHERE one = 1) AND NOT EXISTS \
    (SELECT 1 FROM outbox_delivery d WHERE d.subscription = outbox_replacement.subscription \
    AND d.seq = outbox_replacement.seq \
    AND d.state <> 'skipped') ORDER BY updated_at_ms LIMIT ?2)";
pub(super) const SKIPS: &str = "SELECT seq, id, state, updated_at_ms FROM outbox_skip \
    WHERE subscription = ?1 ORDER BY seq";
pub(super) const REPLACEMENTS: &str = "SELECT seq, id, revision, applied, updated_at_ms \
    FROM outbox_replacement WHERE subscription = ?1 ORDER BY seq";

/// A dead letter as it is stored.
#[derive(Clone, Debug)]
pub(crate) struct DeadRow {
    pub(crate) seq: Seq,
    pub(crate) id: MessageId,
    pub(crate) attempts: u32,
    pub(crate) failures: u32,
    pub(crate) lost: u32,
    pub(crate) reason: Option<String>,
    pub(crate) last_error: Option<String>,
    pub(crate) history: Option<String>,
    pub(crate) died_at_ms: i64,
    pub(crate) topic: Option<String>,
    pub(crate) key: Option<String>,
    pub(crate) created_at_ms: Option<i64>,
    pub(crate) key_hash: Option<KeyHash>,
}

fn read(row: &Row<'_>) -> rusqlite::Result<DeadRow> {
    Ok(DeadRow {
        seq: row.get(0)?,
        id: MessageId::from_bytes(row.get(1)?),
        attempts: row.get(2)?,
        failures: row.get(3)?,
        lost: row.get(4)?,
        reason: row.get(5)?,
        last_error: row.get(6)?,
        history: row.get(7)?,
        died_at_ms: row.get(8)?,
        topic: row.get::<_, Option<String>>(9).unwrap_or_default(),
        key: row.get::<_, Option<String>>(10).unwrap_or_default(),
        created_at_ms: super::whole(row.get_ref(11)?),
        key_hash: row.get::<_, Option<i64>>(12)?.map(KeyHash),
    })
}

pub(crate) fn list(
    connection: &Connection,
    subscription: i64,
    after: Seq,
    limit: i64,
) -> Result<Vec<DeadRow>> {
    read_all(connection, LIST, [subscription, after, limit], "list the dead letters", read)
}

pub(crate) fn find(
    connection: &Connection,
    subscription: i64,
    seq: Seq,
    id: MessageId,
) -> Result<Option<DeadRow>> {
    let place = params![subscription, seq, id.as_bytes()];
    read_one(connection, ONE, place, "read a dead letter", read)
}

/// Back to waiting, with failures at zero. Attempts stay: they fence late refusals.
pub(crate) fn redrive(
    connection: &Connection,
    subscription: i64,
    seq: Seq,
    id: MessageId,
    now_ms: i64,
) -> Result<bool> {
    let parameters = params![subscription, seq, id.as_bytes(), now_ms];
    Ok(run(connection, REDRIVE, parameters, "redrive a dead letter")? > 0)
}

/// Settles a dead letter without an effect, and notes that the consumer has not been told.
pub(crate) fn skip(
    connection: &Connection,
    subscription: i64,
    seq: Seq,
    id: MessageId,
    now_ms: i64,
) -> Result<bool> {
    let what = "skip a dead letter";
    let parameters = params![subscription, seq, id.as_bytes(), now_ms];
    if run(connection, SKIP, parameters, what)? == 0 {
        return Ok(false);
    }
    run(connection, NOTE_SKIP, parameters, what)?;
    run(connection, super::delivery::RETURN_BYTES, [subscription, seq], what)?;
    run(connection, PASSED, [subscription, seq], what)?;
    super::prune::settled_exception(connection, seq)?;
    Ok(true)
}

/// Makes dead letters of all that wait behind one for its key; says which.
pub(crate) fn bury_followers(
    connection: &Connection,
    subscription: i64,
    key: KeyHash,
    seq: Seq,
    now_ms: i64,
) -> Result<Vec<(Seq, MessageId)>> {
    let what = "drop what waits behind a dead letter";
    let followers =
        read_all(connection, FOLLOWERS, params![subscription, key.0, seq], what, |row| {
            Ok((row.get(0)?, MessageId::from_bytes(row.get(1)?)))
        })?;
    run(connection, BURY_FOLLOWERS, params![subscription, key.0, seq, now_ms], what)?;
    Ok(followers)
}

/// The content that takes a dead letter's place.
#[derive(Debug)]
pub(crate) struct Replacement<'a> {
    pub(crate) headers: Option<&'a str>,
    pub(crate) content_type: Option<&'a str>,
    pub(crate) checksum: Fingerprint,
    pub(crate) payload: &'a [u8],
}

/// Stores the next revision; says which it is.
pub(crate) fn replace(
    connection: &Connection,
    subscription: i64,
    (seq, id): (Seq, MessageId),
    content: &Replacement<'_>,
    now_ms: i64,
) -> Result<i64> {
    let what = "replace a dead letter";
    let revision: i64 =
        read_one(connection, REVISION, [subscription, seq], what, |row| row.get(0))?.unwrap_or(0);
    let revision = revision + 1;
    let Replacement { headers, content_type, checksum, payload } = content;
    let id = id.as_bytes();
    let parameters = params![
        subscription,
        seq,
        id,
        revision,
        headers,
        content_type,
        checksum.0,
        payload,
        now_ms
    ];
    run(connection, REPLACE, parameters, what)?;
    Ok(revision)
}

/// Forgets old notes of skips and replacements that have run their course. What the log still has
/// may be delivered again by a rewind, which needs them.
pub(crate) fn forget(connection: &Connection, before_ms: i64, limit: i64) -> Result<usize> {
    let what = "forget old skips and replacements";
    let skips = run(connection, FORGET_SKIPS, [before_ms, limit], what)?;
    Ok(skips + run(connection, FORGET_REPLACEMENTS, [before_ms, limit], what)?)
}

/// A skip: place, id, state, time.
pub(crate) type SkipRow = (Seq, MessageId, String, i64);
/// A replacement: place, id, revision, applied revision, time.
pub(crate) type ReplacementRow = (Seq, MessageId, i64, Option<i64>, i64);

pub(crate) fn skips(connection: &Connection, subscription: i64) -> Result<Vec<SkipRow>> {
    read_all(connection, SKIPS, [subscription], "list the skips", |row| {
        Ok((row.get(0)?, MessageId::from_bytes(row.get(1)?), row.get(2)?, row.get(3)?))
    })
}

pub(crate) fn replacements(
    connection: &Connection,
    subscription: i64,
) -> Result<Vec<ReplacementRow>> {
    read_all(connection, REPLACEMENTS, [subscription], "list the replacements", |row| {
        let id = MessageId::from_bytes(row.get(1)?);
        Ok((row.get(0)?, id, row.get(2)?, row.get(3)?, row.get(4)?))
    })
}
