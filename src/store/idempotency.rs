//! What requests with an idempotency key were answered: one row for each key of a tenant.

use super::{read_one, run};
use crate::error::Result;
use crate::id::StoreId;
use rusqlite::{Connection, params};

// What runs on a connection of the host's says `main`: a temporary table hides one of that name.
pub(super) const OPENED: &str =
    "UPDATE idempotency_store SET openings = openings + 1 WHERE one = 1";
pub(super) const STORE: &str = "SELECT uuid FROM main.idempotency_store WHERE one = 1";
pub(super) const FIND: &str = "SELECT fingerprint, status, headers, body \
    FROM main.idempotency_response WHERE tenant = ?1 AND key = ?2 AND created_at_ms > ?3";
/// The first one wins, unless it is too old.
pub(super) const REMEMBER: &str = "INSERT INTO main.idempotency_response \
    (tenant, key, fingerprint, status, headers, body, created_at_ms) \
    VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7) ON CONFLICT (tenant, key) DO UPDATE SET \
    fingerprint = excluded.fingerprint, status = excluded.status, headers = excluded.headers, \
    body = excluded.body, created_at_ms = excluded.created_at_ms WHERE created_at_ms <= ?8";
pub(super) const FORGET: &str = "DELETE FROM main.idempotency_response WHERE rowid IN \
    (SELECT rowid FROM main.idempotency_response WHERE created_at_ms <= ?1 \
    ORDER BY created_at_ms LIMIT 16)";

/// Whose answer it is.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Place<'a> {
    pub(crate) tenant: &'a str,
    pub(crate) key: &'a str,
}

/// An answer as it is stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ResponseRow {
    pub(crate) fingerprint: [u8; 32],
    pub(crate) status: u16,
    pub(crate) headers: Vec<u8>,
    pub(crate) body: Vec<u8>,
}

/// The durable write of every opening: WAL recovery does not sync what it finds, this commit does.
pub(crate) fn opened(connection: &Connection) -> Result<()> {
    run(connection, OPENED, [], "open the answers to idempotency keys").map(drop)
}

/// Which store this is, if there is one.
pub(crate) fn store(connection: &Connection) -> Result<Option<StoreId>> {
    read_one(connection, STORE, [], "read whose answers these are", |row| {
        row.get(0).map(StoreId::from_bytes)
    })
}

/// The answer of that place, if it is younger than that.
pub(crate) fn find(
    connection: &Connection,
    place: Place<'_>,
    older_ms: i64,
) -> Result<Option<ResponseRow>> {
    let parameters = params![place.tenant, place.key, older_ms];
    read_one(connection, FIND, parameters, "look for an answer", |row| {
        Ok(ResponseRow {
            fingerprint: row.get(0)?,
            status: row.get(1)?,
            headers: row.get(2)?,
            body: row.get(3)?,
        })
    })
}

/// Keeps an answer, and forgets a slice of those that are too old; says whether it is kept. It is
/// not where another one is that is young enough.
pub(crate) fn remember(
    connection: &Connection,
    place: Place<'_>,
    row: &ResponseRow,
    (now_ms, older_ms): (i64, i64),
) -> Result<bool> {
    run(connection, FORGET, [older_ms], "forget old answers")?;
    let ResponseRow { fingerprint, status, headers, body } = row;
    let Place { tenant, key } = place;
    let parameters = params![tenant, key, fingerprint, status, headers, body, now_ms, older_ms];
    Ok(run(connection, REMEMBER, parameters, "remember an answer")? > 0)
}
