//! Empties the log of what everybody has settled: a slice in each cycle, while its time lasts.
//!
//! Whoever enqueues waits for the lock that a cycle holds, so no cycle deletes for long, and the
//! next one comes after a rest when others write (`relay::share`).

use super::lane::{Moment, TickMs};
use crate::error::Result;
use crate::store::{self, log, prune, subscription};
use rusqlite::Connection;
use std::time::Duration;

/// Rows deleted by one cycle at the most, if there is time.
const SLICE: i64 = 4_096;
/// Notes and keys that are out of date: the same.
const SLICE_OF_NOTES: i64 = 512;
/// How long one cycle deletes: alone, and while others write.
pub(super) const PRUNE_ALONE_FOR: Duration = Duration::from_millis(3);
pub(super) const PRUNE_BESIDE_FOR: Duration = Duration::from_micros(200);
/// What is kept for a while is looked at so often, when nothing else happens.
const KEPT_MS: i64 = 1_000;
/// How long skips, replacements and such are remembered at the least.
const KEEP_NOTES_MS: i64 = 7 * 24 * 60 * 60 * 1_000;

/// What is known of the log without looking.
#[derive(Clone, Copy, Debug)]
pub(super) struct Pruning {
    more: bool,
    /// When settled messages that are kept for a while may go, by the wall clock.
    kept_until_ms: Option<i64>,
}

impl Pruning {
    pub(super) fn new() -> Self {
        Self { more: true, kept_until_ms: None }
    }

    /// Something was settled.
    pub(super) fn look_again(&mut self) {
        self.more = true;
    }

    /// Somebody committed: a subscription that held the log may be gone. Only looked at, because
    /// that is the host's every commit.
    pub(super) fn notice(&mut self, connection: &Connection) -> Result<()> {
        // What is kept for a while is kept whoever subscribes.
        if !self.more && self.kept_until_ms.is_none() {
            self.more = subscription::hold(connection)? > Some(prune::pruned_to(connection)?);
        }
        Ok(())
    }

    /// Whether there may be something to delete.
    pub(super) fn is_due(&self, now: Moment) -> bool {
        self.more || self.kept_until_ms.is_some_and(|until| until <= now.wall_ms)
    }

    /// When there will be, should nothing else happen.
    pub(super) fn wakes_at(&self, now: Moment) -> Option<TickMs> {
        let left = |until: i64| until.saturating_sub(now.wall_ms).max(0);
        self.kept_until_ms.map(|until| now.tick.saturating_add(left(until)))
    }

    /// Deletes a slice of what every subscription has settled and nobody wants to keep, until its
    /// time is over. Says whether anything was written.
    pub(super) fn cycle(
        &mut self,
        connection: &Connection,
        keep_ms: i64,
        is_over: impl Fn() -> bool,
        now: Moment,
    ) -> Result<bool> {
        if !self.is_due(now) {
            return Ok(false);
        }
        let from = prune::pruned_to(connection)?;
        let settled = subscription::hold(connection)?.unwrap_or(from);
        let slice = settled.min(from + SLICE);
        let kept = if keep_ms > 0 {
            prune::first_younger(connection, from, slice, (now.wall_ms, keep_ms))?
        } else {
            None
        };
        let through = kept.map_or(slice, |(seq, _)| seq - 1);
        self.kept_until_ms =
            kept.map(|(_, at_ms)| at_ms.saturating_add(keep_ms).max(now.wall_ms + KEPT_MS));
        self.more = through == slice && slice < settled;
        if through <= from {
            return Ok(false);
        }
        let done = prune::settled(connection, from, through, is_over)?;
        self.more |= done < through;
        log::forget_keys(connection, now.wall_ms, SLICE_OF_NOTES)?;
        store::dead::forget(connection, now.wall_ms - KEEP_NOTES_MS, SLICE_OF_NOTES)?;
        Ok(true)
    }
}

#[cfg(test)]
mod tests;
