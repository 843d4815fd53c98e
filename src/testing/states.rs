//! Every crash of a recorded run: after each step, everything that may be left.

use super::disk::{Image, Losses, Lost, Machine, Op, Platter};
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

impl Crash {
    /// What the disks hold after it.
    pub(crate) fn leaves(&self, disks: &Platter) -> Platter {
        match &self.end {
            End::Kill => disks.clone(),
            End::PowerCut { machines, lost } => {
                Platter::from(&disks.after(|machine| machines.contains(machine), lost))
            }
        }
    }
}

/// The programs are killed after one step; `disks` are as the steps before left them.
pub(crate) fn kill_after(after: usize, disks: &Platter, visit: &mut impl FnMut(Crash, Image)) {
    let nothing = Lost::nothing(usize::MAX);
    visit(Crash { after, end: End::Kill }, disks.after(|_| false, &nothing));
}

/// Goes through the power cuts after one step.
pub(crate) fn power_cuts_after(
    after: usize,
    step: Option<&Op>,
    disks: &Platter,
    seed: u64,
    visit: &mut impl FnMut(Crash, Image),
) {
    for machines in cuts(step, disks) {
        let (pieces, names) = disks.at_stake(|machine| machines.contains(machine));
        for lost in (Losses { pieces, names }).all(seed ^ after as u64) {
            let image = disks.after(|machine| machines.contains(machine), &lost);
            let end = End::PowerCut { machines: machines.clone(), lost };
            visit(Crash { after, end }, image);
        }
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
                let (machines, lost) = (machines.join(" and "), lost.pieces.len());
                write!(f, "power cut at {machines}, {lost} pieces of unsynced writes are lost")
            }
        }
    }
}
