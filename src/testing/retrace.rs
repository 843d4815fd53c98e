//! One case once more, step by step: to tell it, and to look for a simpler one.

use super::case::Case;
use super::disk::{Op, Platter};
use super::network::Trouble;
use super::script::{Broken, Script, Start, Weathered};

/// A run between two crashes.
#[derive(Clone, Debug)]
pub(crate) struct Leg {
    /// The disks it began on.
    pub(crate) disks: Platter,
    pub(crate) record: Vec<Op>,
}

/// How a case went.
#[derive(Clone, Debug)]
pub(crate) struct Trail {
    pub(crate) case: Case,
    /// The scenario, and what started again after each crash.
    pub(crate) legs: Vec<Leg>,
    pub(crate) broken: Vec<Broken>,
}

/// Lets cases of one test happen.
#[derive(Clone, Copy)]
pub(crate) struct Tracer<'a> {
    pub(crate) script: &'a Script,
    pub(crate) start: &'a Start,
    pub(crate) troubles: &'a [Trouble],
}

impl Tracer<'_> {
    /// Lets a case happen; none when it cannot, because a run is shorter than the case says. A
    /// trail that began in the same way saves the scenario's run.
    pub(crate) fn retrace(&self, case: &Case, like: Option<&Trail>) -> Option<Trail> {
        let Self { script, start, troubles } = *self;
        if let Some(seed) = case.weather {
            let Weathered { record, broken, .. } = script.weather(start, seed, troubles);
            let legs = vec![Leg { disks: start.disks.clone(), record }];
            return Some(Trail { case: case.clone(), legs, broken });
        }
        let known = like.filter(|like| like.case.strike == case.strike);
        let known = known.and_then(|like| like.legs.first()).map(|leg| leg.record.clone());
        let record = known.unwrap_or_else(|| script.play(start, case.strike).record);
        let mut legs = Vec::new();
        let (mut start, mut record) = (start.clone(), record);
        let mut broken = Vec::new();
        for crash in &case.crashes {
            let leg = Leg { disks: start.disks.clone(), record };
            let done = leg.record.get(..crash.after)?;
            done.iter().for_each(|op| start.disks.apply(op));
            start.events.extend(done.iter().filter_map(Op::event).cloned());
            start.crashes += 1;
            let image = crash.image(&start.disks);
            start.disks = crash.leaves(&start.disks, &image);
            legs.push(leg);
            let restarted = script.restart(&start);
            (record, broken) = (restarted.record, restarted.broken);
        }
        legs.push(Leg { disks: start.disks, record });
        Some(Trail { case: case.clone(), legs, broken })
    }
}
