//! The network between relays and consumers: what is sent waits until the world carries it.
//!
//! In calm weather everything arrives at once, in the order in which it was sent. In the weather of
//! a seed each packet has its fate (`weather`), on the way it takes (`way`), and answers travel one
//! by one. Nothing but the seed decides.

mod carry;
mod far;
mod link;
mod packet;
mod sky;
mod together;
mod trace;
mod trouble;
mod way;
mod weather;

pub(crate) use link::Route;
pub use link::{Consumer, Link};
pub(crate) use sky::{Seen, Sky};
pub use together::Together;
pub(crate) use trace::trace;
pub use trouble::{Trouble, Troubles};

use super::dice::Dice;
use super::disk::{Disk, Op};
use super::events::Event;
use super::script::Failed;
use super::time::ManualClock;
use super::world::World;
use crate::failure::Failure;
use crate::id::{Seq, SubscriptionId};
use crate::inbox::Inbox;
use crate::message::Envelope;
use far::Far;
use packet::Packet;
use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use way::Way;
use weather::{Aftermath, Direction, Fate, hope, is_long, pause};

/// What is on its way. Clones are the same network.
#[derive(Clone)]
pub(crate) struct Network {
    clock: Arc<ManualClock>,
    disk: Arc<Disk>,
    state: Arc<Mutex<State>>,
}

#[derive(Default)]
struct State {
    sky: Option<Sky>,
    /// By when it is due, and in the order in which it was sent.
    queue: BTreeMap<(Duration, u64), Flying>,
    sent: u64,
    ways: BTreeMap<(Route, Direction), Way>,
    ends: BTreeMap<Arc<str>, Far>,
    /// How many inboxes were linked without a name.
    linked: u64,
    /// The newest attempt at each message that was sent.
    newest: HashMap<(SubscriptionId, Seq), u32>,
    /// How long the relay that steps waits for answers.
    patience: Duration,
    seen: Seen,
}

/// Something on its way.
struct Flying {
    route: Route,
    direction: Direction,
    packet: Packet,
    /// It is lost: only its sender's hope is still under way.
    is_lost: bool,
}

