//! Things arrive: at a consumer, which answers, or back at the relay.

use super::packet::{Asked, Packet};
use super::sky::Sky;
use super::trouble::Trouble;
use super::weather::{Direction, hope};
use super::{Far, Flying, Network, Route};
use crate::handoff::Request;
use crate::testing::script::Failed;
use crate::testing::world::World;
use crate::transport::{Event, Settler};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// Whether what arrives finds anybody.
enum Door {
    Open,
    /// Nobody is there, and says so.
    Shut,
    /// Nobody is there, and nobody answers.
    Dark,
}

impl Network {
    /// Carries one thing that is due to its end, and the answer back; says whether there was one.
    pub(crate) fn carry(&self, world: &World) -> Result<bool, Failed> {
        let now = self.clock.passed();
        let Some((number, flying)) = self.take_due(now) else { return Ok(false) };
        let Flying { route, direction, packet, is_lost } = flying;
        if is_lost {
            self.note(format!("{} gives up: {packet}", route.from));
            return Ok(true);
        }
        self.arrives(number, (&route, direction), &packet, now);
        match direction {
            Direction::Back => packet.answer(),
            Direction::There => self.reach(world, &route, packet, now)?,
        }
        Ok(true)
    }

    /// Carries all that is left, whenever it is due.
    pub(crate) fn carry_all(&self, world: &World) -> Result<(), Failed> {
        while let Some(due) = self.next_due() {
            self.move_to(due);
            self.carry(world)?;
        }
        Ok(())
    }

    fn take_due(&self, now: Duration) -> Option<(u64, Flying)> {
        let mut state = self.state();
        let first = state.queue.first_entry().filter(|first| first.key().0 <= now)?;
        let ((_, number), flying) = first.remove_entry();
        Some((number, flying))
    }

    fn arrives(
        &self,
        number: u64,
        (route, direction): (&Route, Direction),
        packet: &Packet,
        now: Duration,
    ) {
        let mut state = self.state();
        state.seen.events += 1;
        if state.sky.is_none() {
            return;
        }
        let way = state.ways.entry((route.clone(), direction)).or_default();
        if way.arrives(number) {
            state.seen.troubles.add(Trouble::Overtaken);
        }
        if let Packet::Outcome(ticket, _, asked) = packet {
            if now > asked.deadline {
                state.seen.troubles.add(Trouble::LateAnswer);
            }
            let newest = state.newest.get(&(asked.subscription, ticket.seq));
            if newest.is_some_and(|newest| *newest > ticket.attempt) {
                state.seen.troubles.add(Trouble::EarlierAttempt);
            }
        }
        drop(state);
        let (from, to) = match direction {
            Direction::There => (&route.from, &route.to),
            Direction::Back => (&route.to, &route.from),
        };
        self.note(format!("{from} to {to}: {packet}"));
    }

    /// Something reaches a consumer, or the place where one should be.
    fn reach(
        &self,
        world: &World,
        route: &Route,
        packet: Packet,
        now: Duration,
    ) -> Result<(), Failed> {
        // While it works it is not in the network, so that its handlers may use the world.
        let Some(mut far) = self.state().ends.remove(&route.to) else { return Ok(()) };
        let door = self.door(world, route, &mut far, now);
        let done = match door {
            Door::Open => far.open(world).map(|()| match self.has_weather() {
                true => self.work(world, route, &mut far, packet),
                false => self.work_calmly(world, &mut far, packet),
            }),
            Door::Shut => {
                if let Some(asked) = packet.asked() {
                    let nobody = Packet::Unreachable("nobody is there".into(), asked.clone());
                    self.answers(route, [nobody]);
                }
                Ok(())
            }
            Door::Dark => {
                self.give_up_later(route, packet);
                Ok(())
            }
        };
        // One that was made meanwhile under this name has taken its place.
        self.state().ends.entry(Arc::clone(&route.to)).or_insert(far);
        done
    }

