//! How the position moves over what is settled (rule 10).

use super::{Flight, Lane, Standing, State};
use crate::store::delivery::Change;
use crate::watermark::Ranges;
use std::ops::Bound::{Excluded, Included};

impl Lane {
    /// Moves the position over everything that is settled or an exception; returns what this
    /// commit settles.
    pub(super) fn advance(&mut self) -> Ranges {
        let from = self.settled_to;
        let is_acked = |(_, flight): (_, &Flight)| matches!(flight.state, State::Acked { .. });
        while self.window.first().is_some_and(is_acked)
            && let Some((seq, flight)) = self.window.pop_first()
        {
            self.stalled = false;
            self.window_bytes -= flight.bytes as usize;
            self.tally.settled_bytes += i64::from(flight.bytes);
            if let Some(key) = flight.key {
                self.keys.remove(key, seq);
            }
        }
        self.settled_to = self.window.first().map_or(self.cursor, |(seq, _)| seq - 1);
        self.sent_to = self.sent_to.max(self.settled_to);
        let mut settled = Ranges::new();
        settled.insert(from + 1, self.settled_to);
        for (seq, _) in self.exceptions.range((Excluded(from), Included(self.settled_to))) {
            settled.remove(*seq);
        }
        self.settle_exceptions(&mut settled);
        settled
    }

    fn settle_exceptions(&mut self, settled: &mut Ranges) {
        let above = self.done.split_off(&(self.settled_to + 1));
        let done = std::mem::replace(&mut self.done, above);
        let mut skipped_through = 0;
        for seq in done {
            let Some(exception) = self.exceptions.remove(&seq) else { continue };
            settled.insert(seq, seq);
            if exception.standing == Standing::Skipped {
                skipped_through = seq;
                self.stalled = false;
                continue;
            }
            if let Some(key) = exception.key {
                self.keys.remove(key, seq);
            }
            let applied = match exception.state {
                State::Acked { revision } => revision,
                _ => None,
            };
            self.changes.push(Change::Settle { seq, id: exception.id, applied });
            self.stalled = false;
        }
        if skipped_through > 0 {
            self.changes.push(Change::DropSkipped { through: skipped_through });
        }
    }
}
