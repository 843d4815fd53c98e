//! Reading what goes out next, and deciding, before the write lock is taken.

use super::super::cycle::Round;
use super::super::lane::{Batch, Wants};
use super::{Phase, Served};
use crate::error::Result;
use crate::store::log::{LogRow, Reader};
use rusqlite::Connection;

impl Served {
    /// Reads what the lane wants, and lets it decide, before the write lock is taken. If the epoch
    /// turns out to be another one by then, the lane is dropped with all it decided.
    pub(in crate::relay) fn plan_ahead(
        &mut self,
        connection: &Connection,
        reader: &mut Reader,
        round: &Round<'_>,
    ) -> Result<()> {
        self.planned = None;
        let Phase::Running { lane, number, .. } = &mut self.phase else { return Ok(()) };
        let wants = if round.closing { None } else { lane.wants(round.now) };
        if wants.is_none() && !lane.must_settle(round.now) {
            return Ok(());
        }
        let Wants { mut at, fresh } = wants.unwrap_or_default();
        // The lane asks for the others again.
        at.truncate(round.most);
        let mut batch = Batch { at: Vec::with_capacity(at.len()), ..Batch::default() };
        let most = round.most - at.len();
        let mut bytes = 0;
        for seq in at {
            let row = reader.read_at(connection, *number, seq)?;
            bytes += row.as_ref().map_or(0, LogRow::bytes) as usize;
            batch.at.push((seq, row));
            if bytes >= lane.settings().most_bytes_at_once() {
                break;
            }
        }
        if let Some((after, (rows, bytes))) = fresh.filter(|_| most > 0) {
            let wanted = |topic: &str| self.topics.contains(topic);
            let room = (rows.min(most), bytes);
            let more = reader.read_after(connection, after, room, &wanted, &mut batch.fresh)?;
            batch.more = Some(more);
            // Delivered again after a rewind: in the content that took effect.
            if after < lane.sent_to() {
                Reader::replace(connection, *number, &mut batch.fresh)?;
            }
        }
        let before = lane.written();
        self.planned = Some((before, lane.plan(batch, round.now)));
        Ok(())
    }
}
