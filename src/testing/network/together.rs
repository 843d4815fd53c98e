//! Programs that run beside each other in one world, one step at a time.

use super::trouble::Trouble;
use super::weather::Aftermath;
use crate::relay::Relay;
use crate::relay::steps::{Stands, Stepped};
use crate::testing::script::Failed;
use crate::testing::world::World;
use std::fmt;
use std::time::Duration;

/// Programs that have not come to rest after so many steps never will.
const STEPS: usize = 100_000;
/// A standby that looks so long after the other one let go finds the lock free.
const STANDBY: Duration = Duration::from_millis(25);

type Open<'a> = dyn Fn(&World) -> Result<Relay, Failed> + 'a;
type Work<'a> = dyn FnMut(&World) -> Result<bool, Failed> + 'a;

/// Relays and other programs that run beside each other, one step at a time: see
/// [`World::together`].
#[must_use = "nothing runs until `run`"]
pub struct Together<'a> {
    world: World,
    relays: Vec<Running<'a>>,
    programs: Vec<Program<'a>>,
    hurries: bool,
    /// Who had the last turn, where turns go round.
    last: usize,
    stormy: bool,
}

/// A relay and how it is opened.
struct Running<'a> {
    open: Box<Open<'a>>,
    stepped: Option<Stepped>,
    stands: Stands,
    /// When it is to be stepped; none when only somebody else brings work.
    wakes: Option<Duration>,
}

struct Program<'a> {
    work: Box<Work<'a>>,
    /// None when it is done.
    wakes: Option<Duration>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Actor {
    Network,
    Relay(usize),
    Program(usize),
}

impl<'a> Together<'a> {
    pub(crate) fn new(world: &World) -> Self {
        let (relays, programs) = (Vec::new(), Vec::new());
        Self { world: world.clone(), relays, programs, hurries: true, last: 0, stormy: false }
    }

    /// Adds a relay, which this opens at its first turn, and again when it was killed.
    pub fn relay<F>(mut self, open: F) -> Self
    where
        F: Fn(&World) -> Result<Relay, Failed> + 'a,
    {
        let wakes = Some(Duration::ZERO);
        let open = Box::new(open);
        self.relays.push(Running { open, stepped: None, stands: Stands::Busy, wakes });
        self
    }

    /// Adds a program that works in steps, which says of each whether there is another one to come.
    /// No weather kills it, but a storm that ends the programs does not ask it for its last steps.
    pub fn program<F>(mut self, work: F) -> Self
    where
        F: FnMut(&World) -> Result<bool, Failed> + 'a,
    {
        self.programs.push(Program { work: Box::new(work), wakes: Some(Duration::ZERO) });
        self
    }

    /// Lets all of them run, until the programs are done and nothing is left to deliver; then the
    /// relays stop in good order. In the weather of a seed they take their turns by chance, relays
    /// and consumers are killed now and then, and it also returns when a storm is over that ended
    /// the programs, with things left to do.
    ///
    /// # Errors
    ///
    /// What a program, or opening one, ends with; and when they do not come to rest.
    pub fn run(mut self) -> Result<(), Failed> {
        let network = self.world.network().clone();
        self.hurries = network.by_chance(|dice| dice.roll(2) == 0).unwrap_or(true);
        self.stormy = network.in_storm(|_| ()).is_some();
        for _ in 0..STEPS {
            if self.stormy && network.in_storm(|_| ()).is_none() {
                self.stormy = false;
                match network.aftermath() {
                    Aftermath::GoOn => self.stir(),
                    Aftermath::Stop => return self.finish(),
                    Aftermath::Killed => return self.kill_all(),
                }
            }
            let ready = self.ready();
            if !ready.is_empty() {
                let actor = self.choose(&ready);
                self.act(actor)?;
                self.strike(actor);
                continue;
            }
            if self.rests() {
                return self.finish();
            }
            let Some(next) = self.next_moment() else { break };
            self.world.network().move_to(next);
        }
        let relays: Vec<_> = self.relays.iter().map(|relay| relay.stands).collect();
        let left = self.programs.iter().filter(|program| program.wakes.is_some()).count();
        let what = "the programs do not come to rest";
        Err(format!("{what}: relays {relays:?}, and {left} programs have more to do").into())
    }

    /// Who has something to do now.
    fn ready(&self) -> Vec<Actor> {
        let now = self.world.clock().passed();
        let is_due = |wakes: Option<Duration>| wakes.is_some_and(|wakes| wakes <= now);
        let has_news = |relay: &Running<'_>| relay.stepped.as_ref().is_some_and(Stepped::has_news);
        let mut ready = Vec::new();
        for (number, relay) in self.relays.iter().enumerate() {
            if is_due(relay.wakes) || has_news(relay) {
                ready.push(Actor::Relay(number));
            }
        }
        if is_due(self.world.network().next_due()) {
            ready.push(Actor::Network);
        }
        for (number, program) in self.programs.iter().enumerate() {
            if is_due(program.wakes) {
                ready.push(Actor::Program(number));
            }
        }
        ready
    }

