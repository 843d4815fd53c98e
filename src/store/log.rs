//! The log of messages: appended by producers, read by relays, emptied when settled.

use super::{read_one, run};
use crate::error::Result;
use crate::id::{Fingerprint, MessageId, Seq, StoreId};
use crate::limits;
use crate::message::{Envelope, Parts, fingerprint};
use rusqlite::types::ValueRef;
use rusqlite::{Connection, Row, params};
use std::borrow::Cow;
use std::sync::Arc;

pub(super) const INSERT: &str = "INSERT INTO outbox_message \
    (id, topic, key, headers, content_type, created_at_ms, expires_at_ms, checksum, payload) \
    VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)";
pub(super) const SCHEDULE: &str = "INSERT INTO outbox_scheduled \
    (id, topic, key, headers, content_type, created_at_ms, expires_at_ms, checksum, payload, \
    due_at_ms) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)";
pub(super) const READ_AFTER: &str = "SELECT seq, version, id, topic, key, headers, content_type, \
    created_at_ms, expires_at_ms, checksum, payload FROM outbox_message \
    WHERE seq > ?1 ORDER BY seq LIMIT ?2";
pub(super) const READ_AT: &str = "SELECT seq, version, id, topic, key, headers, content_type, \
    created_at_ms, expires_at_ms, checksum, payload FROM outbox_message WHERE seq = ?1";
pub(super) const REPLACEMENT: &str = "SELECT revision, headers, content_type, checksum, payload \
    FROM outbox_replacement WHERE subscription = ?1 AND seq = ?2 AND id = ?3";
pub(super) const STORE: &str = "SELECT uuid, bounded FROM main.outbox_store WHERE one = 1";
pub(super) const ADOPT: &str = "UPDATE outbox_store SET uuid = ?1 WHERE one = 1";
pub(super) const NEXT_DUE: &str = "SELECT min(due_at_ms) FROM outbox_scheduled";
pub(super) const APPEND_DUE: &str = "INSERT INTO outbox_message \
    (id, topic, key, headers, content_type, created_at_ms, expires_at_ms, checksum, payload) \
    SELECT id, topic, key, headers, content_type, created_at_ms, expires_at_ms, checksum, payload \
    FROM outbox_scheduled WHERE number IN \
    (SELECT number FROM outbox_scheduled WHERE due_at_ms <= ?1 ORDER BY due_at_ms LIMIT ?2)";
pub(super) const DELETE_DUE: &str = "DELETE FROM outbox_scheduled WHERE number IN \
    (SELECT number FROM outbox_scheduled WHERE due_at_ms <= ?1 ORDER BY due_at_ms LIMIT ?2)";
pub(super) const IDEMPOTENT: &str =
    "SELECT id, fingerprint FROM outbox_idempotency WHERE key = ?1 AND expires_at_ms > ?2";
pub(super) const REMEMBER_KEY: &str = "INSERT OR REPLACE INTO outbox_idempotency \
    (key, id, fingerprint, expires_at_ms) VALUES (?1, ?2, ?3, ?4)";
pub(super) const FORGET_KEYS: &str = "DELETE FROM outbox_idempotency WHERE key IN \
    (SELECT key FROM outbox_idempotency WHERE expires_at_ms <= ?1 \
    ORDER BY expires_at_ms LIMIT ?2)";
pub(super) const LAST_SEQ: &str = "SELECT seq FROM sqlite_sequence WHERE name = 'outbox_message'";
pub(super) const PRUNED_TO: &str = "SELECT pruned_to FROM outbox_store WHERE one = 1";
pub(super) const SET_PRUNED_TO: &str = "UPDATE outbox_store SET pruned_to = ?1 WHERE one = 1";
pub(super) const PRUNE: &str = "DELETE FROM outbox_message WHERE seq > ?1 AND seq <= ?2 \
    AND NOT EXISTS (SELECT 1 FROM outbox_delivery \
    WHERE outbox_delivery.seq = outbox_message.seq AND state <> 'skipped')";
pub(super) const PRUNE_ONE: &str = "DELETE FROM outbox_message WHERE seq = ?1 \
    AND seq <= (SELECT pruned_to FROM outbox_store WHERE one = 1) AND NOT EXISTS \
    (SELECT 1 FROM outbox_delivery WHERE seq = ?1 AND state <> 'skipped')";
pub(super) const YOUNGER: &str = "SELECT min(seq) FROM (SELECT seq, created_at_ms \
    FROM outbox_message WHERE seq > ?1 AND seq <= ?2 ORDER BY seq) WHERE created_at_ms > ?3";

