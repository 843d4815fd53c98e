//! Breadth first through every state, and the shortest way to the first that is wrong.

use super::scope::Scope;
use super::state::State;
use std::collections::HashMap;
use std::fmt;
use std::hash::{BuildHasherDefault, Hasher};
use std::panic::{AssertUnwindSafe, catch_unwind};

/// The steps that lead on from a state.
#[derive(Debug, Default)]
pub(super) struct Steps {
    describe: bool,
    found: Vec<(String, State)>,
    progresses: bool,
}

impl Steps {
    /// Something that happens by itself, sooner or later.
    pub(super) fn progress(&mut self, what: impl FnOnce() -> String, state: State) {
        self.progresses = true;
        self.fault(what, state);
    }

    /// Something that may happen or not.
    pub(super) fn fault(&mut self, what: impl FnOnce() -> String, state: State) {
        let what = if self.describe { what() } else { String::new() };
        self.found.push((what, state));
    }
}

/// What an exploration found.
#[derive(Debug)]
pub(super) struct Report {
    pub(super) states: usize,
    pub(super) depth: usize,
    pub(super) wrong: Option<Counterexample>,
    /// There is more to explore.
    pub(super) cut_short: bool,
}

/// A shortest way to something that must not be.
#[derive(Debug)]
pub(super) struct Counterexample {
    pub(super) what: &'static str,
    pub(super) trace: Vec<String>,
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { states, depth, wrong, cut_short } = self;
        let more = if *cut_short { ", and more" } else { "" };
        write!(f, "{states} states{more}, depth {depth}")?;
        match wrong {
            Some(Counterexample { what, trace }) => write!(f, ": {what}\n{}", trace.join("\n")),
            None => Ok(()),
        }
    }
}

/// States by their fingerprints, and the state each was first reached from.
type Visited = HashMap<u64, u64, BuildHasherDefault<AsItIs>>;

/// Fingerprints are hashes already.
#[derive(Default)]
struct AsItIs(u64);

impl Hasher for AsItIs {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = self.0.rotate_left(8) ^ u64::from(*byte);
        }
    }

    fn write_u64(&mut self, value: u64) {
        self.0 = value;
    }
}

/// Explores a scope to its end, to the first counterexample, or to so many states.
pub(super) fn explore(scope: &Scope, most: usize) -> Report {
    let mut first = State::new(scope);
    let root = first.fingerprint();
    let mut visited = Visited::default();
    visited.insert(root, root);
    let mut layer = vec![(first, root)];
    let mut depth = 0;
    let mut steps = Steps::default();
    while !layer.is_empty() {
        let mut next = Vec::new();
        for (state, place) in layer {
            steps.progresses = false;
            let panicked = catch_unwind(AssertUnwindSafe(|| state.steps(scope, &mut steps)));
            let stuck = match panicked {
                Err(_) => Some("PANIC in a decision"),
                Ok(()) if steps.progresses => None,
                Ok(()) => state.wrong_at_rest(scope),
            };
            let mut wrong = stuck.map(|what| (what, place));
            for (_, mut state) in steps.found.drain(..) {
                let reached = state.fingerprint();
                if visited.contains_key(&reached) {
                    continue;
                }
                visited.insert(reached, place);
                wrong = wrong.or_else(|| state.wrong(scope).map(|what| (what, reached)));
                next.push((state, reached));
            }
            let states = visited.len();
            if let Some((what, place)) = wrong {
                let trace = trace(scope, &visited, root, place);
                let wrong = Some(Counterexample { what, trace });
                return Report { states, depth, wrong, cut_short: false };
            }
            if states > most {
                return Report { states, depth, wrong: None, cut_short: true };
            }
        }
        layer = next;
        depth += 1;
    }
    Report { states: visited.len(), depth, wrong: None, cut_short: false }
}

/// Goes the way again, and tells it.
fn trace(scope: &Scope, visited: &Visited, root: u64, mut place: u64) -> Vec<String> {
    let mut way = Vec::new();
    while place != root {
        way.push(place);
        place = visited[&place];
    }
    let mut state = State::new(scope);
    let mut told = Vec::new();
    for wanted in way.into_iter().rev() {
        let mut steps = Steps { describe: true, ..Steps::default() };
        state.steps(scope, &mut steps);
        for (what, mut reached) in steps.found {
            if reached.fingerprint() == wanted {
                told.push(format!("{:2}. {what}", told.len() + 1));
                state = reached;
                break;
            }
        }
    }
    told.push(format!("    {}", state.summary()));
    told
}
