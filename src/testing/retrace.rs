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
    /// Lets a case happen; says why when it cannot. A trail that began in the same way saves the
    /// scenario's run.
    pub(crate) fn retrace(&self, case: &Case, like: Option<&Trail>) -> Result<Trail, String> {
        let Self { script, start, troubles } = *self;
        if let Some(seed) = case.weather {
            let Weathered { record, broken, .. } = script.weather(start, seed, troubles);
            let legs = vec![Leg { disks: start.disks.clone(), record }];
            return Ok(Trail { case: case.clone(), legs, broken });
        }
        let known = like.filter(|like| like.case.strike == case.strike);
        let known = known.and_then(|like| like.legs.first()).map(|leg| leg.record.clone());
        let mut record = match known {
            Some(record) => record,
            None => self.play(case)?,
        };
        let mut legs = Vec::new();
        let mut start = start.clone();
        let mut broken = Vec::new();
        for crash in &case.crashes {
            let leg = Leg { disks: start.disks.clone(), record };
            let done = leg.record.get(..crash.after);
            let done = done.ok_or_else(|| format!("there are {} steps", leg.record.len()))?;
            done.iter().for_each(|op| start.apply(op));
            if let Some(why) = crash.unknown(&start.disks) {
                return Err(why);
            }
            start = start.after(crash);
            legs.push(leg);
            let restarted = script.restart(&start);
            (record, broken) = (restarted.record, restarted.broken);
        }
        legs.push(Leg { disks: start.disks, record });
        Ok(Trail { case: case.clone(), legs, broken })
    }

    /// The scenario, which its fault has to strike.
    fn play(&self, case: &Case) -> Result<Vec<Op>, String> {
        let played = self.script.play(self.start, case.strike);
        match case.strike.filter(|_| played.struck_at.is_none()) {
            Some(strike) => Err(format!("{:?} strikes no call {}", strike.fault, strike.call)),
            None => Ok(played.record),
        }
    }
}
