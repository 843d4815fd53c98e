//! The rows that say where each subscription stands.

use super::{read_all, read_one, run};
use crate::error::{Error, ErrorKind, Result};
use crate::id::{Incarnation, Seq, SubscriptionId};
use crate::topics::Topics;
use rusqlite::{Connection, Row, params};

pub(super) const CREATE: &str = "INSERT INTO outbox_subscription \
    (name, uuid, topics, settled_to, sent_to) VALUES (?1, ?2, ?3, ?4, ?4)";
pub(super) const READ: &str = "SELECT subscription, name, uuid, topics, state, settled_to, \
    sent_to, acked_to, epoch, nonce, closed_cleanly, doubt_seq, doubt_attempts, outages, \
    available_at_ms, maximum_pending, maximum_bytes, when_full, pending_bytes \
    FROM outbox_subscription \
    WHERE name = ?1";
pub(super) const ALL: &str = "SELECT subscription, name, uuid, topics, state, settled_to, \
    sent_to, acked_to, epoch, nonce, closed_cleanly, doubt_seq, doubt_attempts, outages, \
    available_at_ms, maximum_pending, maximum_bytes, when_full, pending_bytes \
    FROM main.outbox_subscription \
    ORDER BY subscription";
pub(super) const OPEN: &str = "UPDATE outbox_subscription \
    SET epoch = epoch + 1, nonce = ?2, topics = ?3, closed_cleanly = 0 WHERE subscription = ?1";
pub(super) const GUARD: &str =
    "SELECT epoch, nonce, state FROM outbox_subscription WHERE subscription = ?1";
pub(super) const MOVE: &str = "UPDATE outbox_subscription SET settled_to = ?2, sent_to = ?3, \
    acked_to = ?4, doubt_seq = ?5, doubt_attempts = ?6, outages = ?7, available_at_ms = ?8, \
    delivered = delivered + ?9, redelivered_timeout = redelivered_timeout + ?10, \
    redelivered_failure = redelivered_failure + ?11, redelivered_crash = redelivered_crash + ?12, \
    redelivered_outage = redelivered_outage + ?13, late_acks = late_acks + ?14, \
    fenced_nacks = fenced_nacks + ?15, unknown_acks = unknown_acks + ?16, \
    pending_bytes = max(0, pending_bytes - ?17) WHERE subscription = ?1";
pub(super) const CLOSE: &str = "UPDATE outbox_subscription \
    SET closed_cleanly = 1, doubt_seq = 0, doubt_attempts = 0 \
    WHERE subscription = ?1 AND epoch = ?2 AND nonce = ?3";
pub(super) const BUMP: &str =
    "UPDATE outbox_subscription SET epoch = epoch + 1, nonce = ?2 WHERE subscription = ?1";
pub(super) const SET_STATE: &str =
    "UPDATE main.outbox_subscription SET state = ?2 WHERE subscription = ?1";
pub(super) const SET_BOUND: &str = "UPDATE outbox_subscription \
    SET maximum_pending = ?2, maximum_bytes = ?3, when_full = ?4 WHERE subscription = ?1";
pub(super) const SET_BOUNDED: &str = "UPDATE outbox_store SET bounded = EXISTS (SELECT 1 \
    FROM outbox_subscription WHERE maximum_pending IS NOT NULL OR maximum_bytes IS NOT NULL) \
    WHERE one = 1";
pub(super) const ADD_BYTES: &str = "UPDATE main.outbox_subscription \
    SET pending_bytes = pending_bytes + ?2 WHERE subscription = ?1";
pub(super) const SET_BYTES: &str =
    "UPDATE outbox_subscription SET pending_bytes = ?2 WHERE subscription = ?1";
/// Every pending payload once: after the position, exceptions before it, and what is not due yet.
pub(super) const PAYLOADS: &str = "SELECT topic, octet_length(payload) FROM outbox_message m \
    WHERE seq > ?2 AND NOT EXISTS (SELECT 1 FROM outbox_delivery d \
    WHERE d.subscription = ?1 AND d.seq = m.seq AND d.state = 'skipped') \
    UNION ALL SELECT m.topic, octet_length(m.payload) FROM outbox_delivery d \
    JOIN outbox_message m ON m.seq = d.seq WHERE d.subscription = ?1 AND d.seq <= ?2 \
    AND d.state IN ('waiting', 'parked', 'dead') \
    UNION ALL SELECT topic, octet_length(payload) FROM outbox_scheduled WHERE number > 0";