/// Whose database this is, and whether some subscription bounds it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Store {
    pub(crate) id: StoreId,
    pub(crate) bounded: bool,
}

/// A message as it is written: everything but its place.
#[derive(Debug)]
pub(crate) struct NewMessage<'a> {
    pub(crate) id: MessageId,
    pub(crate) created_at_ms: i64,
    pub(crate) expires_at_ms: Option<i64>,
    pub(crate) checksum: Fingerprint,
    pub(crate) parts: &'a Parts,
}

/// A message as the relay reads it.
#[derive(Debug)]
pub(crate) struct LogRow {
    pub(crate) seq: Seq,
    pub(crate) id: MessageId,
    pub(crate) created_at_ms: i64,
    pub(crate) expires_at_ms: Option<i64>,
    pub(crate) revision: i64,
    pub(crate) content: Content,
}

impl LogRow {
    /// The message as it stands in the log, before any attempt.
    pub(crate) fn into_envelope(self) -> Option<Envelope> {
        let Content::Whole(fingerprint, parts) = self.content else { return None };
        Some(Envelope {
            seq: self.seq,
            id: self.id,
            revision: self.revision,
            fingerprint,
            attempt: 0,
            after: 0,
            created_at_ms: self.created_at_ms,
            parts,
        })
    }
}

/// What a row holds, as far as this subscription is concerned.
#[derive(Debug)]
pub(crate) enum Content {
    /// Another subscription's topic.
    Filtered,
    /// Nobody can deliver it: why.
    Malformed(String),
    Whole(Fingerprint, Parts),
}

pub(crate) fn store(connection: &Connection) -> Result<Option<Store>> {
    read_one(connection, STORE, [], "read whose outbox this is", |row| {
        Ok(Store { id: StoreId::from_bytes(row.get(0)?), bounded: row.get(1)? })
    })
}

pub(crate) fn adopt_identity(connection: &Connection, id: StoreId) -> Result<()> {
    run(connection, ADOPT, [id.as_bytes()], "adopt a new identity").map(drop)
}

pub(crate) fn insert(connection: &Connection, new: &NewMessage<'_>) -> Result<Seq> {
    run(
        connection,
        INSERT,
        params![
            new.id.as_bytes(),
            &*new.parts.topic,
            new.parts.key,
            new.parts.headers,
            new.parts.content_type,
            new.created_at_ms,
            new.expires_at_ms,
            new.checksum.0,
            new.parts.payload,
        ],
        "enqueue a message",
    )?;
    Ok(connection.last_insert_rowid())
}

pub(crate) fn schedule(
    connection: &Connection,
    new: &NewMessage<'_>,
    due_at_ms: i64,
) -> Result<()> {
    run(
        connection,
        SCHEDULE,
        params![
            new.id.as_bytes(),
            &*new.parts.topic,
            new.parts.key,
            new.parts.headers,
            new.parts.content_type,
            new.created_at_ms,
            new.expires_at_ms,
            new.checksum.0,
            new.parts.payload,
            due_at_ms,
        ],
        "schedule a message",
    )?;
    Ok(())
}

/// When the next scheduled message is due, if there is one.
pub(crate) fn next_due(connection: &Connection) -> Result<Option<i64>> {
    let due = read_one(connection, NEXT_DUE, [], "look for due messages", |row| row.get(0))?;
    Ok(due.flatten())
}

/// Appends what is due to the log, at most `limit` messages; says how many.
pub(crate) fn append_due(connection: &Connection, now_ms: i64, limit: i64) -> Result<usize> {
    let what = "append due messages";
    let appended = run(connection, APPEND_DUE, [now_ms, limit], what)?;
    run(connection, DELETE_DUE, [now_ms, limit], what)?;
    Ok(appended)
}

/// The id and fingerprint an idempotency key was first used with.
pub(crate) fn idempotent(
    connection: &Connection,
    key: &str,
    now_ms: i64,
) -> Result<Option<(MessageId, Fingerprint)>> {
    read_one(connection, IDEMPOTENT, params![key, now_ms], "look up an idempotency key", |row| {
        Ok((MessageId::from_bytes(row.get(0)?), Fingerprint(row.get(1)?)))
    })
}

pub(crate) fn remember_key(
    connection: &Connection,
    key: &str,
    id: MessageId,
    fingerprint: Fingerprint,
    expires_at_ms: i64,
) -> Result<()> {
    let parameters = params![key, id.as_bytes(), fingerprint.0, expires_at_ms];
    run(connection, REMEMBER_KEY, parameters, "remember an idempotency key").map(drop)
}

