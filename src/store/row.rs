//! A row of the log as the relay reads it: another program may have written anything into it.
//!
//! Columns have an affinity, not a type: a text may stand where a number belongs. What nobody can
//! deliver is told apart with its reason, and is never an error of the reading.

use super::{Context, read_all, read_one, whole};
use crate::error::Result;
use crate::id::{Fingerprint, MessageId, Seq, StoreId};
use crate::limits;
use crate::message::{Envelope, Parts, fingerprint};
use rusqlite::types::ValueRef;
use rusqlite::{Connection, Row, params};
use std::borrow::Cow;
use std::sync::Arc;

pub(super) const READ_AFTER: &str = "SELECT seq, version, id, topic, key, headers, content_type, \
    created_at_ms, expires_at_ms, checksum, payload FROM main.outbox_message \
    WHERE seq > ?1 ORDER BY seq LIMIT ?2";
pub(super) const READ_AT: &str = "SELECT seq, version, id, topic, key, headers, content_type, \
    created_at_ms, expires_at_ms, checksum, payload FROM outbox_message WHERE seq = ?1";
pub(super) const REPLACEMENT: &str = "SELECT revision, headers, content_type, checksum, payload \
    FROM outbox_replacement WHERE subscription = ?1 AND seq = ?2 AND id = ?3";
pub(super) const REPLACED: &str = "SELECT seq FROM outbox_replacement \
    WHERE subscription = ?1 AND seq >= ?2 AND seq <= ?3 ORDER BY seq";

/// A message as the relay reads it.
#[derive(Clone, Debug)]
pub(crate) struct LogRow {
    pub(crate) seq: Seq,
    pub(crate) id: MessageId,
    pub(crate) created_at_ms: i64,
    pub(crate) expires_at_ms: Option<i64>,
    pub(crate) revision: i64,
    pub(crate) content: Content,
}

impl LogRow {
    /// How long the payload is, if it is to be delivered.
    pub(crate) fn bytes(&self) -> u32 {
        match &self.content {
            Content::Whole(_, parts) => u32::try_from(parts.payload.len()).unwrap_or(u32::MAX),
            Content::Filtered | Content::Malformed(_) => 0,
        }
    }

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
#[derive(Clone, Debug)]
pub(crate) enum Content {
    /// Another subscription's topic.
    Filtered,
    /// Nobody can deliver it: why.
    Malformed(String),
    Whole(Fingerprint, Parts),
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
        let what = "read the log";
        let mut statement = connection.prepare_cached(READ_AFTER).doing(what)?;
        let most = i64::try_from(limit).unwrap_or(i64::MAX);
        let mut found = statement.query([after, most]).doing(what)?;
        let (mut count, mut size) = (0, 0);
        while let Some(row) = found.next().doing(what)? {
            let row = self.read(row, wanted).doing(what)?;
            count += 1;
            size += row.bytes() as usize;
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
        row.map(|row| Self::replaced(connection, subscription, row)).transpose()
    }

    /// Gives those of these messages that were replaced for this subscription their content.
    pub(crate) fn replace(
        connection: &Connection,
        subscription: i64,
        rows: &mut [LogRow],
    ) -> Result<()> {
        let (Some(first), Some(last)) = (rows.first(), rows.last()) else { return Ok(()) };
        let between = [subscription, first.seq, last.seq];
        let what = "find what was replaced";
        let found: Vec<Seq> = read_all(connection, REPLACED, between, what, |row| row.get(0))?;
        for seq in found {
            if let Ok(index) = rows.binary_search_by_key(&seq, |row| row.seq) {
                let row = rows[index].clone();
                rows[index] = Self::replaced(connection, subscription, row)?;
            }
        }
        Ok(())
    }

    fn replaced(connection: &Connection, subscription: i64, mut row: LogRow) -> Result<LogRow> {
        let what = "read a replacement";
        let place = params![subscription, row.seq, row.id.as_bytes()];
        let replacement = read_one(connection, REPLACEMENT, place, what, |found| {
            Ok((found.get(0)?, content(found, 1)?, Fingerprint(found.get(3)?)))
        })?;
        if let Some((revision, (headers, content_type, payload), checksum)) = replacement
            && let Content::Whole(_, parts) = &row.content
        {
            let parts = Parts { headers, content_type, payload, ..parts.clone() };
            row.revision = revision;
            row.content = verified(row.id, parts, Some(checksum));
        }
        Ok(row)
    }

