//! What goes wrong: processes that end, power cuts, packets that are lost, clocks that run out.

use super::explore::Steps;
use super::scope::spend;
use super::state::State;
use crate::relay::lane::frozen::moment;
use crate::relay::lane::{Lane, Moment, Pace, Trouble};

impl State {
    pub(super) fn fail(&self, steps: &mut Steps) {
        for relay in 0..2 {
            let Some(running) = &self.relays[relay] else {
                continue;
            };
            let mut state = self.clone();
            if spend(&mut state.faults.kill_relay) {
                state.relays[relay] = None;
                steps.fault(|| format!("relay {relay} is killed"), state);
            }
            let mut state = self.clone();
            if running.is_running() && spend(&mut state.faults.close_relay) {
                state.close(relay);
                steps.fault(|| format!("relay {relay} closes in good order"), state);
            }
        }
        if self.faults.cut_producer > 0 {
            for (lost, disk) in self.producer.cuts() {
                let mut state = self.clone();
                state.faults.cut_producer -= 1;
                state.producer = disk;
                state.relays = [None, None];
                let what = || format!("power cut at the producer: {lost} commits are gone");
                steps.fault(what, state);
            }
        }
        // Without a commit to lose it is a kill at most.
        for (lost, disk) in self.consumer.cuts().filter(|(lost, _)| *lost > 0) {
            let mut state = self.clone();
            if spend(&mut state.faults.cut_consumer) {
                state.consumer = disk;
                state.inbox_open = false;
                let what = || format!("power cut at the consumer: {lost} commits are gone");
                steps.fault(what, state);
            }
        }
    }

    /// `Engine::finish`.
    fn close(&mut self, relay: usize) {
        let stored = self.producer.visible();
        if self.lane(relay).map(Lane::incarnation) == Some(stored.incarnation) {
            let mut producer = stored.clone();
            producer.closed_cleanly = true;
            self.producer.commit(producer, true);
        }
        self.relays[relay] = None;
    }

    /// The relay stops waiting for answers: because they are lost, or because it is impatient.
    pub(super) fn give_up(&self, relay: usize, steps: &mut Steps) {
        let Some(lane) = self.lane(relay) else {
            return;
        };
        let deadlines = lane.deadlines();
        let ends = [deadlines.first(), deadlines.last()];
        for (index, deadline) in ends.into_iter().flatten().enumerate() {
            if index == 1 && deadlines.len() == 1 {
                continue;
            }
            let overdue = lane.overdue(*deadline);
            let lost = !overdue.iter().any(|one| self.is_on_its_way(lane, *one));
            self.wait_no_more(relay, lost, moment(*deadline), steps);
        }
        for request in lane.open_requests() {
            let lost = !self.is_on_its_way(lane, request);
            if lost {
                self.closed(relay, request, None, steps);
            }
            self.closed(relay, request, Some(Trouble::Unreachable), steps);
        }
    }

    fn is_on_its_way(&self, lane: &Lane, request: u64) -> bool {
        let wanted = Some((lane.incarnation(), request));
        self.network.iter().any(|packet| packet.request() == wanted)
    }

    fn wait_no_more(&self, relay: usize, lost: bool, now: Moment, steps: &mut Steps) {
        let mut state = self.clone();
        if !lost && !spend(&mut state.faults.impatience) {
            return;
        }
        if let Some(relay) = &mut state.relays[relay] {
            relay.change_lane(|lane| {
                lane.tick(now);
                lane.freeze(now);
            });
        }
        let how = if lost { "" } else { ", too early" };
        let what = || format!("relay {relay} waits no longer{how}");
        if lost {
            steps.progress(what, state);
        } else {
            steps.fault(what, state);
        }
    }

    fn closed(&self, relay: usize, request: u64, trouble: Option<Trouble>, steps: &mut Steps) {
        let mut state = self.clone();
        if trouble.is_some() && !spend(&mut state.faults.unreachable) {
            return;
        }
        let now = Pace::At.moment();
        if let Some(relay) = &mut state.relays[relay] {
            relay.change_lane(|lane| {
                lane.closed(request, trouble, now);
                lane.freeze(now);
            });
        }
        match trouble {
            Some(_) => steps.fault(
                || format!("relay {relay} is told that request {request} reached nobody"),
                state,
            ),
            None => steps.progress(
                || format!("relay {relay} is told that nobody knows of request {request}"),
                state,
            ),
        }
    }

    /// Packets of nobody who listens are as good as lost, and lost packets are not looked at.
    pub(super) fn lose(&self, index: usize, steps: &mut Steps) {
        let mut state = self.clone();
        if spend(&mut state.faults.loss) {
            let packet = state.network.remove(index);
            steps.fault(|| format!("lost: {:?}", *packet), state);
        }
    }
}