impl Network {
    pub(crate) fn new(clock: Arc<ManualClock>, disk: Arc<Disk>, sky: Option<Sky>) -> Self {
        let state = State { sky, ..State::default() };
        Self { clock, disk, state: Arc::new(Mutex::new(state)) }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Lets time pass until this moment, if it is still to come.
    pub(crate) fn move_to(&self, moment: Duration) {
        if moment > self.clock.passed() {
            self.clock.move_to(moment);
            self.disk.note(Op::Clock(moment));
        }
    }

    fn note(&self, what: String) {
        self.disk.note(Op::Event(Event::Sent { what }));
    }

    /// A way to an inbox that nobody opens again.
    pub(crate) fn link(&self, inbox: Inbox) -> Link {
        let topics = inbox.topics();
        let mut state = self.state();
        state.linked += 1;
        let name: Arc<str> = format!("inbox {}", state.linked).into();
        state.ends.insert(Arc::clone(&name), Far::inbox(inbox));
        drop(state);
        let network = self.clone();
        Consumer { network, name, topics, remembers: true }.link("relay")
    }

    /// A consumer of this name, which is opened by this function now, and again when it was killed.
    pub(crate) fn consumer(
        &self,
        world: &World,
        name: &str,
        open: impl Fn(&World) -> Result<Inbox, Failed> + Send + Sync + 'static,
    ) -> Result<Consumer, Failed> {
        let (far, topics) = Far::opened_by(open, world)?;
        Ok(self.add(name, far, topics, true))
    }

    pub(crate) fn function(
        &self,
        name: &str,
        call: impl Fn(&World, &Envelope) -> Result<(), Failure> + Send + Sync + 'static,
    ) -> Consumer {
        self.add(name, Far::function(call), vec![">".into()], false)
    }

    /// Whoever had the name before is closed.
    fn add(&self, name: &str, far: Far, topics: Vec<String>, remembers: bool) -> Consumer {
        let name: Arc<str> = name.into();
        let before = self.state().ends.insert(Arc::clone(&name), far);
        drop(before);
        Consumer { network: self.clone(), name, topics, remembers }
    }

    /// How long the relay that steps next waits for answers.
    pub(crate) fn set_patience(&self, patience: Duration) {
        self.state().patience = patience;
    }

    fn deadline(&self) -> Duration {
        self.clock.passed().saturating_add(self.state().patience)
    }

    /// Something is sent to a consumer.
    fn sends(&self, route: &Route, packet: Packet) {
        let mut state = self.state();
        if let Packet::Request(request, _) = &packet {
            for envelope in &request.envelopes {
                let newest = state.newest.entry((request.subscription, envelope.seq)).or_default();
                *newest = envelope.attempt.max(*newest);
            }
        }
        state.send(self.clock.passed(), route, Direction::There, packet);
    }

    /// When something is due.
    pub(crate) fn next_due(&self) -> Option<Duration> {
        self.state().queue.first_key_value().map(|((due, _), _)| *due)
    }

    /// The storm, if there is one now: what it is like, and its dice.
    pub(crate) fn in_storm<T>(&self, then: impl FnOnce(&mut Sky) -> T) -> Option<T> {
        let now = self.clock.passed();
        let mut state = self.state();
        state.sky.as_mut().filter(|sky| sky.is_foul(now)).map(then)
    }

    /// Whether the world has weather, be it over or not.
    fn has_weather(&self) -> bool {
        self.state().sky.is_some()
    }

    /// Draws something where there is weather, be it over or not.
    pub(crate) fn by_chance<T>(&self, draw: impl FnOnce(&mut Dice) -> T) -> Option<T> {
        self.state().sky.as_mut().map(|sky| draw(&mut sky.dice))
    }

    /// How long somebody takes until they do something: no time at all without weather.
    pub(crate) fn pause(&self) -> Duration {
        self.by_chance(pause).unwrap_or(Duration::ZERO)
    }

    /// What the storm leaves of the programs.
    pub(crate) fn aftermath(&self) -> Aftermath {
        self.state().sky.as_ref().map_or(Aftermath::GoOn, |sky| sky.weather.aftermath)
    }

    /// From now on nothing goes wrong any more; what is under way still arrives when it is due.
    /// Some consumers are started anew.
    pub(crate) fn clear(&self, world: &World) {
        let now = self.clock.passed();
        let mut state = self.state();
        let State { sky: Some(sky), ends, .. } = &mut *state else { return };
        sky.clear(now);
        let mut killed = Vec::new();
        for far in ends.values_mut() {
            far.away_until = Duration::ZERO;
            if sky.dice.roll(2) == 0 {
                killed.extend(far.kill());
            }
        }
        drop(state);
        world.kill(killed);
    }

    /// Counts something that happened beside the network.
    pub(crate) fn count(&self, trouble: Trouble) {
        self.state().seen.troubles.add(trouble);
    }

    pub(crate) fn seen(&self) -> Seen {
        self.state().seen
    }

    /// Takes all consumers away.
    pub(crate) fn close(&self) {
        let mut state = self.state();
        let (ends, queue) = (std::mem::take(&mut state.ends), std::mem::take(&mut state.queue));
        drop(state);
        drop((ends, queue));
    }
}

impl State {
    /// Something sets out; where the weather is foul it decides what becomes of it.
    fn send(&mut self, now: Duration, route: &Route, direction: Direction, packet: Packet) {
        let Some(sky) = &mut self.sky else {
            return self.push(now, route, direction, packet, false);
        };
        let is_foul = sky.is_foul(now);
        let Sky { weather, dice, .. } = sky;
        let way = self.ways.entry((route.clone(), direction)).or_default();
        if !is_foul {
            let due = way.arrival(now, weather.in_order);
            return self.push(due, route, direction, packet, false);
        }
        let (fate, trouble) = if way.is_closed(weather, now, dice) {
            (Fate::Lost, Trouble::OneWay)
        } else {
            let lost =
                if direction == Direction::There { Trouble::Lost } else { Trouble::LostAnswer };
            (weather.fate(direction, dice), lost)
        };
        let mut arrival = |time| way.arrival(now + time, weather.in_order);
        match fate {
            Fate::Lost => {
                self.seen.events += 1;
                self.seen.troubles.add(trouble);
                let given_up = now + hope(dice);
                self.push(given_up, route, direction, packet, true);
            }
            Fate::Once(time) => {
                let due = arrival(time);
                self.push_slow(now, due, route, direction, packet);
            }
            Fate::Twice(first, second) => {
                let (due, due_again) = (arrival(first), arrival(second));
                let again = packet.again();
                self.seen.troubles.add(Trouble::Doubled);
                self.push_slow(now, due, route, direction, packet);
                self.push_slow(now, due_again, route, direction, again);
            }
        }
    }

    fn push_slow(
        &mut self,
        now: Duration,
        due: Duration,
        route: &Route,
        direction: Direction,
        packet: Packet,
    ) {
        if direction == Direction::There && is_long(due.saturating_sub(now)) {
            self.seen.troubles.add(Trouble::Delayed);
        }
        self.push(due, route, direction, packet, false);
    }

    fn push(
        &mut self,
        due: Duration,
        route: &Route,
        direction: Direction,
        packet: Packet,
        is_lost: bool,
    ) {
        self.sent += 1;
        let flying = Flying { route: route.clone(), direction, packet, is_lost };
        self.queue.insert((due, self.sent), flying);
    }
}
