//! The steps of the world.

use super::explore::Steps;
use super::inbox::{Ended, Work, transaction};
use super::network::Packet;
use super::relay::Phase;
use super::scope::{Scope, spend};
use super::state::{Shared, State};
use crate::id::Incarnation;
use crate::relay::lane::Lane;
use std::collections::BTreeSet;

impl State {
    /// Everything that may happen next.
    pub(super) fn steps(&self, scope: &Scope, steps: &mut Steps) {
        if self.halted.is_some() {
            return;
        }
        self.enqueue(scope, steps);
        self.run_relays(scope, steps);
        self.fail(steps);
        self.operate(scope, steps);
        for index in 0..self.network.len() {
            if index == 0 || self.network[index] != self.network[index - 1] {
                self.lose(index, steps);
                self.arrive(scope, index, steps);
            }
        }
    }

    /// An application commits a message, with NORMAL.
    fn enqueue(&self, scope: &Scope, steps: &mut Steps) {
        if self.created == scope.messages {
            return;
        }
        let mut state = self.clone();
        state.created += 1;
        let number = state.created;
        let mut producer = self.producer.visible().clone();
        let seq = producer.enqueue(number, &scope.rules);
        state.producer.commit(producer, false);
        state.notice();
        steps.progress(|| format!("message {number} is enqueued at {seq}"), state);
    }

    fn run_relays(&self, scope: &Scope, steps: &mut Steps) {
        for (relay, process) in self.relays.iter().enumerate() {
            match process.as_ref().map(|process| &process.phase) {
                Some(Phase::Closed) => self.open(scope, relay, steps),
                Some(Phase::Greeting(_)) => {
                    self.greet_again(scope, relay, steps);
                    self.give_up(relay, steps);
                }
                Some(Phase::Running(_)) => {
                    for pace in scope.paces {
                        self.cycle(scope, relay, *pace, steps);
                    }
                    self.give_up(relay, steps);
                }
                None => {}
            }
        }
        if !self.has_relay() {
            self.open(scope, 0, steps);
        } else if let Some(free) = self.relays.iter().position(Option::is_none) {
            let mut state = self.clone();
            if spend(&mut state.faults.zombie) {
                state.open(scope, free, steps);
            }
        }
    }

    /// A packet arrives, and may stay on its way as well.
    fn arrive(&self, scope: &Scope, index: usize, steps: &mut Steps) {
        let packet = self.network[index].clone();
        let mut without = self.clone();
        without.network.remove(index);
        self.take(scope, without, &packet, "", steps);
        let mut with = self.clone();
        if spend(&mut with.faults.duplicate) {
            self.take(scope, with, &packet, " (and again)", steps);
        }
    }

    fn take(&self, scope: &Scope, mut state: Self, packet: &Packet, how: &str, steps: &mut Steps) {
        let told = || format!("arrives{how}: {packet:?}");
        match packet {
            Packet::Hello(incarnation, greeting) => {
                state.take_hello(scope, (*incarnation, *greeting), &told, steps);
            }
            Packet::Request { .. } => state.take_request(scope, packet, &told, steps),
            Packet::Welcome(incarnation, greeting, welcome) => {
                state.welcomed(&scope.rules, (*incarnation, *greeting), *welcome);
                steps.progress(told, state);
            }
            Packet::Fenced(incarnation) => {
                state.fenced(*incarnation);
                steps.progress(told, state);
            }
            Packet::Rewound(incarnation) => {
                let listens =
                    |relay: &usize| self.lane(*relay).map(Lane::incarnation) == Some(*incarnation);
                if let Some(relay) = (0..2).find(listens) {
                    state.halt(relay, "HALT: the consumer knows another message at a place");
                }
                steps.progress(told, state);
            }
            Packet::Answer { incarnation, request, verdicts, confirmed } => {
                let lane = |relay: usize| self.lane(relay).map(Lane::incarnation);
                let own = |relay| lane(relay) == Some(*incarnation);
                for relay in (0..2).filter(|relay| lane(*relay).is_some()) {
                    if own(relay) || !own(1 - relay) {
                        let mut state = state.clone();
                        let about = (*incarnation, *request);
                        state.heard(&scope.rules, relay, about, verdicts, *confirmed);
                        steps.progress(told, state);
                    }
                }
            }
        }
    }

