//! A test of what survives: a scenario, how its programs start again, and what must hold then.

use super::disk::{Fault, Lost, Op, Plan, Platter, Profile};
use super::events::Event;
use super::network::{Sky, Trouble, trace};
use super::progress::Progress;
use super::quiet::quietly;
use super::states::{Crash, crashes_after};
use super::verdict::{Loss, Strike, Verdict, Weathered};
use super::world::{Beginning, World};
use std::error::Error as StdError;
use std::fmt;
use std::ops::Range;
use std::time::Duration;

/// What a step of a test fails with: any error, or a sentence.
pub type Failed = Box<dyn StdError + Send + Sync>;
type Step = Box<dyn Fn(&World) -> Result<(), Failed> + Send + Sync>;

/// Time that passes until somebody starts the programs again.
const UNTIL_RESTART: Duration = Duration::from_secs(60);

/// A crash test: what runs, what starts again after a crash, and what must hold then.
///
/// The scenario runs once, and everything it does to the disk is recorded. Then it is as if power
/// had gone after every single step, with every part of what was not synced lost or kept: each
/// time the programs start again on what is left, and all that was promised is looked for.
///
/// ```
/// use surehand::testing::CrashTest;
///
/// CrashTest::new("notes")
///     .scenario(|w| {
///         let db = w.connect("desk/notes.db")?;
///         db.execute_batch("PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;
///             CREATE TABLE note (text)")?;
///         db.execute("INSERT INTO note VALUES ('milk')", [])?;
///         w.promised("note", "milk");
///         Ok(())
///     })
///     .invariant("what was promised is there", |w| {
///         for note in w.promises("note") {
///             let db = w.connect("desk/notes.db")?;
///             db.query_row("SELECT 1 FROM note WHERE text = ?1", [note], |_| Ok(()))?;
///         }
///         Ok(())
///     })
///     .run()
///     .assert_survived();
/// ```
#[must_use = "a test that is not run tests nothing"]
pub struct CrashTest {
    name: String,
    profile: Profile,
    seed: u64,
    depth: usize,
    faults: Vec<Fault>,
    given: Step,
    scenario: Step,
    recover: Step,
    invariants: Vec<(String, Step)>,
    must_reach: Vec<String>,
    weather: Range<u64>,
    troubles: Vec<Trouble>,
    crashes: bool,
}

impl CrashTest {
    /// A test of this name, which does nothing yet.
    pub fn new(name: &str) -> Self {
        Self {
            name: name.into(),
            profile: Profile::default(),
            seed: 0x5eed,
            depth: 1,
            faults: Vec::new(),
            given: Box::new(|_| Ok(())),
            scenario: Box::new(|_| Ok(())),
            recover: Box::new(|_| Ok(())),
            invariants: Vec::new(),
            must_reach: Vec::new(),
            weather: 0..0,
            troubles: Trouble::ALL.to_vec(),
            crashes: true,
        }
    }

    /// What a disk promises: as SQLite's unix layer says, unless told otherwise.
    pub fn profile(mut self, profile: Profile) -> Self {
        self.profile = profile;
        self
    }

    /// The seed of ids and other chance; always the same unless told otherwise.
    pub fn seed(mut self, seed: u64) -> Self {
        self.seed = seed;
        self
    }

    /// What was there before: it runs first, without a crash, and is on the disk for certain.
    pub fn given<F>(mut self, given: F) -> Self
    where
        F: Fn(&World) -> Result<(), Failed> + Send + Sync + 'static,
    {
        self.given = Box::new(given);
        self
    }

    /// What runs until the crash.
    pub fn scenario<F>(mut self, scenario: F) -> Self
    where
        F: Fn(&World) -> Result<(), Failed> + Send + Sync + 'static,
    {
        self.scenario = Box::new(scenario);
        self
    }

    /// What runs after it: the programs' own start, until nothing is left to do.
    pub fn recover<F>(mut self, recover: F) -> Self
    where
        F: Fn(&World) -> Result<(), Failed> + Send + Sync + 'static,
    {
        self.recover = Box::new(recover);
        self
    }

    /// What must hold after that. A panic is a no as well, so that assertions do.
    pub fn invariant<F>(mut self, name: &str, holds: F) -> Self
    where
        F: Fn(&World) -> Result<(), Failed> + Send + Sync + 'static,
    {
        self.invariants.push((name.into(), Box::new(holds)));
        self
    }

    /// Lets each call to the disk fail in these ways, one after the other; the scenario may fail
    /// of it, and what it promised must hold all the same.
    pub fn faults(mut self, faults: impl IntoIterator<Item = Fault>) -> Self {
        self.faults = faults.into_iter().collect();
        self
    }

