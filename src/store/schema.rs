//! The schema and its version, in tables of our own: `user_version` belongs to the host.

use super::{Context, write};
use crate::database::Database;
use crate::error::{Error, ErrorKind, Result};
use rusqlite::{Connection, OptionalExtension};

/// A part of the crate, with its own tables; all may live in one database.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Component {
    Outbox,
    Inbox,
    #[cfg(feature = "http-server")]
    Idempotency,
}

impl Component {
    const fn name(self) -> &'static str {
        match self {
            Self::Outbox => "outbox",
            Self::Inbox => "inbox",
            #[cfg(feature = "http-server")]
            Self::Idempotency => "idempotency",
        }
    }

    /// One text a version; version n is what the first n leave behind.
    fn migrations(self) -> &'static [&'static str] {
        mistake!(SchemaToCome: return super::mistakes::schema_to_come(self));
        match self {
            Self::Outbox => &[include_str!("../../migrations/outbox/0001.sql")],
            Self::Inbox => &[
                include_str!("../../migrations/inbox/0001.sql"),
                include_str!("../../migrations/inbox/0002.sql"),
            ],
            #[cfg(feature = "http-server")]
            Self::Idempotency => &[include_str!("../../migrations/idempotency/0001.sql")],
        }
    }

    const fn read(self) -> &'static str {
        match self {
            Self::Outbox => "SELECT version FROM outbox_schema",
            Self::Inbox => "SELECT version FROM inbox_schema",
            #[cfg(feature = "http-server")]
            Self::Idempotency => "SELECT version FROM idempotency_schema",
        }
    }

    const fn create(self) -> &'static str {
        match self {
            Self::Outbox => "CREATE TABLE IF NOT EXISTS outbox_schema (version INTEGER NOT NULL)",
            Self::Inbox => "CREATE TABLE IF NOT EXISTS inbox_schema (version INTEGER NOT NULL)",
            #[cfg(feature = "http-server")]
            Self::Idempotency => {
                "CREATE TABLE IF NOT EXISTS idempotency_schema (version INTEGER NOT NULL)"
            }
        }
    }

    const fn record(self) -> [&'static str; 2] {
        match self {
            Self::Outbox => {
                ["DELETE FROM outbox_schema", "INSERT INTO outbox_schema (version) VALUES (?1)"]
            }
            Self::Inbox => {
                ["DELETE FROM inbox_schema", "INSERT INTO inbox_schema (version) VALUES (?1)"]
            }
            #[cfg(feature = "http-server")]
            Self::Idempotency => [
                "DELETE FROM idempotency_schema",
                "INSERT INTO idempotency_schema (version) VALUES (?1)",
            ],
        }
    }
}

/// The version the file has; 0 when it has none of ours. A newer one than ours is refused.
pub(crate) fn version(connection: &Connection, component: Component) -> Result<usize> {
    let what = "read the schema version";
    let table = format!("{}_schema", component.name());
    let known: Option<i64> = connection
        .query_row(
            "SELECT 1 FROM sqlite_schema WHERE type = 'table' AND name = ?1",
            [table],
            |row| row.get(0),
        )
        .optional()
        .doing(what)?;
    if known.is_none() {
        return Ok(0);
    }
    let found: Option<i64> =
        connection.query_row(component.read(), [], |row| row.get(0)).optional().doing(what)?;
    let found = usize::try_from(found.unwrap_or(0)).unwrap_or(0);
    let ours = component.migrations().len();
    if found <= ours {
        return Ok(found);
    }
    Err(Error::new(
        ErrorKind::SchemaTooNew,
        format!("the {} has schema {found}, and this build knows {ours}", component.name()),
        "the file was left untouched; use the version of surehand that wrote it, or a newer one",
    ))
}

/// Brings the schema up to date, in one transaction.
pub(crate) fn migrate(
    connection: &mut Connection,
    component: Component,
    found: usize,
    database: &Database,
) -> Result<()> {
    if found == component.migrations().len() {
        return Ok(());
    }
    let store: [u8; 16] = database.random();
    write(connection, "bring the schema up to date", |transaction| {
        let what = "bring the schema up to date";
        // Another process may have been faster: look again under the write lock.
        let found = version(transaction, component)?;
        transaction.execute_batch(component.create()).doing(what)?;
        for migration in &component.migrations()[found..] {
            transaction.execute_batch(migration).doing(what)?;
        }
        if found == 0 {
            let id = uuid::Builder::from_random_bytes(store).into_uuid();
            match component {
                Component::Outbox => transaction
                    .execute("INSERT INTO outbox_store (one, uuid) VALUES (1, ?1)", [id.as_bytes()])
                    .doing(what)?,
                Component::Inbox => transaction
                    .execute("INSERT INTO inbox_store (one) VALUES (1)", [])
                    .doing(what)?,
                #[cfg(feature = "http-server")]
                Component::Idempotency => {
                    let sql = "INSERT INTO idempotency_store (one, uuid) VALUES (1, ?1)";
                    transaction.execute(sql, [id.as_bytes()]).doing(what)?
                }
            };
        }
        let [forget, record] = component.record();
        transaction.execute(forget, []).doing(what)?;
        let now = i64::try_from(component.migrations().len()).unwrap_or(i64::MAX);
        transaction.execute(record, [now]).doing(what)?;
        Ok(())
    })
}
