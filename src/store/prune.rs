//! How the log is emptied: of what every subscription has settled, but for somebody's exceptions.

use super::{read_one, run, whole};
use crate::error::Result;
use crate::id::Seq;
use rusqlite::Connection;

pub(super) const PRUNED_TO: &str = "SELECT pruned_to FROM outbox_store WHERE one = 1";
pub(super) const SET_PRUNED_TO: &str = "UPDATE outbox_store SET pruned_to = ?1 WHERE one = 1";
pub(super) const PRUNE: &str = "DELETE FROM outbox_message WHERE seq > ?1 AND seq <= ?2 \
    AND NOT EXISTS (SELECT 1 FROM outbox_delivery \
    WHERE outbox_delivery.seq = outbox_message.seq AND state <> 'skipped')";
pub(super) const HELD: &str = "SELECT 1 FROM outbox_delivery \
    WHERE seq > ?1 AND seq <= ?2 AND state <> 'skipped' LIMIT 1";
pub(super) const PRUNE_ALL: &str = "DELETE FROM outbox_message WHERE seq > ?1 AND seq <= ?2";
pub(super) const PRUNE_ONE: &str = "DELETE FROM outbox_message WHERE seq = ?1 \
    AND seq <= (SELECT pruned_to FROM outbox_store WHERE one = 1) AND NOT EXISTS \
    (SELECT 1 FROM outbox_delivery WHERE seq = ?1 AND state <> 'skipped')";
pub(super) const YOUNGER: &str = "SELECT seq, created_at_ms FROM outbox_message \
    WHERE seq > ?1 AND seq <= ?2 AND created_at_ms > ?3 AND created_at_ms <= ?4 \
    AND typeof(created_at_ms) IN ('integer', 'real') ORDER BY seq LIMIT 1";

/// Places before the first look at the time, if fewer are owed: a few milliseconds, should all hold
/// the largest payload. As long as there is time, twice as many come before the next.
const PRUNED_AT_FIRST: Seq = 8;

/// Up to where the log has been emptied.
pub(crate) fn pruned_to(connection: &Connection) -> Result<Seq> {
    Ok(read_one(connection, PRUNED_TO, [], "read how far the log is pruned", |row| row.get(0))?
        .unwrap_or(0))
}

/// Deletes settled messages of `(after, through]`: so many that are owed, and more until time is
/// over. Says up to where; rows that some subscription still has as an exception stay.
pub(crate) fn settled(
    connection: &Connection,
    after: Seq,
    through: Seq,
    owed: Seq,
    is_over: impl Fn() -> bool,
) -> Result<Seq> {
    let what = "prune the log";
    // One look at all of them costs less than one at each.
    let held = read_one(connection, HELD, [after, through], what, |_| Ok(()))?.is_some();
    let sql = if held { PRUNE } else { PRUNE_ALL };
    let (mut done, mut next) = (after, owed.max(PRUNED_AT_FIRST));
    let mut most = PRUNED_AT_FIRST;
    while done < through && (done == after || !is_over()) {
        let to = through.min(done + next);
        run(connection, sql, [done, to], what)?;
        mistake!(ExceptionPruned: super::mistakes::prune_all(connection, done, to)?);
        most *= 2;
        (done, next) = (to, most);
    }
    run(connection, SET_PRUNED_TO, [done], what)?;
    Ok(done)
}

/// Deletes what only a subscription that is gone still had as an exception.
pub(crate) fn left_behind(connection: &Connection) -> Result<()> {
    let through = pruned_to(connection)?;
    run(connection, PRUNE, [0, through], "prune the log").map(drop)
}

/// Deletes one message that was an exception until now, if the log has been emptied past it and no
/// other subscription has it as an exception still.
pub(crate) fn settled_exception(connection: &Connection, seq: Seq) -> Result<()> {
    run(connection, PRUNE_ONE, [seq], "prune a settled exception").map(drop)
}

/// Somebody else's clock may be ahead by so much. What claims to be from later is taken for old: it
/// would keep the log until then.
const AHEAD_MS: i64 = 24 * 60 * 60 * 1_000;

/// The first message of `(after, through]` that is younger than `keep_ms`, and when it was
/// enqueued.
pub(crate) fn first_younger(
    connection: &Connection,
    after: Seq,
    through: Seq,
    (now_ms, keep_ms): (i64, i64),
) -> Result<Option<(Seq, i64)>> {
    let latest = now_ms.saturating_add(AHEAD_MS);
    let parameters = [after, through, now_ms.saturating_sub(keep_ms), latest];
    read_one(connection, YOUNGER, parameters, "find what to keep", |row| {
        Ok((row.get(0)?, whole(row.get_ref(1)?).unwrap_or(0)))
    })
}