    /// Crashes again while it recovers, so many crashes in a row: one unless told otherwise.
    pub fn depth(mut self, crashes: usize) -> Self {
        self.depth = crashes.max(1);
        self
    }

    /// Places ([`World::reached`]) that the scenario must have passed, or the test says nothing.
    pub fn must_reach<'a>(mut self, names: impl IntoIterator<Item = &'a str>) -> Self {
        self.must_reach.extend(names.into_iter().map(String::from));
        self
    }

    /// Plays the scenario once more for each of these seeds, from what was given, in the weather of
    /// the seed: things are lost between machines, delayed, doubled and overtaken, relays and
    /// consumers are killed and opened again, clocks are set. Then the weather clears, what
    /// recovers runs in the same world, and all must hold.
    pub fn weather(mut self, seeds: Range<u64>) -> Self {
        self.weather = seeds;
        self
    }

    /// Only these kinds of trouble come with the weather: all, unless told otherwise. With none of
    /// them everything arrives, once and in order, and takes its time.
    pub fn troubles(mut self, troubles: impl IntoIterator<Item = Trouble>) -> Self {
        self.troubles = troubles.into_iter().collect();
        self
    }

    /// Tries no crash, and only what else is asked for.
    pub fn without_crashes(mut self) -> Self {
        self.crashes = false;
        self
    }

    /// Runs it, on all processors.
    pub fn run(self) -> Verdict {
        let (base, given) = match self.prepare() {
            Ok(prepared) => prepared,
            Err(why) => return Verdict::HarnessBroken(format!("what is given fails: {why}")),
        };
        let (base, given) = (&base, &*given);
        let (world, ran) = self.play(base, given, Plan::default());
        if let Err(why) = ran {
            return Verdict::HarnessBroken(format!("the scenario fails by itself: {why}"));
        }
        if world.disk().has_strangers() {
            return Verdict::NotMeasured("threads of the scenario use the disk".into());
        }
        let record = world.disk().record();
        if !self.crashes && self.weather.is_empty() && self.faults.is_empty() {
            return Verdict::HarnessBroken("neither crashes nor faults nor weather".into());
        }
        if !record.iter().any(|op| op.machine().is_some()) {
            return Verdict::HarnessBroken("the scenario writes nothing: nothing can crash".into());
        }
        let reached = |name: &String| record.iter().any(|op| op.reaches(name));
        if let Some(missed) = self.must_reach.iter().find(|name| !reached(name)) {
            return Verdict::HarnessBroken(format!("{missed:?} was not reached"));
        }
        let progress = Progress::default();
        let workers = std::thread::available_parallelism().map_or(1, usize::from);
        std::thread::scope(|threads| {
            for worker in 0..workers {
                let (test, progress, record) = (&self, &progress, &record);
                threads.spawn(move || {
                    let past = Past { base, events: given, crashes: &[], strike: None };
                    let mine = |after: usize| after % workers == worker;
                    if test.crashes {
                        test.explore(&past, record, mine, test.depth, progress);
                    }
                    let seeds = test.weather.clone().skip(worker).step_by(workers);
                    seeds.for_each(|seed| test.weathers(&past, seed, progress));
                    test.strike(&past, |call| call % workers as u64 == worker as u64, progress);
                });
            }
        });
        progress.verdict(&self.name, self.seed, base, &record)
    }

    /// What is there before the scenario, safe on the disk.
    fn prepare(&self) -> Result<(Platter, Vec<Event>), String> {
        let world = World::new(self.beginning(Platter::default(), Vec::new(), Duration::ZERO));
        run(&self.given, &world)?;
        let mut disks = Platter::default();
        world.disk().record().iter().for_each(|op| disks.apply(op));
        let image = disks.after(|_| false, &Lost::nothing(0));
        Ok((Platter::from(&image), world.events()))
    }

    /// Runs the scenario from the beginning.
    fn play(&self, base: &Platter, given: &[Event], plan: Plan) -> (World, Result<(), String>) {
        let beginning = self.beginning(base.clone(), given.to_vec(), Duration::ZERO);
        let world = World::new(Beginning { plan, ..beginning });
        let ran = run(&self.scenario, &world);
        (world, ran)
    }

    fn beginning(&self, disks: Platter, past: Vec<Event>, passed: Duration) -> Beginning {
        // A process that starts again draws other numbers.
        let seed = self.seed ^ past.len() as u64;
        Beginning {
            profile: self.profile,
            disks,
            plan: Plan::default(),
            past,
            passed,
            seed,
            sky: None,
        }
    }

    /// The scenario in the weather of one seed; then it clears, and all must hold.
    fn weathers(&self, past: &Past<'_>, seed: u64, progress: &Progress) {
        if progress.has_seen_enough() {
            return;
        }
        let sky = Some(Sky::of_seed(seed, &self.troubles, Duration::ZERO));
        let usual = self.beginning(past.base.clone(), past.events.to_vec(), Duration::ZERO);
        let world = World::new(Beginning { sky, seed: usual.seed ^ seed.rotate_left(32), ..usual });
        let lost = |promise: &str, why| {
            let weathered = Weathered { seed, events: world.events() };
            progress.lost(Loss::in_weather(weathered, promise, why));
        };
        let came_through = || {
            run(&self.scenario, &world).map_err(|why| ("it comes through the weather", why))?;
            world.clear();
            run(&self.recover, &world).map_err(|why| ("it starts again", why))?;
            let late = world.network().carry_all(&world);
            late.map_err(|why| ("what comes late finds its consumer", why.to_string()))
        };
        match came_through() {
            Err((promise, why)) => lost(promise, why),
            Ok(()) => {
                for (name, holds) in &self.invariants {
                    if let Err(why) = run(holds, &world) {
                        lost(name, why);
                    }
                }
            }
        }
        progress.weathered(seed, &world.network().seen(), trace(&world.disk().record()));
        // Nobody looks at what they leave.
        world.disk().while_dying(|| world.network().close());
    }

    /// Each fault at each call; what it leaves in the end must be as good as any crash.
    fn strike(&self, past: &Past<'_>, mine: impl Fn(u64) -> bool, progress: &Progress) {
        for fault in &self.faults {
            for call in 0.. {
                if !mine(call) {
                    continue;
                }
                let plan = Plan::strike_at(*fault, call);
                let (world, ran) = self.play(past.base, past.events, plan);
                if !world.disk().was_struck() {
                    break;
                }
                progress.struck(*fault, ran.is_err());
                let record = world.disk().record();
                drop(world);
                let past = Past { strike: Some(Strike { fault: *fault, call }), ..*past };
                self.explore(&past, &record, |after| after == record.len(), 1, progress);
            }
        }
    }

    /// Crashes after every step of a record, or those that are meant.
    fn explore(
        &self,
        past: &Past<'_>,
        record: &[Op],
        mine: impl Fn(usize) -> bool,
        depth: usize,
        progress: &Progress,
    ) {
        let mut disks = past.base.clone();
        let mut events = past.events.to_vec();
        for after in 0..=record.len() {
            let step = after.checked_sub(1).map(|last| &record[last]);
            if let Some(step) = step {
                disks.apply(step);
                events.extend(step.event().cloned());
            }
            if progress.has_seen_enough() {
                return;
            }
            if !mine(after) {
                continue;
            }
            let unsynced = disks.at_stake(|_| true);
            crashes_after(after, step, &disks, self.seed, &mut |crash, image| {
                if progress.is_new((&image, unsynced), &events, &crash, depth, past.crashes.len()) {
                    let mut crashes = past.crashes.to_vec();
                    let base = crash.leaves(&disks);
                    crashes.push(crash);
                    let past = Past { base: &base, events: &events, crashes: &crashes, ..*past };
                    self.crash(&past, depth, progress);
                }
            });
        }
    }

    /// The programs start again after a crash, and all must hold.
    fn crash(&self, past: &Past<'_>, depth: usize, progress: &Progress) {
        let passed = UNTIL_RESTART * u32::try_from(past.crashes.len()).unwrap_or(u32::MAX);
        let world = World::new(self.beginning(past.base.clone(), past.events.to_vec(), passed));
        let broken = |promise: &str, why| Loss::new(past.crashes, past.strike, promise, why);
        let recovered = run(&self.recover, &world);
        let record = world.disk().record();
        if let Err(why) = recovered {
            return progress.lost(broken("it starts again", why));
        }
        for (name, holds) in &self.invariants {
            if let Err(why) = run(holds, &world) {
                progress.lost(broken(name, why));
            }
        }
        drop(world);
        if depth > 1 {
            self.explore(past, &record, |_| true, depth - 1, progress);
        }
    }
}

/// What was before.
#[derive(Clone, Copy)]
struct Past<'a> {
    base: &'a Platter,
    events: &'a [Event],
    crashes: &'a [Crash],
    strike: Option<Strike>,
}

impl fmt::Debug for CrashTest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CrashTest").field("name", &self.name).finish_non_exhaustive()
    }
}

/// Runs a step of the test; a panic is a failure.
fn run(step: &Step, world: &World) -> Result<(), String> {
    quietly(|| step(world)).and_then(|result| result.map_err(|error| error.to_string()))
}