/// What the log has lost is not pending.
pub(super) const PASS_LOST: &str = "UPDATE outbox_subscription \
    SET settled_to = max(settled_to, ?2), sent_to = max(sent_to, ?2) WHERE subscription = ?1";
pub(super) const REWIND: &str = "UPDATE outbox_subscription SET settled_to = ?2, acked_to = ?2, \
    closed_cleanly = 1, doubt_seq = 0, doubt_attempts = 0, epoch = epoch + 1, nonce = ?3 \
    WHERE subscription = ?1";
/// Settled is for ever: what was skipped stays so, and the consumer has to be told again.
pub(super) const SKIP_AGAIN: &str = "INSERT OR IGNORE INTO outbox_delivery \
    (subscription, seq, id, state, updated_at_ms) \
    SELECT subscription, seq, id, 'skipped', updated_at_ms FROM outbox_skip \
    WHERE subscription = ?1 AND seq > ?2";
pub(super) const STATE_AGAIN: &str = "UPDATE outbox_skip SET state = 'unconfirmed' \
    WHERE subscription = ?1 AND seq > ?2 AND state = 'confirmed'";
pub(super) const BEGIN_ANEW: &str = "UPDATE outbox_subscription SET acked_to = 0, \
    settled_to = min(settled_to, ?1), sent_to = min(sent_to, ?1), closed_cleanly = 1, \
    doubt_seq = 0, doubt_attempts = 0, epoch = epoch + 1";
pub(super) const REMOVE: [&str; 4] = [
    "DELETE FROM outbox_delivery WHERE subscription = ?1",
    "DELETE FROM outbox_replacement WHERE subscription = ?1",
    "DELETE FROM outbox_skip WHERE subscription = ?1",
    "DELETE FROM outbox_subscription WHERE subscription = ?1",
];
pub(super) const HOLD: &str =
    "SELECT min(settled_to) FROM outbox_subscription WHERE state <> 'detached'";

/// Whether a subscription is served.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum SubscriptionState {
    /// Served by a relay, when one runs.
    Active,
    /// Not served until somebody resumes it; the log is kept for it.
    Paused,
    /// Fell too far behind: not served, and the log is no longer kept for it.
    Detached,
}

impl SubscriptionState {
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Paused => "paused",
            Self::Detached => "detached",
        }
    }

    pub(super) fn parse(name: &str) -> Self {
        match name {
            "paused" => Self::Paused,
            "detached" => Self::Detached,
            _ => Self::Active,
        }
    }
}

/// A subscription as it is stored.
#[derive(Clone, Debug)]
pub(crate) struct SubscriptionRow {
    pub(crate) number: i64,
    pub(crate) name: String,
    pub(crate) id: SubscriptionId,
    pub(crate) topics: String,
    pub(crate) state: SubscriptionState,
    pub(crate) settled_to: Seq,
    pub(crate) sent_to: Seq,
    pub(crate) acked_to: Seq,
    pub(crate) incarnation: Incarnation,
    pub(crate) closed_cleanly: bool,
    pub(crate) doubt: Doubt,
    pub(crate) outage: Outage,
    pub(crate) bound: Bound,
    pub(crate) pending_bytes: i64,
}

impl SubscriptionRow {
    pub(crate) fn position(&self) -> Position {
        let Self { settled_to, sent_to, acked_to, doubt, outage, .. } = *self;
        Position { settled_to, sent_to, acked_to, doubt, outage }
    }
}

/// The message of a doubtful run that is under way alone, and how often it was.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct Doubt {
    pub(crate) seq: Seq,
    pub(crate) attempts: u32,
}

/// How long the destination has been failing, and until when it is left alone.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct Outage {
    pub(crate) failures: u32,
    pub(crate) until_ms: i64,
}

/// How much may be pending, and what happens then.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Bound {
    pub(crate) pending: Option<i64>,
    pub(crate) bytes: Option<i64>,
    pub(crate) detach: bool,
}

