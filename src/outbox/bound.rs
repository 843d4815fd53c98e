//! A bounded outbox: how much may be pending, and what happens then.

use crate::error::{Error, ErrorKind, Result};
use crate::message::Parts;
use crate::store::subscription::{self, SubscriptionRow, SubscriptionState};
use crate::store::{delivery, log};
use crate::topics::Topics;
use rusqlite::Connection;

/// Refuses the message, or detaches a subscription that fell too far behind, by its policy. One
/// that refuses does so before anything is written for another.
pub(super) fn check(connection: &Connection, parts: &Parts) -> Result<()> {
    let last = log::last_seq(connection)?;
    let mut takers = subscription::all(connection)?;
    takers.retain(|row| {
        let served = row.state != SubscriptionState::Detached;
        served && Topics::parse(&row.topics).contains(&parts.topic)
    });
    let mut laggards = Vec::new();
    for row in &takers {
        let Some(excess) = excess(connection, row, last, parts.payload.len())? else { continue };
        if !row.bound.detach {
            return Err(full(&row.name, &excess));
        }
        laggards.push((row, excess));
    }
    for (row, excess) in laggards {
        tracing::error!(
            messaging.system = "surehand",
            messaging.destination.subscription.name = %row.name,
            "the subscription has {excess} and is detached: what it misses stays undelivered"
        );
        subscription::set_state(connection, row.number, SubscriptionState::Detached)?;
    }
    for row in takers.iter().filter(|row| row.bound.bytes.is_some()) {
        subscription::add_bytes(connection, row.number, parts.payload.len())?;
    }
    Ok(())
}

/// What is too much with this message, in words.
fn excess(
    connection: &Connection,
    row: &SubscriptionRow,
    last: i64,
    bytes: usize,
) -> Result<Option<String>> {
    if let Some(limit) = row.bound.pending {
        let behind = delivery::count_to(connection, row.number, row.settled_to)?;
        let pending = last - row.settled_to + behind;
        if pending >= limit {
            return Ok(Some(format!("{pending} pending messages, with a limit of {limit}")));
        }
    }
    let bytes = i64::try_from(bytes).unwrap_or(i64::MAX);
    Ok(row.bound.bytes.and_then(|limit| {
        let pending = row.pending_bytes.saturating_add(bytes);
        (pending > limit).then(|| format!("{pending} pending bytes, with a limit of {limit}"))
    }))
}

fn full(name: &str, excess: &str) -> Error {
    Error::new(
        ErrorKind::OutboxFull,
        format!("the subscription {name:?} has {excess}"),
        "nothing was written; look why it does not keep up, or detach it",
    )
}
