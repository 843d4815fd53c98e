//! Holds what a run found against the bars.

use crate::Outcome;
use crate::plan::{Bar, Bound, Figure, bars};
use crate::report::figure;
use crate::results::{Results, spread};
use std::collections::BTreeMap;
use std::path::PathBuf;

#[derive(clap::Args)]
pub struct Arguments {
    #[arg(long, default_value = "bench/results.json")]
    results: PathBuf,
}

pub struct Verdict {
    pub what: String,
    pub bound: String,
    pub value: Result<f64, String>,
    pub standing: Standing,
}

/// What became of a bar.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    Passed,
    Missed,
    /// A quick run has no time for it.
    NotMeasured,
    /// A peer is ahead, for a reason.
    Conceded(&'static str),
}

/// Says each bar that is missed; whether there is none.
pub fn run(arguments: &Arguments) -> Outcome<bool> {
    let text = std::fs::read_to_string(&arguments.results)
        .map_err(|error| format!("{}: {error}", arguments.results.display()))?;
    let results: Results = serde_json::from_str(&text)?;
    let (mut passed, mut missed) = (0, 0);
    for Verdict { what, bound, value, standing } in verdicts(&results) {
        let value = value.map_or_else(|why| why, figure);
        match standing {
            Standing::Passed => passed += 1,
            Standing::Missed => {
                missed += 1;
                println!("missed: {what}: {value}, and has to be {bound}");
            }
            Standing::NotMeasured => println!("not measured by --quick: {what}"),
            Standing::Conceded(why) => println!("ahead of us: {what}: {value} ({why})"),
        }
    }
    println!("{passed} bars passed, {missed} missed");
    Ok(missed == 0)
}

pub fn verdicts(results: &Results) -> Vec<Verdict> {
    bars(results).iter().map(|bar| verdict(results, bar)).collect()
}

fn verdict(results: &Results, bar: &Bar) -> Verdict {
    let value = value(results, &bar.figure);
    let (bound, holds) = match bar.bound {
        Bound::AtLeast(bound) => {
            (format!("at least {}", figure(bound)), value.as_ref().map(|value| *value >= bound))
        }
        Bound::AtMost(bound) => {
            (format!("at most {}", figure(bound)), value.as_ref().map(|value| *value <= bound))
        }
    };
    let standing = match (holds, bar.conceded) {
        (Ok(true), _) => Standing::Passed,
        (Ok(false), Some(why)) => Standing::Conceded(why),
        (Err(why), _) if results.quick && why == NOT_MEASURED => Standing::NotMeasured,
        _ => Standing::Missed,
    };
    Verdict { what: bar.what.clone(), bound, value, standing }
}

const NOT_MEASURED: &str = "not measured";

/// The numbers that were there when the baseline was taken: `bench/instructions.json`.
const BASELINE: &str = include_str!("../instructions.json");

/// Of this program, by the baseline.
fn instructions(results: &Results, program: &str) -> Result<f64, String> {
    let found = results.instructions.iter().find(|found| found.program == program);
    let found = found.ok_or(NOT_MEASURED)?;
    let number = found.per_message.ok_or_else(|| found.cannot.clone().unwrap_or_default())?;
    let baseline: BTreeMap<String, f64> =
        serde_json::from_str(BASELINE).map_err(|error| error.to_string())?;
    let baseline = baseline.get(program).ok_or("there is no baseline")?;
    Ok(number / baseline)
}

fn value(results: &Results, figure: &Figure) -> Result<f64, String> {
    let (name, sides, metric) = match figure {
        Figure::Instructions(program) => return instructions(results, program),
        Figure::Ratio { group, top, under, metric } => (group, vec![top, under], metric),
        Figure::Median { group, side, metric } | Figure::Worst { group, side, metric } => {
            (group, vec![side], metric)
        }
    };
    let group = results.group(name).ok_or(NOT_MEASURED)?;
    let found: Option<Vec<_>> = sides.iter().map(|side| group.side(side)).collect();
    let found = found.ok_or(NOT_MEASURED)?;
    if let Some(why) = found.iter().find_map(|side| side.cannot()) {
        return Err(format!("no figure: {why}"));
    }
    let values = match found[..] {
        [top, under] => group.ratios(top, under, metric),
        [side] => side.values(metric),
        _ => Vec::new(),
    };
    let spread = spread(values).ok_or_else(|| format!("no figure named {metric}"))?;
    Ok(if matches!(figure, Figure::Worst { .. }) { spread.most } else { spread.median })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::reading::Reading;
    use crate::results::{GroupResult, SideResult};

    fn side(name: &str, counts: &[u64]) -> SideResult {
        let reading = |count: &u64| Reading { count: *count, seconds: 1.0, ..Reading::default() };
        let readings = counts.iter().map(reading).collect();
        SideResult { name: name.into(), readings, ..SideResult::default() }
    }

    fn of(quick: bool, sides: Vec<SideResult>) -> Results {
        let group = GroupResult { name: "group".into(), sides, ..GroupResult::default() };
        Results { quick, groups: vec![group], ..Results::default() }
    }

    fn at_least(bound: f64) -> Bar {
        let (group, top, under) = ("group".into(), "ours".into(), "floor".into());
        let figure = Figure::Ratio { group, top, under, metric: "rate" };
        Bar { what: "a bar".into(), figure, bound: Bound::AtLeast(bound), conceded: None }
    }

    #[test]
    fn ratios_are_taken_within_a_round() {
        let sides = vec![side("ours", &[50, 500, 5]), side("floor", &[100, 1_000, 100])];
        let results = of(false, sides);
        assert_eq!(verdict(&results, &at_least(0.5)).value, Ok(0.5));
        assert_eq!(verdict(&results, &at_least(0.5)).standing, Standing::Passed);
        assert_eq!(verdict(&results, &at_least(0.6)).standing, Standing::Missed);
        let conceded = Bar { conceded: Some("it may"), ..at_least(0.6) };
        assert_eq!(verdict(&results, &conceded).standing, Standing::Conceded("it may"));
    }

    #[test]
    fn what_was_not_measured_is_missed_unless_the_run_was_quick() {
        let standing =
            |quick| verdict(&of(quick, vec![side("ours", &[1])]), &at_least(0.5)).standing;
        assert_eq!((standing(false), standing(true)), (Standing::Missed, Standing::NotMeasured));
    }

    #[test]
    fn what_failed_is_missed_in_any_run() {
        let mut floor = side("floor", &[1]);
        floor.readings[0].cannot = Some("it hangs".into());
        let verdict = verdict(&of(true, vec![side("ours", &[1]), floor]), &at_least(0.5));
        assert_eq!(verdict.standing, Standing::Missed);
        assert_eq!(verdict.value, Err("no figure: it hangs".into()));
    }
}
