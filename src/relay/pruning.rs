//! Empties the log of what everybody has settled: a slice in each cycle, while its time lasts.
//!
//! Whoever enqueues waits for the lock that a cycle holds, so no cycle deletes for long, and the
//! next one comes after a rest when others write (`relay::share`). But as many as were settled go
//! whatever the time: else the log would grow for as long as there is work.

use super::lane::{Moment, TickMs};
use crate::error::Result;
use crate::id::Seq;
use crate::store::{self, log, prune, subscription};
use rusqlite::Connection;
use std::time::Duration;

/// Rows deleted by one cycle at the most, if there is time.
const SLICE: i64 = 4_096;
/// Who is behind deletes by such a part more than is settled meanwhile.
const CATCH_UP: Seq = 8;
/// So many are worth a look at once; fewer wait for others, because each look writes the same pages
/// anew.
const ENOUGH: Seq = 512;
/// But no longer than this.
const GATHER_MS: i64 = 100;
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
    /// Up to where all had settled the log at the last look.
    settled_to: Option<Seq>,
    /// How many were settled since the last look, and when they are looked at if no more come.
    gathered: Option<(Seq, TickMs)>,
    /// When settled messages that are kept for a while may go, by the wall clock.
    kept_until_ms: Option<i64>,
}

impl Pruning {
    pub(super) fn new() -> Self {
        Self { more: true, settled_to: None, gathered: None, kept_until_ms: None }
    }

    /// So many places were settled.
    pub(super) fn settled(&mut self, places: Seq, now: Moment) {
        let (count, by) = self.gathered.unwrap_or((0, now.tick + GATHER_MS));
        self.gathered = Some((count + places, by));
        self.more |= count + places >= ENOUGH;
    }

    /// Whether something that was settled waits for a look.
    pub(super) fn has_gathered(&self) -> bool {
        self.gathered.is_some()
    }

    /// Nothing waits for others any more.
    pub(super) fn hurry(&mut self) {
        self.more |= self.gathered.is_some();
    }

    /// Whether there is nothing to delete, now or soon.
    pub(super) fn is_idle(&self, now: Moment) -> bool {
        self.gathered.is_none() && !self.is_due(now)
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
        let waited = self.gathered.is_some_and(|(_, by)| by <= now.tick);
        self.more || waited || self.kept_until_ms.is_some_and(|until| until <= now.wall_ms)
    }

    /// When there will be, should nothing else happen.
    pub(super) fn wakes_at(&self, now: Moment) -> Option<TickMs> {
        let left = |until: i64| until.saturating_sub(now.wall_ms).max(0);
        let kept = self.kept_until_ms.map(|until| now.tick.saturating_add(left(until)));
        self.gathered.map(|(_, by)| by).into_iter().chain(kept).min()
    }

    /// Deletes what every subscription has settled and nobody wants to keep: as much as was settled
    /// by all since the last look and a little more, and then a slice until its time is over, which
    /// is asked for the first time when no more is owed. Says whether anything was written.
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
        let gathered = self.gathered.take().map_or(0, |(count, _)| count);
        let from = prune::pruned_to(connection)?;
        let settled = subscription::hold(connection)?.unwrap_or(from);
        // Somebody who held it may have gone, which nobody's work pays for.
        let owed = gathered.min(settled - self.settled_to.replace(settled).unwrap_or(from));
        let owed = owed + owed / CATCH_UP;
        let slice = settled.min(from + SLICE.max(owed));
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
        let done = prune::settled(connection, from, through, owed, is_over)?;
        self.more |= done < through;
        log::forget_keys(connection, now.wall_ms, SLICE_OF_NOTES)?;
        store::dead::forget(connection, now.wall_ms - KEEP_NOTES_MS, SLICE_OF_NOTES)?;
        Ok(true)
    }
}

#[cfg(test)]
pub(super) mod tests;
