//! Goes through everything that may happen to a script, part by part.

use super::budget::{Budget, Part};
use super::case::Case;
use super::disk::{Fault, Op, Strike};
use super::memory;
use super::network::Trouble;
use super::progress::{Progress, State};
use super::script::{Calls, Script, Start};
use super::states::{Breadth, Crash, Crashes, End};
use std::ops::Range;

/// At most so many of SQLite's allocations are refused, each in a run of its own.
const ALLOCATIONS: u64 = 1_000;

/// What a test tries.
#[derive(Clone, Debug)]
pub(crate) struct Aim {
    pub(crate) depth: usize,
    /// The first crash is a kill.
    pub(crate) killed_first: bool,
    pub(crate) faults: Vec<Fault>,
    /// Whether crashes are tried at all.
    pub(crate) crashes: bool,
    /// Seeds of weather.
    pub(crate) weather: Range<u64>,
    pub(crate) troubles: Vec<Trouble>,
    /// Only this, of all that may happen.
    pub(crate) layer: Option<Layer>,
}

/// A way to look for mistakes, to tell which of them finds which.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Layer {
    /// The scenario runs to its end, and the programs start again: what most tests do.
    Plain,
    /// All processes are killed, after each step.
    Kill,
    /// Power goes, after each step.
    PowerCut,
    /// A call fails; then the scenario runs to its end, and the programs start again.
    Fault,
    /// The network, the programs and the clocks have weather.
    Network,
}

impl Aim {
    /// Whether a crash is to be tried. The last step is that of a run that ends by itself.
    fn wants(&self, crash: &Crash, is_first: bool, is_last: bool) -> bool {
        if is_first && self.killed_first && crash.end != End::Kill {
            return false;
        }
        match self.layer {
            None | Some(Layer::Network) => true,
            Some(Layer::Plain | Layer::Fault) => is_last && crash.end == End::Kill,
            Some(Layer::Kill) => crash.end == End::Kill,
            Some(Layer::PowerCut) => crash.end != End::Kill,
        }
    }
}

pub(crate) struct Explorer<'a> {
    pub(crate) script: &'a Script,
    pub(crate) aim: &'a Aim,
    pub(crate) start: &'a Start,
    pub(crate) record: &'a [Op],
    pub(crate) calls: &'a Calls,
    pub(crate) progress: &'a Progress,
    pub(crate) budget: &'a Budget,
}

/// A record, and which of its crashes are meant.
#[derive(Clone, Copy)]
struct Stretch<'a> {
    start: &'a Start,
    record: &'a [Op],
    /// What led to it.
    case: &'a Case,
    /// Not before this step.
    from: usize,
    breadth: Breadth,
    depth: usize,
    part: Option<Part>,
}

