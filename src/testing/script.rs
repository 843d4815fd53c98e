//! What the programs of a test do, and runs of it from a given beginning.

use super::audit;
use super::disk::{Call, Fault, Op, Plan, Platter, Profile, Strike};
use super::events::Event;
use super::memory;
use super::network::{Seen, Sky, Trouble, trace};
use super::points::within;
use super::quiet::quietly;
use super::states::Crash;
use super::world::{Beginning, World};
use crate::mistake::Mistake;
use std::collections::BTreeSet;
use std::error::Error as StdError;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// What a step of a test fails with: any error, or a sentence.
pub type Failed = Box<dyn StdError + Send + Sync>;
pub(crate) type Step = Box<dyn Fn(&World) -> Result<(), Failed> + Send + Sync>;

/// What is promised of every program.
const STARTS: &str = "it starts again";

/// Time that passes until somebody starts the programs again.
const UNTIL_RESTART: Duration = Duration::from_secs(60);

pub(crate) struct Script {
    pub(crate) profile: Profile,
    pub(crate) seed: u64,
    pub(crate) given: Step,
    pub(crate) scenario: Step,
    pub(crate) recover: Step,
    pub(crate) invariants: Vec<(String, Step)>,
    /// Whether what must hold of every store is looked at.
    pub(crate) audits: bool,
    /// What the library does wrong, on purpose.
    pub(crate) mistake: Option<Mistake>,
    /// The promises that somebody asked for.
    pub(crate) asked: Asked,
}

/// Names that are noted from all worlds of a test.
pub(crate) type Asked = Arc<Mutex<BTreeSet<String>>>;

/// Where a run begins: what is on the disks, what was seen outside, and how often it crashed.
#[derive(Clone, Debug, Default)]
pub(crate) struct Start {
    pub(crate) disks: Platter,
    pub(crate) events: Vec<Event>,
    /// The databases that the scenario names: to be looked at, whoever opens them again.
    pub(crate) named: BTreeSet<String>,
    /// How long the world has been there.
    pub(crate) passed: Duration,
    pub(crate) crashes: usize,
}

/// A scenario that ran.
pub(crate) struct Played {
    pub(crate) record: Vec<Op>,
    pub(crate) ended: Result<(), String>,
    pub(crate) named: BTreeSet<String>,
    /// How long the record was when the fault struck, if it did.
    pub(crate) struck_at: Option<usize>,
    pub(crate) has_strangers: bool,
    pub(crate) calls: Calls,
}

/// How many calls a fault can strike.
#[derive(Clone, Debug)]
pub(crate) struct Calls(Vec<(Fault, u64)>);

/// A promise that was broken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Broken {
    pub(crate) promise: String,
    pub(crate) why: String,
}

impl Broken {
    /// Programs that do not start do nothing else either.
    pub(crate) fn is_the_start(&self) -> bool {
        self.promise == STARTS
    }
}

/// A scenario that ran in the weather of a seed, and what did not hold then.
pub(crate) struct Weathered {
    pub(crate) record: Vec<Op>,
    pub(crate) broken: Vec<Broken>,
    pub(crate) has_strangers: bool,
    pub(crate) seen: Seen,
    pub(crate) trace: u64,
}

/// Programs that started again, and what did not hold then.
pub(crate) struct Restarted {
    pub(crate) record: Vec<Op>,
    pub(crate) has_strangers: bool,
    pub(crate) broken: Vec<Broken>,
}

impl Start {
    /// One more step was done.
    pub(crate) fn apply(&mut self, op: &Op) {
        self.disks.apply(op);
        self.events.extend(op.event().cloned());
        if let Op::Clock(passed) = op {
            self.passed = *passed;
        }
    }

    /// Where it goes on after a crash.
    pub(crate) fn after(&self, crash: &Crash) -> Self {
        Self {
            disks: crash.leaves(&self.disks),
            events: self.events.clone(),
            named: self.named.clone(),
            passed: self.passed + UNTIL_RESTART,
            crashes: self.crashes + 1,
        }
    }

    /// How much was seen that makes a difference to anybody.
    fn seen(&self) -> u64 {
        self.events.iter().filter(|event| event.is_remembered()).count() as u64
    }
}

impl Script {
    pub(crate) fn new() -> Self {
        Self {
            profile: Profile::default(),
            seed: 0x5eed,
            given: Box::new(|_| Ok(())),
            scenario: Box::new(|_| Ok(())),
            recover: Box::new(|_| Ok(())),
            invariants: Vec::new(),
            audits: true,
            mistake: None,
            asked: Asked::default(),
        }
    }

