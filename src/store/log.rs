//! The log of messages: appended by producers, read by relays, emptied when settled.

use super::{Context, dead, delivery, read_all, read_one, run, subscription};
use crate::error::Result;
use crate::id::{Fingerprint, MessageId, Seq, StoreId};
use crate::message::Parts;
use rusqlite::{CachedStatement, Connection, ToSql, params};
use std::sync::LazyLock;

pub(crate) use super::row::{Content, LogRow, Reader};

// What runs on a connection of the host's says `main`: a temporary table hides one of that name.
pub(super) const INSERT: &str = "INSERT INTO main.outbox_message \
    (id, topic, key, headers, content_type, created_at_ms, expires_at_ms, checksum, payload) \
    VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)";
/// The same, if this is the database of that store and nobody bounds it: one statement asks and
/// writes. If not there is no topic, and without a topic there is no row. (An INSERT with a SELECT
/// would cost twice as much: it might be many rows, and SQLite gets ready to undo them.)
pub(super) const INSERT_HERE: &str = "INSERT INTO main.outbox_message \
    (id, topic, key, headers, content_type, created_at_ms, expires_at_ms, checksum, payload) \
    VALUES (?1, (SELECT ?2 FROM main.outbox_store WHERE one = 1 AND uuid = ?10 AND bounded = 0), \
    ?3, ?4, ?5, ?6, ?7, ?8, ?9)";
/// Messages that are appended by one statement, if there are so many.
const ROWS: usize = 16;
const COLUMNS: usize = 9;
static INSERT_MANY: LazyLock<String> = LazyLock::new(|| {
    let row = |index: usize| {
        let places: Vec<_> =
            (1..=COLUMNS).map(|column| format!("?{}", COLUMNS * index + column)).collect();
        format!(", ({})", places.join(", "))
    };
    (1..ROWS).fold(INSERT.to_owned(), |sql, index| sql + &row(index))
});
pub(super) const SCHEDULE: &str = "INSERT INTO main.outbox_scheduled \
    (id, topic, key, headers, content_type, created_at_ms, expires_at_ms, checksum, payload, \
    due_at_ms) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)";
pub(super) const STORE: &str = "SELECT uuid, bounded FROM main.outbox_store WHERE one = 1";
pub(super) const ADOPT: &str = "UPDATE outbox_store SET uuid = ?1 WHERE one = 1";
pub(super) const KEEP_ID: &str = "UPDATE outbox_message SET id = ?2 WHERE seq = ?1 AND id IS NULL";
pub(super) const NEXT_DUE: &str = "SELECT min(due_at_ms) FROM outbox_scheduled";
pub(super) const DUE: &str = "SELECT octet_length(payload) FROM outbox_scheduled \
    WHERE due_at_ms <= ?1 ORDER BY due_at_ms LIMIT ?2";
pub(super) const APPEND_DUE: &str = "INSERT INTO outbox_message \
    (version, id, topic, key, headers, content_type, created_at_ms, expires_at_ms, checksum, \
    due_at_ms, payload) SELECT version, id, topic, key, headers, content_type, created_at_ms, \
    expires_at_ms, checksum, due_at_ms, payload FROM outbox_scheduled WHERE number IN \
    (SELECT number FROM outbox_scheduled WHERE due_at_ms <= ?1 ORDER BY due_at_ms LIMIT ?2)";
pub(super) const DELETE_DUE: &str = "DELETE FROM outbox_scheduled WHERE number IN \
    (SELECT number FROM outbox_scheduled WHERE due_at_ms <= ?1 ORDER BY due_at_ms LIMIT ?2)";
pub(super) const IDEMPOTENT: &str =
    "SELECT id, fingerprint FROM main.outbox_idempotency WHERE key = ?1 AND expires_at_ms > ?2";
pub(super) const REMEMBER_KEY: &str = "INSERT OR REPLACE INTO main.outbox_idempotency \
    (key, id, fingerprint, expires_at_ms) VALUES (?1, ?2, ?3, ?4)";
pub(super) const FORGET_KEYS: &str = "DELETE FROM outbox_idempotency WHERE key IN \
    (SELECT key FROM outbox_idempotency WHERE expires_at_ms <= ?1 \
    ORDER BY expires_at_ms LIMIT ?2)";
pub(super) const LAST_SEQ: &str =
    "SELECT seq FROM main.sqlite_sequence WHERE name = 'outbox_message'";

/// Whose database this is, and whether some subscription bounds it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Store {
    pub(crate) id: StoreId,
    pub(crate) bounded: bool,
}

/// A message as it is written: everything but its place.
#[derive(Debug)]
pub(crate) struct NewMessage {
    pub(crate) id: MessageId,
    pub(crate) created_at_ms: i64,
    pub(crate) expires_at_ms: Option<i64>,
    pub(crate) checksum: Fingerprint,
    pub(crate) parts: Parts,
}

pub(crate) fn store(connection: &Connection) -> Result<Option<Store>> {
    read_one(connection, STORE, [], "read whose outbox this is", |row| {
        Ok(Store { id: StoreId::from_bytes(row.get(0)?), bounded: row.get(1)? })
    })
}

pub(crate) fn adopt_identity(connection: &Connection, id: StoreId) -> Result<()> {
    keep_ids(connection)?;
    run(connection, ADOPT, [id.as_bytes()], "adopt a new identity").map(drop)
}