/// What happened since the last cycle, added to the subscription's counters.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct Tally {
    pub(crate) delivered: i64,
    pub(crate) by_timeout: i64,
    pub(crate) by_failure: i64,
    pub(crate) by_crash: i64,
    pub(crate) by_outage: i64,
    pub(crate) late_acks: i64,
    pub(crate) fenced_nacks: i64,
    pub(crate) unknown_acks: i64,
    pub(crate) settled_bytes: i64,
}

/// Where a subscription stands after a cycle.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Position {
    pub(crate) settled_to: Seq,
    pub(crate) sent_to: Seq,
    pub(crate) acked_to: Seq,
    pub(crate) doubt: Doubt,
    pub(crate) outage: Outage,
}

fn read(row: &Row<'_>) -> rusqlite::Result<SubscriptionRow> {
    Ok(SubscriptionRow {
        number: row.get(0)?,
        name: row.get(1)?,
        id: SubscriptionId::from_bytes(row.get(2)?),
        topics: row.get(3)?,
        state: SubscriptionState::parse(row.get_ref(4)?.as_str()?),
        settled_to: row.get(5)?,
        sent_to: row.get(6)?,
        acked_to: row.get(7)?,
        incarnation: Incarnation { epoch: row.get(8)?, nonce: row.get(9)? },
        closed_cleanly: row.get(10)?,
        doubt: Doubt { seq: row.get(11)?, attempts: row.get(12)? },
        outage: Outage { failures: row.get(13)?, until_ms: row.get(14)? },
        bound: Bound {
            pending: row.get(15)?,
            bytes: row.get(16)?,
            detach: row.get_ref(17)?.as_str()? == "detach",
        },
        pending_bytes: row.get(18)?,
    })
}

pub(crate) fn find(connection: &Connection, name: &str) -> Result<Option<SubscriptionRow>> {
    read_one(connection, READ, [name], "read a subscription", read)
}

/// The subscription of that name, or an error that says there is none.
pub(crate) fn get(connection: &Connection, name: &str) -> Result<SubscriptionRow> {
    find(connection, name)?.ok_or_else(|| {
        Error::new(
            ErrorKind::NotFound,
            format!("there is no subscription {name:?}"),
            "check the name; a relay makes a subscription when it first runs",
        )
    })
}

pub(crate) fn all(connection: &Connection) -> Result<Vec<SubscriptionRow>> {
    read_all(connection, ALL, [], "list the subscriptions", read)
}

pub(crate) fn create(
    connection: &Connection,
    name: &str,
    id: SubscriptionId,
    topics: &str,
    settled_to: Seq,
) -> Result<()> {
    let parameters = params![name, id.as_bytes(), topics, settled_to];
    run(connection, CREATE, parameters, "make a subscription").map(drop)
}

/// The next incarnation: one more epoch, and the nonce. What it takes no longer, or only now, is
/// pending no longer, or only now.
pub(crate) fn open(
    connection: &Connection,
    row: &SubscriptionRow,
    nonce: i64,
    topics: &str,
) -> Result<()> {
    run(connection, OPEN, params![row.number, nonce, topics], "open a subscription")?;
    if row.topics == topics {
        return Ok(());
    }
    count_bytes(connection, &SubscriptionRow { topics: topics.to_owned(), ..row.clone() })
}

/// Who may write for this subscription, and whether it is served.
pub(crate) fn guard(
    connection: &Connection,
    number: i64,
) -> Result<Option<(Incarnation, SubscriptionState)>> {
    read_one(connection, GUARD, [number], "check the epoch", |row| {
        let incarnation = Incarnation { epoch: row.get(0)?, nonce: row.get(1)? };
        Ok((incarnation, SubscriptionState::parse(row.get_ref(2)?.as_str()?)))
    })
}

pub(crate) fn advance(
    connection: &Connection,
    number: i64,
    position: &Position,
    tally: &Tally,
) -> Result<()> {
    let parameters = params![
        number,
        position.settled_to,
        position.sent_to,
        position.acked_to,
        position.doubt.seq,
        position.doubt.attempts,
        position.outage.failures,
        position.outage.until_ms,
        tally.delivered,
        tally.by_timeout,
        tally.by_failure,
        tally.by_crash,
        tally.by_outage,
        tally.late_acks,
        tally.fenced_nacks,
        tally.unknown_acks,
        tally.settled_bytes,
    ];
    run(connection, MOVE, parameters, "move a subscription's position").map(drop)
}