pub(crate) fn forget_keys(connection: &Connection, now_ms: i64, limit: i64) -> Result<usize> {
    run(connection, FORGET_KEYS, [now_ms, limit], "forget idempotency keys")
}

/// The largest place ever given out, deleted ones included.
pub(crate) fn last_seq(connection: &Connection) -> Result<Seq> {
    let last = read_one(connection, LAST_SEQ, [], "read the end of the log", |row| row.get(0))?;
    Ok(last.unwrap_or(0))
}

/// Reads messages; knows whose they are, and shares the topics' texts among the rows.
#[derive(Debug)]
pub(crate) struct Reader {
    store: StoreId,
    topic: Arc<str>,
}

impl Reader {
    pub(crate) fn new(store: StoreId) -> Self {
        Self { store, topic: "".into() }
    }

    /// Reads the messages after a place, in order, until `limit` rows or `bytes` of payload are
    /// read, and says whether there may be more.
    pub(crate) fn read_after(
        &mut self,
        connection: &Connection,
        after: Seq,
        (limit, bytes): (usize, usize),
        wanted: &dyn Fn(&str) -> bool,
        rows: &mut Vec<LogRow>,
    ) -> Result<bool> {
        use super::Context;
        let what = "read the log";
        let mut statement = connection.prepare_cached(READ_AFTER).doing(what)?;
        let most = i64::try_from(limit).unwrap_or(i64::MAX);
        let mut found = statement.query([after, most]).doing(what)?;
        let (mut count, mut size) = (0, 0);
        while let Some(row) = found.next().doing(what)? {
            let row = self.read(row, wanted).doing(what)?;
            count += 1;
            if let Content::Whole(_, parts) = &row.content {
                size += parts.payload.len();
            }
            rows.push(row);
            if size >= bytes {
                return Ok(true);
            }
        }
        Ok(count == limit)
    }

    /// Reads the message at a place, with the content that replaced it for this subscription.
    pub(crate) fn read_at(
        &mut self,
        connection: &Connection,
        subscription: i64,
        seq: Seq,
    ) -> Result<Option<LogRow>> {
        let what = "read a message";
        let row = read_one(connection, READ_AT, [seq], what, |row| self.read(row, &|_| true))?;
        let Some(mut row) = row else { return Ok(None) };
        let place = params![subscription, seq, row.id.as_bytes()];
        let replacement = read_one(connection, REPLACEMENT, place, what, |found| {
            Ok((found.get(0)?, content(found, 1)?, Fingerprint(found.get(3)?)))
        })?;
        if let Some((revision, (headers, content_type, payload), checksum)) = replacement
            && let Content::Whole(_, parts) = row.content
        {
            let parts = Parts { headers, content_type, payload, ..parts };
            row.revision = revision;
            row.content = verified(row.id, parts, Some(checksum));
        }
        Ok(Some(row))
    }

    fn read(&mut self, row: &Row<'_>, wanted: &dyn Fn(&str) -> bool) -> rusqlite::Result<LogRow> {
        let seq = row.get(0)?;
        let created_at_ms = row.get_ref(7)?.as_i64().unwrap_or(0);
        let id = match row.get_ref(2)? {
            ValueRef::Blob(bytes) => bytes.try_into().map(MessageId::from_bytes).ok(),
            ValueRef::Null => Some(MessageId::derived(self.store, seq, created_at_ms)),
            _ => None,
        };
        let content = match id {
            None => Content::Malformed("the id is not 16 bytes long".into()),
            Some(id) => self.content(row, id, wanted)?,
        };
        Ok(LogRow {
            seq,
            id: id.unwrap_or_else(|| MessageId::derived(self.store, seq, created_at_ms)),
            created_at_ms,
            expires_at_ms: row.get_ref(8)?.as_i64().ok(),
            revision: 0,
            content,
        })
    }