    /// Whose turn it is: by chance, or in turn where there is no weather.
    fn choose(&mut self, ready: &[Actor]) -> Actor {
        let by_chance = self.world.network().by_chance(|dice| dice.below(ready.len()));
        self.last = self.last.wrapping_add(1);
        ready[by_chance.unwrap_or(self.last % ready.len())]
    }

    fn act(&mut self, actor: Actor) -> Result<(), Failed> {
        match actor {
            Actor::Network => {
                self.world.network().carry(&self.world)?;
                // A handler may have something to send as well.
                self.stir();
            }
            Actor::Program(number) => {
                let program = &mut self.programs[number];
                let has_more = (program.work)(&self.world)?;
                let pause = self.world.network().pause();
                program.wakes = has_more.then(|| self.world.clock().passed() + pause);
                self.stir();
            }
            Actor::Relay(number) => self.step(number)?,
        }
        Ok(())
    }

    fn step(&mut self, number: usize) -> Result<(), Failed> {
        let Self { world, relays, hurries, .. } = self;
        let relay = &mut relays[number];
        match &mut relay.stepped {
            None => {
                relay.stepped = Some(Stepped::new((relay.open)(world)?));
                relay.stands = Stands::Busy;
            }
            Some(stepped) => {
                world.network().set_patience(stepped.patience());
                relay.stands = stepped.step_beside(*hurries)?;
            }
        }
        relay.wakes = match relay.stands {
            Stands::Busy => Some(world.clock().passed()),
            Stands::Until(moment) => Some(moment),
            Stands::Waiting | Stands::Idle | Stands::Aside => None,
        };
        Ok(())
    }

    /// Somebody may have committed: the relays notice after a while.
    fn stir(&mut self) {
        let now = self.world.clock().passed();
        for relay in &mut self.relays {
            if relay.stepped.is_some() && relay.stands != Stands::Aside {
                let notices = now + self.world.network().pause();
                relay.wakes = Some(relay.wakes.map_or(notices, |wakes| wakes.min(notices)));
            }
        }
    }

    /// What the weather does after a step.
    fn strike(&mut self, actor: Actor) {
        let network = self.world.network();
        if let Some(by_ms) = network.in_storm(|sky| sky.weather.jump(&mut sky.dice)).flatten() {
            self.world.jump_some_clock(by_ms);
        }
        let Actor::Relay(number) = actor else { return };
        let away = network.in_storm(|sky| sky.weather.kills_relay(&mut sky.dice)).flatten();
        let Some(away) = away else { return };
        let Some(stepped) = self.relays[number].stepped.take() else { return };
        self.world.kill_with(&format!("relay {} is killed", number + 1), stepped);
        network.count(Trouble::KilledRelay);
        let now = self.world.clock().passed();
        self.relays[number].wakes = Some(now + away);
        let standing_by = self.relays.iter_mut().filter(|relay| relay.stands == Stands::Aside);
        standing_by.for_each(|relay| {
            let looks = now + STANDBY + network.pause();
            relay.wakes = Some(relay.wakes.map_or(looks, |wakes| wakes.min(looks)));
        });
    }

    /// Whether the programs are done, and every relay is there and has nothing to do.
    fn rests(&self) -> bool {
        let is_done = |program: &Program<'_>| program.wakes.is_none();
        let rests = |relay: &Running<'_>| {
            relay.wakes.is_none() && matches!(relay.stands, Stands::Idle | Stands::Aside)
        };
        self.programs.iter().all(is_done) && self.relays.iter().all(rests)
    }

    /// When somebody has something to do, or the storm is over.
    fn next_moment(&self) -> Option<Duration> {
        let relays = self.relays.iter().filter_map(|relay| relay.wakes);
        let programs = self.programs.iter().filter_map(|program| program.wakes);
        let network = self.world.network();
        let over = network.in_storm(|sky| sky.over());
        relays.chain(programs).chain(network.next_due()).chain(over).min()
    }

    fn finish(self) -> Result<(), Failed> {
        for stepped in self.relays.into_iter().filter_map(|relay| relay.stepped) {
            stepped.finish()?;
        }
        Ok(())
    }

    fn kill_all(self) -> Result<(), Failed> {
        let Self { world, relays, .. } = self;
        for stepped in relays.into_iter().filter_map(|relay| relay.stepped) {
            world.kill_with("the relays are killed", stepped);
            world.network().count(Trouble::KilledRelay);
        }
        Ok(())
    }
}

impl fmt::Debug for Together<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Together").field("relays", &self.relays.len()).finish_non_exhaustive()
    }
}