    fn read(&mut self, row: &Row<'_>, wanted: &dyn Fn(&str) -> bool) -> rusqlite::Result<LogRow> {
        let seq = row.get(0)?;
        let (created, expires) = (row.get_ref(7)?, row.get_ref(8)?);
        let created_at_ms = whole(created).unwrap_or(0);
        let derived = || MessageId::derived(self.store, seq, created_at_ms);
        let id = match row.get_ref(2)? {
            ValueRef::Null => Some(derived()),
            ValueRef::Blob(bytes) => bytes.try_into().map(MessageId::from_bytes).ok(),
            _ => None,
        };
        Ok(LogRow {
            seq,
            id: id.unwrap_or_else(derived),
            created_at_ms,
            expires_at_ms: whole(expires),
            revision: 0,
            content: self
                .content(row, id, (created, expires), wanted)
                .unwrap_or_else(Content::Malformed),
        })
    }

    /// The content, or why nobody can deliver it. The payload comes last in the row and is not
    /// touched when the topic is not wanted.
    fn content(
        &mut self,
        row: &Row<'_>,
        id: Option<MessageId>,
        times: (ValueRef<'_>, ValueRef<'_>),
        wanted: &dyn Fn(&str) -> bool,
    ) -> Result<Content, String> {
        let topic = row.get_ref_unwrap(3).as_str().map_err(|_| "the topic is no text")?;
        if !wanted(topic) {
            return Ok(Content::Filtered);
        }
        let id = id.ok_or("the id is not 16 bytes long")?;
        check_numbers(row.get_ref_unwrap(1), times)?;
        if *self.topic != *topic {
            self.topic = topic.into();
        }
        let parts = parts(row, Arc::clone(&self.topic))?;
        let checksum = match row.get_ref_unwrap(9) {
            ValueRef::Null => None,
            written => Some(Fingerprint(written.as_i64().unwrap_or(0))),
        };
        Ok(verified(id, parts, checksum))
    }
}

fn check_numbers(
    version: ValueRef<'_>,
    (created, expires): (ValueRef<'_>, ValueRef<'_>),
) -> Result<(), String> {
    if version != ValueRef::Integer(limits::ROW_VERSION) {
        let version = version.as_i64().map_or("no number".into(), |version| version.to_string());
        return Err(format!("the row has the unknown version {version}"));
    }
    if whole(created).is_none() {
        return Err("created_at_ms is no number".into());
    }
    if whole(expires).is_none() && expires != ValueRef::Null {
        return Err("expires_at_ms is no number".into());
    }
    Ok(())
}

fn parts(row: &Row<'_>, topic: Arc<str>) -> Result<Parts, String> {
    let text = |column: usize, what: &str| {
        let text = row.get_ref_unwrap(column).as_str_or_null();
        text.map_err(|_| format!("the {what} no text"))
    };
    let (key, headers) = (text(4, "key is")?, text(5, "headers are")?);
    let content_type = text(6, "content type is")?;
    let payload = bytes(row.get_ref_unwrap(10));
    let size = |text: Option<&str>| text.unwrap_or_default().len();
    let sizes = [
        ("topic", topic.len(), limits::TOPIC_BYTES),
        ("key", size(key), limits::KEY_BYTES),
        ("headers", size(headers), limits::HEADER_BYTES),
        ("content type", size(content_type), limits::CONTENT_TYPE_BYTES),
        ("payload", payload.len(), limits::PAYLOAD_BYTES),
    ];
    if let Some((what, value, limit)) = sizes.into_iter().find(|(_, value, limit)| value > limit) {
        return Err(format!("the {what} has {value} bytes, more than the limit of {limit}"));
    }
    if topic.is_empty() {
        return Err("the topic is empty".into());
    }
    if headers.is_some_and(|text| !is_object(text)) {
        return Err("the headers are no JSON object".into());
    }
    let [key, headers, content_type] =
        [key, headers, content_type].map(|text| text.map(str::to_owned));
    Ok(Parts { topic, key, headers, content_type, payload: payload.into_owned() })
}

/// A payload; one that was written as a number is its text.
fn bytes(value: ValueRef<'_>) -> Cow<'_, [u8]> {
    match value {
        ValueRef::Text(bytes) | ValueRef::Blob(bytes) => Cow::Borrowed(bytes),
        ValueRef::Integer(number) => Cow::Owned(number.to_string().into_bytes()),
        ValueRef::Real(number) => Cow::Owned(number.to_string().into_bytes()),
        ValueRef::Null => Cow::Borrowed(&[]),
    }
}

fn is_object(text: &str) -> bool {
    serde_json::from_str::<serde_json::Map<String, serde_json::Value>>(text).is_ok()
}

type Body = (Option<String>, Option<String>, Vec<u8>);

fn content(row: &Row<'_>, first: usize) -> rusqlite::Result<Body> {
    Ok((row.get(first)?, row.get(first + 1)?, row.get(first + 3)?))
}

fn verified(id: MessageId, parts: Parts, checksum: Option<Fingerprint>) -> Content {
    let fingerprint = fingerprint(id, &parts);
    match checksum {
        Some(written) if written != fingerprint && !mistake!(ChecksumUnchecked) => {
            Content::Malformed("the content does not match its checksum".into())
        }
        _ => Content::Whole(fingerprint, parts),
    }
}