    /// `Inbox::connect`: the first write after an opening is durable, and with it all before it.
    fn open_inbox(&mut self, scope: &Scope) {
        if !self.inbox_open {
            self.inbox_open = true;
            let image = self.consumer.visible().clone();
            self.consumer.commit(image, scope.rules.inbox_open_full);
        }
    }

    fn take_hello(
        mut self,
        scope: &Scope,
        (incarnation, greeting): (Incarnation, u8),
        told: &dyn Fn() -> String,
        steps: &mut Steps,
    ) {
        self.open_inbox(scope);
        let mut consumer = self.consumer.visible().clone();
        let welcome = consumer.register(incarnation, &scope.rules);
        let mut killed = self.clone();
        if spend(&mut killed.faults.kill_consumer) {
            killed.consumer.commit(consumer.clone(), false);
            killed.inbox_open = false;
            steps.fault(|| format!("{}; the consumer is killed before the sync", told()), killed);
        }
        self.consumer.commit(consumer, true);
        self.send(Packet::Welcome(incarnation, greeting, welcome));
        steps.progress(told, self);
    }

    fn take_request(
        mut self,
        scope: &Scope,
        packet: &Packet,
        told: &dyn Fn() -> String,
        steps: &mut Steps,
    ) {
        let Packet::Request { incarnation, statement, sent, .. } = packet else {
            return;
        };
        self.open_inbox(scope);
        let work = Work {
            incarnation: *incarnation,
            statement,
            sent,
            next: 0,
            failed_keys: BTreeSet::new(),
            verdicts: Vec::new(),
            failures: self.faults.failure,
        };
        self.process(scope, packet, work, told, steps);
    }

    /// `Inbox::process`: transaction after transaction, and the answers after the last commit.
    fn process(
        &self,
        scope: &Scope,
        packet: &Packet,
        work: Work<'_>,
        told: &dyn Fn() -> String,
        steps: &mut Steps,
    ) {
        let incarnation = work.incarnation;
        for ended in transaction(scope, self.consumer.visible(), work) {
            let mut state = self.clone();
            let (image, wrote, work) = match ended {
                Ended::Done { image, wrote, work } => (image, wrote, work),
                Ended::Fenced => {
                    state.send(Packet::Fenced(incarnation));
                    steps.progress(told, state);
                    continue;
                }
                Ended::Rewound => {
                    state.send(Packet::Rewound(incarnation));
                    steps.progress(told, state);
                    continue;
                }
            };
            state.faults.failure = work.failures;
            let mut killed = state.clone();
            if wrote && spend(&mut killed.faults.kill_consumer) {
                killed.consumer.commit(image.clone(), false);
                killed.inbox_open = false;
                let verdicts = &work.verdicts;
                let what = || {
                    let told = told();
                    format!("{told}; {verdicts:?}, but the consumer is killed before the sync")
                };
                steps.fault(what, killed);
            }
            if wrote {
                state.consumer.commit(image, scope.rules.answer_after_sync);
            }
            if work.next < work.sent.len() {
                state.process(scope, packet, work, told, steps);
                continue;
            }
            let (_, request) = packet.request().unwrap_or((incarnation, 0));
            let verdicts = work.verdicts;
            let what = verdicts.clone();
            state.network.push(Shared::new(Packet::Answer {
                incarnation,
                request,
                verdicts,
                confirmed: !work.statement.is_empty(),
            }));
            steps.progress(|| format!("{}; {what:?}", told()), state);
        }
    }
}
