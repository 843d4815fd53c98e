//! The shell of `relay::served` between the opening and the first request: whom does the other side
//! listen to?

use super::explore::Steps;
use super::network::Packet;
use super::relay::Phase;
use super::scope::{Rules, Scope};
use super::state::State;
use crate::handoff::Welcome;
use crate::id::Incarnation;
use crate::relay::lane::{Lane, Pace};

impl State {
    /// Sends a hello, or has it answered at once.
    pub(super) fn greet(&mut self, scope: &Scope, relay: usize) {
        let Some(hello) = self.greeting_of(relay) else { return };
        if !scope.hello_at_once {
            return self.send(Packet::Hello(hello.0, hello.1));
        }
        let mut consumer = self.consumer.visible().clone();
        let welcome = consumer.register(hello.0, &scope.rules);
        self.consumer.commit(consumer, true);
        self.inbox_open = true;
        self.welcomed(&scope.rules, hello, welcome);
    }

    /// Nobody answers: the same hello again.
    pub(super) fn greet_again(&self, scope: &Scope, relay: usize, steps: &mut Steps) {
        let Some(hello) = self.greeting_of(relay) else { return };
        let is_pending = |packet: &Packet| match packet {
            Packet::Hello(incarnation, number) | Packet::Welcome(incarnation, number, _) => {
                (*incarnation, *number) == hello
            }
            _ => false,
        };
        if self.network.iter().any(|packet| is_pending(packet)) {
            return;
        }
        let mut state = self.clone();
        state.greet(scope, relay);
        steps.progress(|| format!("relay {relay} greets again"), state);
    }

    fn greeting_of(&self, relay: usize) -> Option<(Incarnation, u8)> {
        let process = self.relays[relay].as_ref()?;
        match &process.phase {
            Phase::Greeting(lane) => Some((lane.incarnation(), process.greeting)),
            _ => None,
        }
    }

    /// `Served::welcomed`, for whichever relay greeted so.
    pub(super) fn welcomed(
        &mut self,
        rules: &Rules,
        (incarnation, number): (Incarnation, u8),
        welcome: Welcome,
    ) {
        for relay in 0..2 {
            let answered = |own: (Incarnation, u8)| {
                own.0 == incarnation && (own.1 == number || !rules.tell_greetings_apart)
            };
            if self.greeting_of(relay).is_some_and(answered) {
                self.welcome(rules, relay, welcome);
            }
        }
    }

    fn welcome(&mut self, rules: &Rules, relay: usize, welcome: Welcome) {
        let Some(process) = &mut self.relays[relay] else { return };
        let Phase::Greeting(lane) = process.phase.clone() else { return };
        match welcome {
            Welcome::Registered { high, .. } if high > lane.sent_to() && rules.compare_high => {
                self.halt(relay, "HALT: the consumer has seen more than was sent");
            }
            Welcome::Registered { high, .. } if high < lane.acked_to() => {
                self.halt(relay, "HALT: the consumer has seen less than it acknowledged");
            }
            Welcome::Registered { .. } | Welcome::Stranger => process.phase = Phase::Running(lane),
            // `Served::progress`: is our own row still ours?
            Welcome::Refused { .. } => {
                if self.producer.visible().incarnation == lane.incarnation() {
                    self.halt(relay, "HALT: the consumer listens to a copy of this store");
                } else {
                    self.reopen(relay);
                }
            }
        }
    }

    /// `Served::greet_again`: the other side does not listen to this incarnation.
    pub(super) fn fenced(&mut self, incarnation: Incarnation) {
        let now = Pace::At.moment();
        for relay in self.relays.iter_mut().flatten() {
            if relay.lane().map(Lane::incarnation) != Some(incarnation) || !relay.is_running() {
                continue;
            }
            relay.change_lane(|lane| {
                lane.fenced(now);
                lane.freeze(now);
            });
            if let Phase::Running(lane) = &relay.phase {
                relay.phase = Phase::Greeting(lane.clone());
                relay.greeting += 1;
            }
        }
    }

    pub(super) fn halt(&mut self, relay: usize, why: &'static str) {
        self.relays[relay] = None;
        self.halted = Some(why);
    }

    /// What is remembered is dropped. The lock keeps two relays from taking turns for ever: the one
    /// that lost stays away while the other lives.
    pub(super) fn reopen(&mut self, relay: usize) {
        let other = self.relays[1 - relay].is_some();
        match &mut self.relays[relay] {
            place if other => *place = None,
            Some(relay) => relay.phase = Phase::Closed,
            None => {}
        }
    }
}