/// Notes that this incarnation ended in good order: nothing it had under way is suspected.
pub(crate) fn close(connection: &Connection, number: i64, incarnation: Incarnation) -> Result<()> {
    let parameters = [number, incarnation.epoch, incarnation.nonce];
    run(connection, CLOSE, parameters, "close a subscription").map(drop)
}

/// Fences the relay that is running: it drops what it remembers and reads again.
pub(crate) fn bump(connection: &Connection, number: i64, nonce: i64) -> Result<()> {
    mistake!(EpochKept: return Ok(()));
    run(connection, BUMP, [number, nonce], "begin a new epoch").map(drop)
}

pub(crate) fn set_state(
    connection: &Connection,
    number: i64,
    state: SubscriptionState,
) -> Result<()> {
    run(connection, SET_STATE, params![number, state.name()], "change a subscription").map(drop)
}

/// Serves a subscription again, from the oldest message on that the log still has.
pub(crate) fn resume(connection: &Connection, row: &SubscriptionRow) -> Result<()> {
    let emptied_to = super::prune::pruned_to(connection)?;
    run(connection, PASS_LOST, [row.number, emptied_to], "resume a subscription")?;
    set_state(connection, row.number, SubscriptionState::Active)?;
    let position = row.settled_to.max(emptied_to);
    count_bytes(connection, &SubscriptionRow { settled_to: position, ..row.clone() })
}

pub(crate) fn set_bound(
    connection: &Connection,
    row: &SubscriptionRow,
    bound: Bound,
) -> Result<()> {
    let when_full = if bound.detach { "detach" } else { "refuse" };
    let parameters = params![row.number, bound.pending, bound.bytes, when_full];
    run(connection, SET_BOUND, parameters, "bound a subscription")?;
    run(connection, SET_BOUNDED, [], "bound a subscription")?;
    count_bytes(connection, &SubscriptionRow { bound, ..row.clone() })
}

/// Counts anew what is pending in bytes, where that is bounded.
fn count_bytes(connection: &Connection, row: &SubscriptionRow) -> Result<()> {
    if row.bound.bytes.is_none() {
        return Ok(());
    }
    let what = "count pending bytes";
    let topics = Topics::parse(&row.topics);
    let payloads = read_all(connection, PAYLOADS, [row.number, row.settled_to], what, |row| {
        let wanted = row.get_ref(0)?.as_str().is_ok_and(|topic| topics.contains(topic));
        Ok(if wanted { row.get::<_, Option<i64>>(1)?.unwrap_or(0) } else { 0 })
    })?;
    let bytes: i64 = payloads.into_iter().sum();
    run(connection, SET_BYTES, [row.number, bytes], what).map(drop)
}

/// Counts the bytes of a message towards a subscription's bound.
pub(crate) fn add_bytes(connection: &Connection, number: i64, bytes: usize) -> Result<()> {
    let bytes = i64::try_from(bytes).unwrap_or(i64::MAX);
    run(connection, ADD_BYTES, [number, bytes], "count pending bytes").map(drop)
}

/// Goes back to a place, so that everything after it is delivered again that was not skipped.
pub(crate) fn rewind(
    connection: &Connection,
    row: &SubscriptionRow,
    to: Seq,
    nonce: i64,
) -> Result<()> {
    let what = "rewind a subscription";
    run(connection, REWIND, [row.number, to, nonce], what)?;
    run(connection, SKIP_AGAIN, [row.number, to], what)?;
    run(connection, STATE_AGAIN, [row.number, to], what)?;
    count_bytes(connection, &SubscriptionRow { settled_to: to, ..row.clone() })
}

/// After a change of identity: no consumer has seen anything of this store.
pub(crate) fn begin_anew(connection: &Connection, last_seq: Seq) -> Result<()> {
    run(connection, BEGIN_ANEW, [last_seq], "begin anew").map(drop)
}

pub(crate) fn remove(connection: &Connection, number: i64) -> Result<()> {
    for statement in REMOVE {
        run(connection, statement, [number], "remove a subscription")?;
    }
    run(connection, SET_BOUNDED, [], "remove a subscription").map(drop)
}

/// Up to where every subscription has settled the log; none when nobody subscribes.
pub(crate) fn hold(connection: &Connection) -> Result<Option<Seq>> {
    Ok(read_one(connection, HOLD, [], "find what is settled by all", |row| row.get(0))?.flatten())
}