/// A message without an id has one that is made of the store's. What is noted of it is noted under
/// that: it gets it for good, which is the only update of the log there is.
fn keep_ids(connection: &Connection) -> Result<()> {
    for subscription in subscription::all(connection)? {
        let number = subscription.number;
        let exceptions =
            delivery::all(connection, number)?.into_iter().map(|row| (row.seq, row.id));
        let skips = dead::skips(connection, number)?.into_iter().map(|(seq, id, ..)| (seq, id));
        let replacements = dead::replacements(connection, number)?;
        let replacements = replacements.into_iter().map(|(seq, id, ..)| (seq, id));
        for (seq, id) in exceptions.chain(skips).chain(replacements) {
            run(connection, KEEP_ID, params![seq, id.as_bytes()], "keep the id of a message")?;
        }
    }
    Ok(())
}

/// Appends messages to the log, many to a statement: what was added is written by
/// [`flush`](Self::flush) at the latest.
pub(crate) struct Appender<'a> {
    connection: &'a Connection,
    waiting: Vec<NewMessage>,
}

impl<'a> Appender<'a> {
    pub(crate) fn new(connection: &'a Connection) -> Self {
        Self { connection, waiting: Vec::new() }
    }

    pub(crate) fn add(&mut self, new: NewMessage) -> Result<()> {
        self.waiting.push(new);
        if self.waiting.len() < ROWS { Ok(()) } else { self.append(&INSERT_MANY, ROWS) }
    }

    pub(crate) fn flush(&mut self) -> Result<()> {
        self.append(INSERT, 1)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    /// What is not written yet stays unwritten.
    pub(crate) fn forget(&mut self) {
        self.waiting.clear();
    }

    fn append(&mut self, sql: &str, rows: usize) -> Result<()> {
        if self.waiting.is_empty() {
            return Ok(());
        }
        let what = "enqueue a message";
        let mut statement = self.connection.prepare_cached(sql).doing(what)?;
        for rows in self.waiting.chunks(rows) {
            for (index, new) in rows.iter().enumerate() {
                bind(&mut statement, COLUMNS * index + 1, new).doing(what)?;
            }
            statement.raw_execute().doing(what)?;
            statement.clear_bindings();
        }
        self.waiting.clear();
        Ok(())
    }
}

/// Appends a message if this is the database of that store and nobody bounds it; says whether.
pub(crate) fn insert_here(
    connection: &Connection,
    store: StoreId,
    new: &NewMessage,
) -> Result<bool> {
    let what = "enqueue a message";
    let mut statement = connection.prepare_cached(INSERT_HERE).doing(what)?;
    bind(&mut statement, 1, new).doing(what)?;
    statement.raw_bind_parameter(COLUMNS + 1, store.as_bytes()).doing(what)?;
    match statement.raw_execute().doing(what) {
        Err(error) if error.is_violation() => Ok(false),
        executed => executed.map(|_| true),
    }
}

/// Binds what there is: a statement out of the cache has nothing bound yet, which is NULL.
fn bind(
    statement: &mut CachedStatement<'_>,
    first: usize,
    new: &NewMessage,
) -> rusqlite::Result<()> {
    let Parts { topic, key, headers, content_type, payload } = &new.parts;
    statement.raw_bind_parameter(first, new.id.as_bytes())?;
    statement.raw_bind_parameter(first + 1, &**topic)?;
    bind_some(statement, first + 2, key.as_ref())?;
    bind_some(statement, first + 3, headers.as_ref())?;
    bind_some(statement, first + 4, content_type.as_ref())?;
    statement.raw_bind_parameter(first + 5, new.created_at_ms)?;
    bind_some(statement, first + 6, new.expires_at_ms)?;
    statement.raw_bind_parameter(first + 7, new.checksum.0)?;
    statement.raw_bind_parameter(first + 8, payload)
}

fn bind_some(
    statement: &mut CachedStatement<'_>,
    place: usize,
    value: Option<impl ToSql>,
) -> rusqlite::Result<()> {
    value.map_or(Ok(()), |value| statement.raw_bind_parameter(place, value))
}

pub(crate) fn schedule(connection: &Connection, new: &NewMessage, due_at_ms: i64) -> Result<()> {
    let what = "schedule a message";
    let mut statement = connection.prepare_cached(SCHEDULE).doing(what)?;
    bind(&mut statement, 1, new).doing(what)?;
    statement.raw_bind_parameter(COLUMNS + 1, due_at_ms).doing(what)?;
    statement.raw_execute().doing(what).map(drop)
}

/// When the next scheduled message is due, if there is one: 1970 at the earliest.
pub(crate) fn next_due(connection: &Connection) -> Result<Option<i64>> {
    let due = read_one(connection, NEXT_DUE, [], "look for due messages", |row| {
        Ok(super::whole(row.get_ref(0)?))
    })?;
    Ok(due.flatten().map(|due| due.max(0)))
}

/// Appends what is due to the log, at most `limit` messages and no further one when `bytes` of
/// payload are exceeded; says how many.
pub(crate) fn append_due(
    connection: &Connection,
    now_ms: i64,
    (limit, bytes): (i64, i64),
) -> Result<usize> {
    let what = "append due messages";
    let sizes = read_all(connection, DUE, [now_ms, limit], what, |row| {
        Ok(row.get::<_, Option<i64>>(0)?.unwrap_or(0))
    })?;
    let mut size = 0;
    let fitting = sizes.into_iter().take_while(|next| {
        let fits = size < bytes;
        size += next;
        fits
    });
    let limit = i64::try_from(fitting.count()).unwrap_or(limit);
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

#[cfg(test)]
mod tests;
