//! When a lane wants to be asked again.

use super::{Lane, Moment, TickMs};
use crate::id::Seq;

impl Lane {
    /// The next moment at which this lane has something to do on its own; none when only an answer
    /// or somebody's commit can bring work. Asked when it wants nothing: what has its time behind
    /// it waits for something else.
    pub(crate) fn wakes_at(&self, now: Moment) -> Option<TickMs> {
        let answers = self.deadlines.front().map(|(deadline, ..)| *deadline);
        let confirmed = self.statements.deadline().map(|(at, _)| at);
        let retry = self.due.range((now.tick + 1, 0)..);
        let retry = retry.clone().find(|(_, seq)| *seq <= self.cursor).map(|(due, _)| *due);
        let statement = self.statements.due().filter(|at| *at > now.tick);
        let sending = [retry, self.earliest_rest(now), statement];
        let sending = sending.into_iter().flatten().min();
        // During an outage nothing is sent before its end, but positions are written.
        let sending = match sending {
            _ if !self.destination.is_available(now) => Some(self.destination.until()),
            sending => sending,
        };
        [answers, confirmed, self.settle_by, sending].into_iter().flatten().min()
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

    fn earliest_rest(&self, now: Moment) -> Option<TickMs> {
        let not_before = |seq: &Seq| match self.window.get(*seq).map(|flight| flight.state) {
            Some(super::State::Idle { not_before, .. }) => Some(not_before),
            _ => None,
        };
        self.again.iter().filter_map(not_before).filter(|at| *at > now.tick).min()
    }
}
