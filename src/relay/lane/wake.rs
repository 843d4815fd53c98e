//! When a lane wants to be asked again.

use super::{Lane, Moment, TickMs};

impl Lane {
    /// The next moment at which this lane has something to do on its own; none when only an answer
    /// or somebody's commit can bring work.
    pub(crate) fn wakes_at(&self, now: Moment) -> Option<TickMs> {
        let answers = self.deadlines.front().map(|(deadline, ..)| *deadline);
        let retry = self.due.iter().find(|(_, seq)| *seq <= self.cursor).map(|(due, _)| *due);
        let rested = self.earliest_rest();
        let sending = [retry, rested, self.statements.due()];
        let sending = sending.into_iter().flatten().min();
        // During an outage nothing is sent before its end, but positions are written.
        let sending = match sending {
            Some(at) => Some(at.max(self.destination.until())),
            None if !self.destination.is_available(now) => Some(self.destination.until()),
            None => None,
        };
        [answers, self.settle_by, sending].into_iter().flatten().min()
    }

    /// Whether a cycle should run although there is nothing to send.
    pub(crate) fn must_settle(&self, now: Moment) -> bool {
        self.settle_by.is_some_and(|by| by <= now.tick)
    }

    /// The relay is closing: write and tell what is settled now.
    pub(crate) fn hurry(&mut self, now: Moment) {
        if self.settle_by.is_some() {
            self.settle_by = Some(now.tick);
        }
        self.statements.hurry(now.tick);
    }

    fn earliest_rest(&self) -> Option<TickMs> {
        let not_before = |seq| match self.window.get(seq).map(|flight| flight.state) {
            Some(super::State::Idle { not_before, blocked: false }) if not_before > 0 => {
                Some(not_before)
            }
            _ => None,
        };
        self.again.iter().filter_map(not_before).min()
    }
}
