//! What a crash test says, and the story of what was lost.

use super::disk::{Fault, Op, Platter};
use super::events::Event;
use super::network::Troubles;
use super::states::{Crash, End};
use std::fmt;
use std::fmt::Write as _;

/// So many steps before the crash are told.
const TOLD: usize = 12;

/// So many things that happened in a weather are told: all, of most.
const TOLD_OF_WEATHER: usize = 200;

/// What was tried.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Counts {
    /// Crashes, equal ones counted each.
    pub crashes: u64,
    /// Different states after a crash, each of which the programs started on.
    pub states: u64,
    /// Those of them that a crash while starting again left.
    pub recovery_states: u64,
    /// Runs with one fault each.
    pub faults: u64,
    /// Kinds of faults among them.
    pub fault_kinds: u64,
    /// Runs that failed of their fault.
    pub failed_runs: u64,
    /// Runs in the weather of one seed each.
    pub network_seeds: u64,
    /// Things that arrived over the network in them, were lost, or found nobody.
    pub network_events: u64,
    /// How often each kind of trouble happened in them.
    pub troubles: Troubles,
    /// A hash of all that happened in them: two tests that differ nowhere have the same.
    pub trace: u64,
    /// Promises broken.
    pub violations: u64,
}

/// What a crash test says.
#[derive(Clone, Debug)]
#[must_use = "a verdict that nobody reads fails nothing"]
pub enum Verdict {
    /// Everything held after every crash.
    Survived(Counts),
    /// A promise was broken: the simplest case of it.
    Lost(Box<Story>, Counts),
    /// The test cannot tell.
    NotMeasured(String),
    /// The test tests nothing.
    HarnessBroken(String),
}

/// A fault, and the call that it struck.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Strike {
    pub(crate) fault: Fault,
    pub(crate) call: u64,
}

/// A promise that was broken.
#[derive(Clone, Debug)]
pub(crate) struct Loss {
    crashes: Vec<Crash>,
    strike: Option<Strike>,
    weather: Option<Weathered>,
    promise: String,
    why: String,
}

/// The seed of a weather, and what was seen outside while it lasted.
#[derive(Clone, Debug)]
pub(crate) struct Weathered {
    pub(crate) seed: u64,
    pub(crate) events: Vec<Event>,
}

impl Loss {
    pub(crate) fn new(
        crashes: &[Crash],
        strike: Option<Strike>,
        promise: &str,
        why: String,
    ) -> Self {
        let crashes = crashes.to_vec();
        Self { crashes, strike, weather: None, promise: promise.into(), why }
    }

    pub(crate) fn in_weather(weather: Weathered, promise: &str, why: String) -> Self {
        Self { weather: Some(weather), ..Self::new(&[], None, promise, why) }
    }

    /// Fewer crashes are simpler to think about, then fewer lost pieces, then earlier ones.
    pub(crate) fn size(&self) -> (usize, bool, usize, usize) {
        let lost = |crash: &Crash| match &crash.end {
            End::Kill => 0,
            End::PowerCut { lost, .. } => 1 + lost.pieces.len(),
        };
        let happened = self.weather.as_ref().map_or(0, |weather| weather.events.len());
        let first = self.crashes.first().map_or(happened, |crash| crash.after);
        let lost = self.crashes.iter().map(lost).sum();
        (self.crashes.len(), self.strike.is_some(), lost, first)
    }
}

/// What was lost and how it came to that.
#[derive(Clone, Debug)]
pub struct Story(String);

impl Story {
    pub(crate) fn of(loss: Loss, (name, seed): (&str, u64), base: &Platter, record: &[Op]) -> Self {
        let Loss { crashes, strike, weather, promise, why } = loss;
        let mut text = format!("LOST in {name} (seed {seed:#x}): {promise}\n  {why}\n");
        // Writing to a String does not fail.
        if let Some(Strike { fault, call }) = strike {
            let _ = writeln!(text, "  {fault:?} at call {call} of those it may strike");
        }
        for crash in &crashes {
            let _ = writeln!(text, "  after step {}: {}", crash.after, crash.end);
        }
        if let Some(Weathered { seed, events }) = weather {
            let after = seed + 1;
            let _ = writeln!(text, "  weather seed {seed}: once more by .weather({seed}..{after})");
            for event in &events[events.len().saturating_sub(TOLD_OF_WEATHER)..] {
                let _ = writeln!(text, "         {event}");
            }
        }
        if let (None, Some(first)) = (strike, crashes.first()) {
            tell(first, base, record, &mut text);
        }
        Self(text)
    }
}

/// The last steps before a crash, and what of them was lost.
fn tell(crash: &Crash, base: &Platter, record: &[Op], text: &mut String) {
    let mut disks = base.clone();
    record[..crash.after].iter().for_each(|op| disks.apply(op));
    for (number, op) in
        record.iter().enumerate().take(crash.after).skip(crash.after.saturating_sub(TOLD))
    {
        let _ = writeln!(text, "  {:>5}  {}", number + 1, disks.tell(op));
    }
    let End::PowerCut { machines, lost } = &crash.end else { return };
    for name in
        disks.names_at_stake(|machine| machines.contains(machine)).iter().skip(lost.names_kept)
    {
        let _ = writeln!(text, "   lost  {name}, as far as the folder knows");
    }
    let at_stake = disks.describe(|machine| machines.contains(machine));
    for piece in &lost.pieces {
        if let Some((name, place)) = at_stake.get(*piece) {
            let _ = writeln!(text, "   lost  {name} {}..{}", place.start, place.end);
        }
    }
}

impl fmt::Display for Story {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Verdict {
    /// Goes on only when everything held.
    ///
    /// # Panics
    ///
    /// With the story, when it did not.
    #[track_caller]
    pub fn assert_survived(self) -> Counts {
        match self {
            Self::Survived(counts) => counts,
            other => panic!("{other}"),
        }
    }

    /// Goes on only when a promise was broken: for tests of tests.
    ///
    /// # Panics
    ///
    /// When everything held, or nothing was tested.
    #[track_caller]
    pub fn assert_lost(self) -> Counts {
        match self {
            Self::Lost(_, counts) => counts,
            other => panic!("{other}"),
        }
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Survived(counts) => write!(f, "survived: {counts}"),
            Self::Lost(story, counts) => write!(f, "{story}  {counts}"),
            Self::NotMeasured(why) => write!(f, "not measured: {why}"),
            Self::HarnessBroken(why) => write!(f, "the test tests nothing: {why}"),
        }
    }
}

impl fmt::Display for Counts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { states, recovery_states, faults, fault_kinds, violations, .. } = self;
        let Self { network_seeds, network_events, .. } = self;
        write!(
            f,
            "{states} states ({recovery_states} of them left by crashes while starting again), \
             {faults} faults of {fault_kinds} kinds, {network_seeds} seeds of weather with \
             {network_events} network events, {violations} violations"
        )
    }
}
