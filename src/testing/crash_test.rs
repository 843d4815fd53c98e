//! A test of what survives: a scenario, how its programs start again, and what must hold then.

use super::budget::{self, Budget, PARTS};
use super::case::Case;
use super::certificate::Certificate;
use super::disk::{Fault, Op, Profile};
use super::events::Event;
use super::explore::{Aim, Explorer, Layer};
use super::memory;
use super::network::Trouble;
use super::progress::{ENOUGH, Progress};
use super::retrace::Tracer;
use super::script::{Broken, Failed, Script, Start};
use super::shrink::simplest;
use super::story::Story;
use super::ticker;
use super::verdict::{Counts, Verdict};
use super::world::World;
use crate::mistake::Mistake;
use std::ops::Range;
use std::sync::mpsc;
use std::time::Duration;
use std::{env, fmt, thread};

/// In the environment: how much time each test has.
const BUDGET: &str = "SUREHAND_BUDGET";
/// Why a test with threads says nothing, and what to do.
const THREADS: &str = "threads use the disk, and nobody orders them: World::run and World::link do \
    what a runtime and Local do otherwise, World::async_outbox what AsyncOutbox::start does";
/// In the environment: the one case of one test to run.
const REPLAY: &str = "SUREHAND_REPLAY";

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
    script: Script,
    aim: Aim,
    must_reach: Vec<String>,
    budget: Option<Duration>,
    replay: Option<String>,
}

impl CrashTest {
    /// A test of this name, which does nothing yet.
    pub fn new(name: &str) -> Self {
        Self {
            name: name.into(),
            script: Script::new(),
            aim: Aim {
                depth: 1,
                killed_first: false,
                faults: Vec::new(),
                crashes: true,
                weather: 0..0,
                troubles: Trouble::ALL.to_vec(),
                layer: None,
            },
            must_reach: Vec::new(),
            budget: None,
            replay: None,
        }
    }

    /// What a disk promises: as SQLite's unix layer says, unless told otherwise.
    pub fn profile(mut self, profile: Profile) -> Self {
        self.script.profile = profile;
        self
    }

    /// The seed of ids and other chance; always the same unless told otherwise.
    pub fn seed(mut self, seed: u64) -> Self {
        self.script.seed = seed;
        self
    }

    /// What was there before: it runs first, without a crash, and is on the disk for certain.
    pub fn given<F>(mut self, given: F) -> Self
    where
        F: Fn(&World) -> Result<(), Failed> + Send + Sync + 'static,
    {
        self.script.given = Box::new(given);
        self
    }

    /// What runs until the crash.
    pub fn scenario<F>(mut self, scenario: F) -> Self
    where
        F: Fn(&World) -> Result<(), Failed> + Send + Sync + 'static,
    {
        self.script.scenario = Box::new(scenario);
        self
    }

    /// What runs after it: the programs' own start, until nothing is left to do.
    pub fn recover<F>(mut self, recover: F) -> Self
    where
        F: Fn(&World) -> Result<(), Failed> + Send + Sync + 'static,
    {
        self.script.recover = Box::new(recover);
        self
    }

    /// What must hold after that. A panic is a no as well, so that assertions do.
    pub fn invariant<F>(mut self, name: &str, holds: F) -> Self
    where
        F: Fn(&World) -> Result<(), Failed> + Send + Sync + 'static,
    {
        self.script.invariants.push((name.into(), Box::new(holds)));
        self
    }

    /// Leaves out what is looked at unasked after every recovery: that each database is whole, and
    /// that no consumer knows of a message that its producer did not send. For scenarios that set
    /// out to break that, with a restored copy for instance.
    pub fn without_audit(mut self) -> Self {
        self.script.audits = false;
        self
    }

    /// Lets each call to the disk fail in these ways, one after the other; the scenario may fail
    /// of it, and what it promised must hold all the same, whenever it crashes after that.
    pub fn faults(mut self, faults: impl IntoIterator<Item = Fault>) -> Self {
        self.aim.faults = faults.into_iter().collect();
        self
    }

    /// Crashes again while it recovers, so many crashes in a row: one unless told otherwise.
    pub fn depth(mut self, crashes: usize) -> Self {
        self.aim.depth = crashes.max(1);
        self
    }

    /// First the programs are killed and the power stays on: what they wrote is there, synced or
    /// not. Power goes while they start again, if the [`depth`](Self::depth) is more than one.
    pub fn killed_first(mut self) -> Self {
        self.aim.killed_first = true;
        self
    }

