//! The crashes of a recorded run: after each step, everything that may be left.

use super::disk::{Losses, Lost, Machine, Op, Platter, Profile};
use std::collections::BTreeSet;
use std::fmt;

/// How it ended.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum End {
    /// All processes were killed: what they wrote is there, and not yet safe from a power cut.
    Kill,
    /// Power went at these machines, and so much of what was not synced is lost. The processes on
    /// the others were started again.
    PowerCut { machines: BTreeSet<Machine>, lost: Lost },
}

/// A crash.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Crash {
    /// After so many steps of the record.
    pub(crate) after: usize,
    pub(crate) end: End,
}

/// How many of the losses of a power cut are tried.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Breadth {
    /// All where they are few, and else those that tell something.
    Wide,
    /// Nothing lost, and all.
    Narrow,
}

impl Crash {
    /// The disks after it: what was not synced where power stayed on may still be lost later.
    pub(crate) fn leaves(&self, disks: &Platter) -> Platter {
        match &self.end {
            End::Kill => disks.clone(),
            End::PowerCut { machines, lost } => {
                disks.cut(|machine| machines.contains(machine), lost)
            }
        }
    }

    /// What of it there is not on these disks: a machine, or a piece.
    pub(crate) fn unknown(&self, disks: &Platter) -> Option<String> {
        let End::PowerCut { machines, lost } = &self.end else { return None };
        let known = disks.machines();
        if let Some(machine) = machines.iter().find(|machine| !known.contains(machine)) {
            return Some(format!("there is no machine {machine}"));
        }
        let (pieces, names) = disks.at_stake(|machine| machines.contains(machine));
        let last = lost.pieces.last().max(lost.spoilt.as_ref());
        let beyond = last.filter(|last| **last >= pieces);
        let named = lost.names_kept != Lost::ALL_NAMES && lost.names_kept > names;
        match beyond {
            Some(piece) => Some(format!("of {pieces} unsynced pieces there is no {piece}")),
            None => named.then(|| format!("only {names} names are unsynced")),
        }
    }
}

/// The crashes after one step.
pub(crate) struct Crashes {
    after: usize,
    seed: u64,
    breadth: Breadth,
    cuts: Vec<(BTreeSet<Machine>, Losses)>,
}

impl Crashes {
    /// `disks` are as the steps so far left them.
    pub(crate) fn after(
        after: usize,
        step: Option<&Op>,
        disks: &Platter,
        (seed, profile): (u64, Profile),
        breadth: Breadth,
    ) -> Self {
        let at_stake = |machines: BTreeSet<Machine>| {
            let (pieces, names) = disks.at_stake(|machine| machines.contains(machine));
            (machines, Losses { pieces, names, spoils: profile == Profile::Harsh })
        };
        let cuts = cuts(step, disks).into_iter().map(at_stake).collect();
        Self { after, seed: seed ^ after as u64, breadth, cuts }
    }

    /// For how many power cuts not every loss is tried.
    pub(crate) fn sampled(&self) -> usize {
        let is_sampled = |(_, losses): &&(_, Losses)| match self.breadth {
            Breadth::Wide => !losses.is_exhaustive(),
            Breadth::Narrow => losses.count() > losses.extremes().len(),
        };
        self.cuts.iter().filter(is_sampled).count()
    }

    pub(crate) fn count(&self) -> usize {
        1 + self.cuts.iter().map(|(_, losses)| self.losses(*losses)).sum::<usize>()
    }

    fn losses(&self, losses: Losses) -> usize {
        if self.breadth == Breadth::Wide { losses.count() } else { losses.extremes().len() }
    }

    /// One of them: a kill, and then power cuts.
    pub(crate) fn nth(&self, number: usize) -> Crash {
        let after = self.after;
        let mut left = number.wrapping_sub(1);
        for (machines, losses) in self.cuts.iter().filter(|_| number > 0) {
            let count = self.losses(*losses);
            if left < count {
                let lost = match self.breadth {
                    Breadth::Wide => losses.nth(left, self.seed),
                    Breadth::Narrow => losses.extremes()[left].clone(),
                };
                return Crash { after, end: End::PowerCut { machines: machines.clone(), lost } };
            }
            left -= count;
        }
        Crash { after, end: End::Kill }
    }

    pub(crate) fn all(&self) -> impl Iterator<Item = Crash> {
        (0..self.count()).map(|number| self.nth(number))
    }
}

/// The machines that lose power together: the one whose step it was, each of them after what
/// happened outside, and all.
fn cuts(step: Option<&Op>, disks: &Platter) -> Vec<BTreeSet<Machine>> {
    let all: BTreeSet<Machine> = disks.machines().into_iter().collect();
    let mut cuts: Vec<BTreeSet<Machine>> = match step.and_then(Op::machine) {
        Some(machine) => vec![[machine.clone()].into()],
        None => all.iter().map(|machine| [machine.clone()].into()).collect(),
    };
    if all.len() > 1 {
        cuts.push(all);
    }
    cuts
}

impl fmt::Display for End {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Kill => f.write_str("all processes are killed"),
            Self::PowerCut { machines, lost } => {
                let machines: Vec<&str> = machines.iter().map(|machine| &**machine).collect();
                let (machines, pieces) = (machines.join(" and "), lost.pieces.len());
                write!(f, "power cut at {machines}, {pieces} pieces of unsynced writes are lost")?;
                f.write_str(if lost.grown { ", zeroes are in their places" } else { "" })
            }
        }
    }
}