    /// The payload comes last in the row and is not touched when the topic is not wanted.
    fn content(
        &mut self,
        row: &Row<'_>,
        id: MessageId,
        wanted: &dyn Fn(&str) -> bool,
    ) -> rusqlite::Result<Content> {
        let Ok(topic) = row.get_ref(3)?.as_str() else {
            return Ok(Content::Malformed("the topic is no text".into()));
        };
        if !wanted(topic) {
            return Ok(Content::Filtered);
        }
        let version = row.get_ref(1)?;
        if version != ValueRef::Integer(limits::ROW_VERSION) {
            let version = text(version).unwrap_or_default();
            return Ok(Content::Malformed(format!("the row has the unknown version {version}")));
        }
        if *self.topic != *topic {
            self.topic = topic.into();
        }
        let payload = match row.get_ref(10)? {
            ValueRef::Text(bytes) | ValueRef::Blob(bytes) => Cow::Borrowed(bytes),
            other => Cow::Owned(text(other).unwrap_or_default().into_bytes()),
        };
        let headers = row.get_ref(5)?.as_str_or_null().unwrap_or(Some("not text"));
        let key = row.get_ref(4)?;
        if let Some(problem) = problem(topic, key, headers, &payload) {
            return Ok(Content::Malformed(problem));
        }
        let parts = Parts {
            topic: Arc::clone(&self.topic),
            key: text(key),
            headers: headers.map(Into::into),
            content_type: text(row.get_ref(6)?),
            payload: payload.into_owned(),
        };
        Ok(verified(id, parts, row.get::<_, Option<i64>>(9).unwrap_or(Some(0)).map(Fingerprint)))
    }
}

/// Keys, content types and payloads that another program wrote as numbers are taken as their text.
fn text(value: ValueRef<'_>) -> Option<String> {
    match value {
        ValueRef::Text(bytes) => Some(String::from_utf8_lossy(bytes).into_owned()),
        ValueRef::Integer(number) => Some(number.to_string()),
        ValueRef::Real(number) => Some(number.to_string()),
        ValueRef::Null | ValueRef::Blob(_) => None,
    }
}

type Body = (Option<String>, Option<String>, Vec<u8>);

fn content(row: &Row<'_>, first: usize) -> rusqlite::Result<Body> {
    Ok((row.get(first)?, row.get(first + 1)?, row.get(first + 3)?))
}

fn verified(id: MessageId, parts: Parts, checksum: Option<Fingerprint>) -> Content {
    let fingerprint = fingerprint(id, &parts);
    match checksum {
        Some(written) if written != fingerprint => {
            Content::Malformed("the content does not match its checksum".into())
        }
        _ => Content::Whole(fingerprint, parts),
    }
}

/// What a message that another program wrote must not be.
fn problem(
    topic: &str,
    key: ValueRef<'_>,
    headers: Option<&str>,
    payload: &[u8],
) -> Option<String> {
    let object = |text: &str| {
        serde_json::from_str::<serde_json::Map<String, serde_json::Value>>(text).is_ok()
    };
    let key_bytes = if let ValueRef::Text(key) = key { key.len() } else { 0 };
    let sizes = [
        ("topic", topic.len(), limits::TOPIC_BYTES),
        ("key", key_bytes, limits::KEY_BYTES),
        ("headers", headers.unwrap_or_default().len(), limits::HEADER_BYTES),
        ("payload", payload.len(), limits::PAYLOAD_BYTES),
    ];
    if let Some((what, value, limit)) = sizes.into_iter().find(|(_, value, limit)| value > limit) {
        return Some(format!("the {what} has {value} bytes, more than the limit of {limit}"));
    }
    if matches!(key, ValueRef::Blob(_)) {
        return Some("the key is no text".into());
    }
    headers.filter(|text| !object(text)).map(|_| "the headers are no JSON object".into())
}

/// Up to where the log has been emptied.
pub(crate) fn pruned_to(connection: &Connection) -> Result<Seq> {
    Ok(read_one(connection, PRUNED_TO, [], "read how far the log is pruned", |row| row.get(0))?
        .unwrap_or(0))
}

/// Deletes the settled messages of `(after, through]`; rows that some subscription still has as an
/// exception stay.
pub(crate) fn prune(connection: &Connection, after: Seq, through: Seq) -> Result<usize> {
    let what = "prune the log";
    let deleted = run(connection, PRUNE, [after, through], what)?;
    run(connection, SET_PRUNED_TO, [through], what)?;
    Ok(deleted)
}

/// Deletes one message that was an exception until now, if the log has been emptied past it and no
/// other subscription has it as an exception still.
pub(crate) fn prune_settled(connection: &Connection, seq: Seq) -> Result<()> {
    run(connection, PRUNE_ONE, [seq], "prune a settled exception").map(drop)
}

/// The first message of `(after, through]` that is younger than `oldest_kept_ms`.
pub(crate) fn first_younger(
    connection: &Connection,
    after: Seq,
    through: Seq,
    oldest_kept_ms: i64,
) -> Result<Option<Seq>> {
    let parameters = [after, through, oldest_kept_ms];
    Ok(read_one(connection, YOUNGER, parameters, "find what to keep", |row| row.get(0))?.flatten())
}