    /// The promises that somebody asked for so far.
    pub(crate) fn asked(&self) -> BTreeSet<String> {
        self.asked.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// What chance begins with, and what the disk promises.
    pub(crate) fn ground(&self) -> (u64, Profile) {
        (self.seed, self.profile)
    }

    /// What is there before the scenario, safe on the disk.
    pub(crate) fn prepare(&self) -> Result<Start, String> {
        let world = self.world(&Start::default(), None);
        run(&self.given, &world, None)?;
        let mut disks = Platter::default();
        world.disk().record().iter().for_each(|op| disks.apply(op));
        let image = disks.kept();
        let (events, named) = (world.events(), world.named());
        let passed = world.clock().passed();
        world.end();
        Ok(Start { disks: Platter::from(&image), events, named, passed, crashes: 0 })
    }

    /// Runs the scenario from the beginning.
    pub(crate) fn play(&self, start: &Start, strike: Option<Strike>) -> Played {
        let world = self.world(start, strike);
        let refused = strike.filter(|strike| strike.fault == Fault::Memory);
        memory::count(refused.map(|strike| strike.call));
        let ended = run(&self.scenario, &world, self.mistake);
        let allocations = memory::counted();
        let disk = world.disk();
        let calls = |fault: Fault| match fault.call() {
            Call::Memory => allocations,
            call => disk.calls(call),
        };
        let record = disk.record();
        let calls = Calls(Fault::every().map(|fault| (fault, calls(fault))).collect());
        let (struck_at, has_strangers) = (disk.struck_at(), disk.has_strangers());
        let named = world.named();
        world.end();
        // Nobody knows between which steps memory was refused.
        let refused = refused.filter(|strike| strike.call < allocations).map(|_| 0);
        Played { record, ended, named, struck_at: struck_at.or(refused), has_strangers, calls }
    }

    /// The programs start again, and everything is looked at.
    pub(crate) fn restart(&self, start: &Start) -> Restarted {
        let world = self.world(start, None);
        let recovered = run(&self.recover, &world, self.mistake);
        let record = world.disk().record();
        let has_strangers = world.disk().has_strangers();
        let mut broken = Vec::new();
        if let Err(why) = recovered {
            broken.push(Broken { promise: STARTS.into(), why });
        } else {
            self.look(&world, &mut broken);
        }
        world.end();
        Restarted { record, has_strangers, broken }
    }

    /// Looks at everything that must hold.
    fn look(&self, world: &World, broken: &mut Vec<Broken>) {
        let mut expect = |promise: &str, held: Result<(), String>| {
            broken.extend(held.err().map(|why| Broken { promise: promise.into(), why }));
        };
        for (name, holds) in &self.invariants {
            expect(name, run(holds, world, None));
        }
        if self.audits {
            expect(audit::WHOLE, run(audit::whole, world, None));
        }
    }

    /// The scenario in the weather of one seed; then it clears, and all must hold.
    pub(crate) fn weather(&self, start: &Start, seed: u64, troubles: &[Trouble]) -> Weathered {
        let sky = Sky::of_seed(seed, troubles, start.passed);
        let usual = self.beginning(start, None);
        let seeded = usual.seed ^ seed.rotate_left(32);
        let world = World::new(Beginning { sky: Some(sky), seed: seeded, ..usual });
        let mut broken = Vec::new();
        if let Err((promise, why)) = self.come_through(&world) {
            broken.push(Broken { promise: promise.into(), why });
        } else {
            self.look(&world, &mut broken);
        }
        let record = world.disk().record();
        let seen = world.network().seen();
        let has_strangers = world.disk().has_strangers();
        world.end();
        Weathered { broken, has_strangers, seen, trace: trace(&record), record }
    }

    fn come_through(&self, world: &World) -> Result<(), (&'static str, String)> {
        let ran = run(&self.scenario, world, self.mistake);
        ran.map_err(|why| ("it comes through the weather", why))?;
        world.clear();
        run(&self.recover, world, self.mistake).map_err(|why| (STARTS, why))?;
        let late = run(|w| w.network().carry_all(w), world, self.mistake);
        late.map_err(|why| ("what comes late finds its consumer", why))
    }

    fn world(&self, start: &Start, strike: Option<Strike>) -> World {
        World::new(self.beginning(start, strike))
    }

    fn beginning(&self, start: &Start, strike: Option<Strike>) -> Beginning {
        let seen = start.seen();
        let Start { disks, events, named, passed, crashes } = start.clone();
        Beginning {
            profile: self.profile,
            disks,
            plan: Plan::new(strike.filter(|strike| strike.fault != Fault::Memory)),
            // A process that starts again draws other numbers.
            seed: self.seed ^ seen ^ (crashes as u64) << 32,
            named,
            asked: Arc::clone(&self.asked),
            past: events,
            passed,
            sky: None,
        }
    }
}

impl Calls {
    pub(crate) fn of(&self, fault: Fault) -> u64 {
        self.0.iter().find(|(other, _)| *other == fault).map_or(0, |(_, calls)| *calls)
    }
}

/// Runs a step of the test; a panic is a failure.
fn run(
    step: impl Fn(&World) -> Result<(), Failed>,
    world: &World,
    mistake: Option<Mistake>,
) -> Result<(), String> {
    quietly(|| within(world, mistake, || step(world)))
        .and_then(|result| result.map_err(|error| with_causes(&*error)))
}

/// An error in words, with what it comes from.
fn with_causes(error: &(dyn StdError + 'static)) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let more = error.to_string();
        if !text.contains(&more) {
            text = format!("{text}: {more}");
        }
        cause = error.source();
    }
    text
}