    fn door(&self, world: &World, route: &Route, far: &mut Far, now: Duration) -> Door {
        let killed = self.in_storm(|sky| sky.weather.kills_consumer(&mut sky.dice)).flatten();
        if let Some(away) = killed
            && let Some(inbox) = far.kill()
        {
            self.note(format!("{} is killed", route.to));
            self.count(Trouble::KilledConsumer);
            world.kill(inbox);
            far.away_until = now + away;
        }
        if now >= far.away_until {
            return Door::Open;
        }
        match self.by_chance(|dice| dice.roll(2)) {
            Some(0) => Door::Dark,
            _ => Door::Shut,
        }
    }

    fn work(&self, world: &World, route: &Route, far: &mut Far, packet: Packet) {
        match packet {
            Packet::Hello(hello, asking) => {
                if let Some(welcome) = far.hello(&hello) {
                    self.answers(route, [Packet::Welcome(welcome, asking)]);
                }
            }
            Packet::Request(request, asked) => {
                let said = said(far, world, &request);
                self.answer_in_weather(route, Packet::answers(said, &asked), &asked);
            }
            answer => answer.answer(),
        }
    }

    /// Where nothing can go wrong all answers are one, and arrive at once.
    fn work_calmly(&self, world: &World, far: &mut Far, packet: Packet) {
        match packet {
            Packet::Hello(hello, asking) => {
                self.note("a hello".into());
                if let Some(welcome) = far.hello(&hello) {
                    Packet::Welcome(welcome, asking).answer();
                    self.note("a welcome".into());
                }
            }
            Packet::Request(request, asked) => {
                self.note(format!("{} messages", request.envelopes.len()));
                far.deliver(world, &request, asked.settler());
                self.note("answers".into());
            }
            answer => answer.answer(),
        }
    }

    /// Sends the answers to a request back, unless the connection breaks in the middle of them.
    fn answer_in_weather(&self, route: &Route, mut answers: Vec<Packet>, asked: &Asked) {
        let broken = self.in_storm(|Sky { weather, dice, .. }| {
            let after = weather.reset_after(answers.len(), dice)?;
            Some((after, dice.roll(2) == 0))
        });
        let Some((after, is_noticed)) = broken.flatten() else {
            return self.answers(route, answers);
        };
        answers.truncate(after);
        self.note(format!("the way of {} to {} is reset", route.from, route.to));
        self.count(Trouble::Reset);
        self.answers(route, answers);
        let reset = Packet::Unreachable("the connection was reset".into(), asked.clone());
        if is_noticed {
            self.answers(route, [reset]);
        } else {
            self.give_up_later(route, reset);
        }
    }

    fn answers(&self, route: &Route, answers: impl IntoIterator<Item = Packet>) {
        let now = self.clock.passed();
        let mut state = self.state();
        for answer in answers {
            state.send(now, route, Direction::Back, answer);
        }
    }

    /// Nobody answers: whoever asked hopes for a while.
    fn give_up_later(&self, route: &Route, packet: Packet) {
        let mut state = self.state();
        let time = state.sky.as_mut().map_or(Duration::ZERO, |sky| hope(&mut sky.dice));
        state.push(self.clock.passed() + time, route, Direction::There, packet, true);
    }
}

/// What a consumer says to a request, instead of saying it to who asked.
fn said(far: &mut Far, world: &World, request: &Request) -> Vec<Event> {
    let said = Arc::new(Mutex::new(Vec::new()));
    let sink = {
        let said = Arc::clone(&said);
        Arc::new(move |event| said.lock().unwrap_or_else(PoisonError::into_inner).push(event))
    };
    let (messages, states) = (request.envelopes.len(), !request.settled.is_empty());
    let settler = Settler::new(request.incarnation, 0, messages, states, sink);
    far.deliver(world, request, &settler);
    drop(settler);
    std::mem::take(&mut *said.lock().unwrap_or_else(PoisonError::into_inner))
}