impl Explorer<'_> {
    /// Takes parts of the work until none is left, or time is over.
    pub(crate) fn work(&self) {
        while let Some(part) = self.budget.take() {
            let whole = Stretch {
                start: self.start,
                record: self.record,
                case: &Case::default(),
                from: 0,
                breadth: Breadth::Wide,
                depth: self.aim.depth,
                part: Some(part),
            };
            if self.aim.crashes && !matches!(self.aim.layer, Some(Layer::Fault | Layer::Network)) {
                self.crashes(whole);
            }
            if matches!(self.aim.layer, None | Some(Layer::Fault)) {
                self.strikes(part);
            }
            if matches!(self.aim.layer, None | Some(Layer::Network)) {
                self.weathers(part);
            }
            if self.is_over() {
                return;
            }
            self.budget.done();
        }
    }

    fn is_over(&self) -> bool {
        self.budget.is_over() || self.progress.has_seen_enough()
    }

    /// Crashes after every step of a stretch.
    fn crashes(&self, stretch: Stretch<'_>) {
        let Stretch { start, record, part, .. } = stretch;
        let mut here = start.clone();
        let mut number = 0;
        for after in 0..=record.len() {
            let step = after.checked_sub(1).map(|last| &record[last]);
            step.into_iter().for_each(|step| here.apply(step));
            let ends = after == record.len();
            if after < stretch.from || !ends && step.is_some_and(Op::changes_nothing) {
                continue;
            }
            // Where it ends it is looked at as closely as anywhere, and at each machine.
            let breadth = if ends { Breadth::Wide } else { stretch.breadth };
            let step = step.filter(|_| !ends);
            let all = Crashes::after(after, step, &here.disks, self.script.ground(), breadth);
            if part.is_none_or(|part| part.has(after as u64)) {
                self.progress.sampled(all.sampled());
            }
            for nth in 0..all.count() {
                number += 1;
                if part.is_some_and(|part| !part.has(number)) {
                    continue;
                }
                if self.is_over() {
                    return;
                }
                let crash = all.nth(nth);
                let is_first = stretch.case.crashes.is_empty();
                if self.aim.wants(&crash, is_first, ends) {
                    self.crash(&stretch, &here, crash);
                }
            }
        }
    }

    /// The programs start again after a crash, and all must hold.
    fn crash(&self, stretch: &Stretch<'_>, here: &Start, crash: Crash) {
        let Stretch { case, depth, .. } = *stretch;
        let left = here.after(&crash);
        if !self.progress.is_new(State { left: &left, depth }, case.crashes.len()) {
            return;
        }
        let restarted = self.script.restart(&left);
        if restarted.has_strangers {
            self.progress.met_strangers();
        }
        let case = case.and(crash);
        let starts = restarted.broken.iter().all(|broken| !broken.is_the_start());
        for broken in restarted.broken {
            self.progress.lost(&case, broken);
        }
        if depth > 1 && starts {
            self.crashes(Stretch {
                start: &left,
                record: &restarted.record,
                case: &case,
                from: 0,
                breadth: Breadth::Wide,
                depth: depth - 1,
                part: None,
            });
        }
    }

    /// Each fault at each call. What the scenario does with it is its own matter; but whenever it
    /// crashes after that, what it promised must hold.
    fn strikes(&self, part: Part) {
        for (strike, _) in (self.every_strike().zip(0..)).filter(|(_, number)| part.has(*number)) {
            if self.is_over() {
                return;
            }
            let played = self.script.play(self.start, Some(strike));
            if played.has_strangers {
                return self.progress.met_strangers();
            }
            let Some(from) = played.struck_at else { continue };
            self.progress.struck(strike.fault, played.ended.is_err());
            self.crashes(Stretch {
                start: self.start,
                record: &played.record,
                case: &Case::struck_by(strike),
                from,
                breadth: Breadth::Narrow,
                depth: self.aim.depth,
                part: None,
            });
        }
    }

    /// The scenario in the weather of each seed.
    fn weathers(&self, part: Part) {
        for seed in self.aim.weather.clone().filter(|seed| part.has(*seed)) {
            if self.is_over() {
                return;
            }
            let weathered = self.script.weather(self.start, seed, &self.aim.troubles);
            if weathered.has_strangers {
                return self.progress.met_strangers();
            }
            self.progress.weathered(seed, &weathered);
            for broken in weathered.broken {
                self.progress.lost(&Case::in_weather(seed), broken);
            }
        }
    }

    fn every_strike(&self) -> impl Iterator<Item = Strike> {
        self.aim.faults.iter().flat_map(|fault| {
            let calls = match fault {
                Fault::Memory if !memory::take_over() => 0,
                fault => self.calls.of(*fault),
            };
            let stride = match fault {
                Fault::Memory => calls.div_ceil(ALLOCATIONS).max(1),
                _ => 1,
            };
            (0..calls)
                .step_by(usize::try_from(stride).unwrap_or(usize::MAX))
                .map(|call| Strike { fault: *fault, call })
        })
    }
}
