//! The SQL of mistakes that are made on purpose. For tests.

use super::schema::Component;
use super::{Context, run};
use crate::error::Result;
use rusqlite::{Connection, DropBehavior, Transaction};

/// Sets `synchronous` of a connection lower than it must be.
pub(crate) fn be_careless(connection: &Connection) -> Result<()> {
    run(connection, "PRAGMA synchronous = NORMAL", [], "be careless").map(drop)
}

/// Sets it back.
pub(crate) fn be_careful(connection: &Connection) -> Result<()> {
    run(connection, "PRAGMA synchronous = EXTRA", [], "be careful").map(drop)
}

/// Asks for WAL, and leaves when it has the answer.
pub(crate) fn ask_for_wal(connection: &Connection) -> Result<()> {
    let what = "switch to WAL";
    connection.query_row("PRAGMA journal_mode = wal", [], |_| Ok(())).doing(what)
}

/// The schema of a component as it may be one version later: a column more, and every row of the
/// table that changes most written anew.
pub(crate) const fn schema_to_come(component: Component) -> &'static [&'static str] {
    match component {
        Component::Outbox => &[
            include_str!("../../migrations/outbox/0001.sql"),
            "ALTER TABLE outbox_delivery ADD COLUMN note TEXT;
             CREATE TABLE outbox_moved AS SELECT * FROM outbox_delivery;
             DELETE FROM outbox_delivery;
             INSERT INTO outbox_delivery SELECT * FROM outbox_moved;
             DROP TABLE outbox_moved;",
        ],
        Component::Inbox => &[
            include_str!("../../migrations/inbox/0001.sql"),
            include_str!("../../migrations/inbox/0002.sql"),
            "ALTER TABLE inbox_seen ADD COLUMN note TEXT;
             CREATE TABLE inbox_moved AS SELECT * FROM inbox_seen;
             DELETE FROM inbox_seen;
             INSERT INTO inbox_seen SELECT * FROM inbox_moved;
             DROP TABLE inbox_moved;",
        ],
        #[cfg(feature = "http-server")]
        Component::Idempotency => &[include_str!("../../migrations/idempotency/0001.sql")],
    }
}

/// Ends the transaction, and begins another.
pub(crate) fn tear(connection: &Connection) -> Result<()> {
    super::transaction::commit(connection)?;
    super::transaction::begin(connection)
}

/// Forgets what was applied.
pub(crate) fn forget_seen(connection: &Connection, source: i64) -> Result<()> {
    run(connection, "DELETE FROM inbox_seen WHERE source = ?1", [source], "forget").map(drop)
}

/// Empties the log of exceptions as well.
pub(crate) fn prune_all(connection: &Connection, after: i64, through: i64) -> Result<()> {
    let sql = "DELETE FROM outbox_message WHERE seq > ?1 AND seq <= ?2";
    run(connection, sql, [after, through], "prune too much").map(drop)
}

/// Neither commits nor rolls back.
pub(crate) fn leave_open(mut transaction: Transaction<'_>) -> Result<()> {
    transaction.set_drop_behavior(DropBehavior::Ignore);
    Ok(())
}

/// Commits what was left open by who said that it is committed.
pub(crate) fn commit_late(connection: &Connection) -> Result<()> {
    if connection.is_autocommit() { Ok(()) } else { super::transaction::commit(connection) }
}