    /// Places ([`World::reached`]) that the scenario must have passed, or the test says nothing.
    pub fn must_reach<'a>(mut self, names: impl IntoIterator<Item = &'a str>) -> Self {
        self.must_reach.extend(names.into_iter().map(String::from));
        self
    }

    /// Plays the scenario once more for each of these seeds, from what was given, in the weather of
    /// the seed: things are lost between machines, delayed, doubled and overtaken; relays of
    /// [`World::together`] and consumers that [`World::consumer`] can open again are killed, and
    /// clocks are set meanwhile. Then the weather clears, what recovers runs in the same world, and
    /// all must hold.
    pub fn weather(mut self, seeds: Range<u64>) -> Self {
        self.aim.weather = seeds;
        self
    }

    /// Only these kinds of trouble come with the weather: all, unless told otherwise. With none of
    /// them everything arrives, once and in order, and takes its time.
    pub fn troubles(mut self, troubles: impl IntoIterator<Item = Trouble>) -> Self {
        self.aim.troubles = troubles.into_iter().collect();
        self
    }

    /// Tries no crash of a scenario that nothing befalls, and only what else is asked for.
    pub fn without_crashes(mut self) -> Self {
        self.aim.crashes = false;
        self
    }

    /// Lets the library make a mistake, in the scenario and while it starts again.
    #[doc(hidden)]
    pub fn mistake(mut self, mistake: Mistake) -> Self {
        self.script.mistake = Some(mistake);
        self
    }

    /// Tries only this, and stops at the first loss.
    #[doc(hidden)]
    pub fn only(mut self, layer: Layer) -> Self {
        self.aim.layer = Some(layer);
        self
    }

    /// Takes no more time than this: then it tries a sample, and says so. `SUREHAND_BUDGET` in the
    /// environment (`20s`, `500ms`, `2m`) is stronger.
    pub fn budget(mut self, time: Duration) -> Self {
        self.budget = Some(time);
        self
    }

    /// Runs nothing but this one case, which a [`Story`](super::Story) told. `SUREHAND_REPLAY` in
    /// the environment (`name: case`) does the same for the test of that name.
    pub fn replay(mut self, case: &str) -> Self {
        self.replay = Some(case.into());
        self
    }

    /// Runs it, on all processors.
    pub fn run(self) -> Verdict {
        match self.try_run() {
            Ok(verdict) => verdict,
            Err(why) => Verdict::HarnessBroken(why),
        }
    }

    fn try_run(&self) -> Result<Verdict, String> {
        let budget = Budget::new(self.time()?);
        let replayed = self.replayed()?;
        let mut start =
            self.script.prepare().map_err(|why| format!("what is given fails: {why}"))?;
        let played = self.script.play(&start, None);
        start.named = played.named;
        if let Some(case) = replayed {
            return self.replay_case(&start, &case);
        }
        played.ended.map_err(|why| format!("the scenario fails by itself: {why}"))?;
        if played.has_strangers {
            return Ok(Verdict::NotMeasured(THREADS.into()));
        }
        if self.aim.faults == [Fault::Memory] && !memory::take_over() {
            let why = "SQLite was in use before the kit, which cannot refuse memory to it";
            return Ok(Verdict::NotMeasured(why.into()));
        }
        self.check(&played.record)?;
        let enough = if self.aim.layer.is_some() { 1 } else { ENOUGH };
        let progress = Progress::new(enough);
        let explorer = Explorer {
            script: &self.script,
            aim: &self.aim,
            start: &start,
            record: &played.record,
            calls: &played.calls,
            progress: &progress,
            budget: &budget,
        };
        self.work(&explorer);
        if progress.has_met_strangers() {
            return Ok(Verdict::NotMeasured(THREADS.into()));
        }
        let Counts { crashes, faults, network_seeds, network_events, .. } = progress.counts();
        if crashes + faults + network_seeds == 0 {
            return Err("nothing was tried: there was no time, or nothing to try".into());
        }
        if network_seeds > 0 && network_events == 0 {
            return Err("in no weather anything went over the network".into());
        }
        let verdict = self.verdict(&start, progress, &budget);
        match self.unasked(&played.record) {
            Some(what) if matches!(verdict, Verdict::Survived(_)) => {
                Err(format!("{what:?} is promised, and nobody asks whether it is kept"))
            }
            _ => Ok(verdict),
        }
    }

    /// What the scenario promises, and no invariant asks for.
    fn unasked(&self, record: &[Op]) -> Option<String> {
        let asked = self.script.asked();
        let promised = record.iter().filter_map(Op::event).filter_map(Event::promise);
        promised.map(String::from).find(|what| !asked.contains(what))
    }

    /// Whether the record can tell anything.
    fn check(&self, record: &[Op]) -> Result<(), String> {
        if !self.aim.crashes && self.aim.weather.is_empty() && self.aim.faults.is_empty() {
            return Err("neither crashes nor faults nor weather".into());
        }
        if self.script.invariants.is_empty() && !self.script.audits {
            return Err("nothing is looked at: there is neither an invariant nor the audit".into());
        }
        if !record.iter().any(|op| op.machine().is_some()) {
            return Err("the scenario writes nothing: nothing can crash".into());
        }
        // With a mistake, a place that is not reached is what it does: let that show otherwise.
        let is_mistaken = self.script.mistake.is_some();
        let reached = |name: &String| is_mistaken || record.iter().any(|op| op.reaches(name));
        match self.must_reach.iter().find(|name| !reached(name)) {
            Some(missed) => Err(format!("{missed:?} was not reached")),
            None => Ok(()),
        }
    }

    /// On all processors, and one thread tells how far it is.
    fn work(&self, explorer: &Explorer<'_>) {
        let workers = thread::available_parallelism().map_or(1, usize::from);
        let (working, gone) = mpsc::channel::<()>();
        thread::scope(|threads| {
            let (progress, budget) = (explorer.progress, explorer.budget);
            threads.spawn(move || ticker::tell(&self.name, progress, budget, &gone));
            for _ in 0..workers {
                let working = working.clone();
                threads.spawn(move || {
                    explorer.work();
                    drop(working);
                });
            }
            drop(working);
        });
    }

    fn verdict(&self, start: &Start, progress: Progress, budget: &Budget) -> Verdict {
        let found = progress.into_found();
        let counts = Counts { parts_done: budget.parts_done(), parts: PARTS, ..found.counts };
        let has_struck = |fault: &Fault| found.faults.contains(fault);
        let idle = self.aim.faults.iter().filter(|it| !has_struck(it)).copied().collect();
        let troubles = self.aim.troubles.iter().filter(|_| counts.network_seeds > 0);
        let idle_troubles = troubles.filter(|it| counts.troubles.of(**it) == 0).copied().collect();
        let certificate = |verdict| Certificate {
            idle_faults: idle,
            idle_troubles,
            ..self.certificate(verdict, counts)
        };
        let Some((case, broken)) = found.simplest() else {
            return Verdict::Survived(Box::new(certificate("survived")));
        };
        self.lost(start, &case, &broken, certificate("lost"))
    }

    /// Looks for the simplest case like this one, and tells it.
    fn lost(&self, start: &Start, case: &Case, broken: &Broken, made: Certificate) -> Verdict {
        let trail = match self.tracer(start).retrace(case, None) {
            Ok(trail) => trail,
            Err(why) => {
                let why = format!("{case} was lost, and cannot be seen again: {why}");
                return Verdict::NotMeasured(why);
            }
        };
        if !trail.broken.iter().any(|again| again.promise == broken.promise) {
            let why = format!("{broken:?} after {case}, and not the second time");
            return Verdict::NotMeasured(why);
        }
        let trail = simplest(&self.tracer(start), trail, &broken.promise);
        let is_it = |again: &&Broken| again.promise == broken.promise;
        let broken = trail.broken.iter().find(is_it).unwrap_or(broken);
        Verdict::Lost(Box::new(Story::of(&self.name, &trail, broken)), Box::new(made))
    }

    fn tracer<'a>(&'a self, start: &'a Start) -> Tracer<'a> {
        Tracer { script: &self.script, start, troubles: &self.aim.troubles }
    }

    fn replay_case(&self, start: &Start, case: &Case) -> Result<Verdict, String> {
        let trail = self.tracer(start).retrace(case, None);
        let trail = trail.map_err(|why| format!("{case} cannot be: {why}"))?;
        // One case is a sample, and no certificate is made of it.
        let one = Counts { parts: PARTS, ..Counts::default() };
        let counts = match case.weather {
            Some(_) => Counts { network_seeds: 1, ..one },
            None => Counts { crashes: 1, states: 1, ..one },
        };
        Ok(match trail.broken.first() {
            None => Verdict::Survived(Box::new(self.certificate("survived", counts))),
            Some(broken) => {
                let counts = Counts { violations: trail.broken.len() as u64, ..counts };
                let story = Story::of(&self.name, &trail, broken);
                Verdict::Lost(Box::new(story), Box::new(self.certificate("lost", counts)))
            }
        })
    }

    fn certificate(&self, verdict: &str, counts: Counts) -> Certificate {
        Certificate {
            test: self.name.clone(),
            verdict: verdict.into(),
            profile: self.script.profile,
            seed: self.script.seed,
            depth: self.aim.depth,
            counts,
            idle_faults: Vec::new(),
            idle_troubles: Vec::new(),
            sqlite: rusqlite::version().into(),
            surehand: env!("CARGO_PKG_VERSION").into(),
        }
    }

    /// How much time there is.
    fn time(&self) -> Result<Option<Duration>, String> {
        match env::var(BUDGET) {
            Err(_) => Ok(self.budget),
            Ok(text) => match budget::time(&text) {
                Some(time) => Ok(Some(time)),
                None => Err(format!("{BUDGET}={text} is no time: 20s, 500ms, 2m")),
            },
        }
    }

    /// The one case that is to be run, if it is only that.
    fn replayed(&self) -> Result<Option<Case>, String> {
        let told = env::var(REPLAY).ok();
        let told = told.as_deref().and_then(|told| told.strip_prefix(&self.name));
        let told = told.and_then(|told| told.strip_prefix(": "));
        let Some(text) = told.or(self.replay.as_deref()) else { return Ok(None) };
        text.parse().map(Some).map_err(|why| format!("{text:?} is no case: {why}"))
    }
}

impl fmt::Debug for CrashTest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CrashTest").field("name", &self.name).finish_non_exhaustive()
    }
}
