//! The story of a loss, on one page: which promise, what was lost, how it came, and how to see it
//! again.

use super::disk::{Platter, Strike};
use super::retrace::{Leg, Trail};
use super::script::Broken;
use super::states::{Crash, End};
use super::timeline;
use std::fmt;
use std::fmt::Write as _;

/// So many rows before a crash are told, and of what started again after it.
const ROWS: usize = 16;
/// And of a run in weather.
const ROWS_IN_WEATHER: usize = 120;
/// So many lost pieces are told one by one.
const PIECES: usize = 8;

/// What was lost and how it came to that.
#[derive(Clone, Debug)]
pub struct Story {
    case: String,
    page: String,
}

impl Story {
    pub(crate) fn of(name: &str, trail: &Trail, broken: &Broken) -> Self {
        let Broken { promise, why } = broken;
        let case = trail.case.to_string();
        let mut page = format!("LOST in {name}: {promise}\n  {why}\n\n");
        // Writing to a String does not fail.
        if let Some(Strike { fault, call }) = trail.case.strike {
            let _ = writeln!(page, "  {fault:?} at call {call} of those it may strike");
        }
        let columns = timeline::columns(&trail.legs);
        for (crash, leg) in trail.case.crashes.iter().zip(&trail.legs) {
            timeline::tell(leg, crash.after, ROWS, &columns, &mut page);
            let _ = writeln!(page, "  {:>5}  CRASH: {}", crash.after, crash.end);
            tell_lost(crash, leg, &mut page);
            let _ = writeln!(page, "\n  and it starts again:");
        }
        let rows = if trail.case.weather.is_some() { ROWS_IN_WEATHER } else { ROWS };
        if let Some(last) = trail.legs.last() {
            timeline::tell(last, last.record.len(), rows, &columns, &mut page);
        }
        let _ = writeln!(page, "\n  again:  {}", again(name, &case));
        Self { case, page }
    }

    /// The case, for [`CrashTest::replay`](super::CrashTest::replay).
    #[must_use]
    pub fn case(&self) -> &str {
        &self.case
    }
}

/// The line that lets it happen again.
fn again(name: &str, case: &str) -> String {
    let thread = std::thread::current();
    // The test harness names its threads after the tests.
    let command = match thread.name() {
        Some(test) if test != "main" => format!("cargo test {test}"),
        _ => std::env::args().next().unwrap_or_default(),
    };
    // As a shell has it between single quotes.
    let told = format!("{name}: {case}").replace('\'', r"'\''");
    format!("SUREHAND_REPLAY='{told}' {command}").trim_end().into()
}

fn tell_lost(crash: &Crash, leg: &Leg, page: &mut String) {
    let End::PowerCut { machines, lost } = &crash.end else { return };
    let mut disks: Platter = leg.disks.clone();
    leg.record[..crash.after].iter().for_each(|op| disks.apply(op));
    let is_cut = |machine: &str| machines.contains(machine);
    for name in disks.names_at_stake(is_cut).iter().skip(lost.names_kept) {
        let _ = writeln!(page, "         lost: the folder does not know that {name}");
    }
    let at_stake = disks.describe(is_cut);
    let pieces: Vec<&String> = lost.pieces.iter().filter_map(|it| at_stake.get(*it)).collect();
    for piece in pieces.iter().take(PIECES) {
        let _ = writeln!(page, "         lost: {piece}");
    }
    if let Some(spoilt) = lost.spoilt.and_then(|it| at_stake.get(it)) {
        let _ = writeln!(page, "         spoilt, with its sector: {spoilt}");
    }
    if let Some(more) = pieces.len().checked_sub(PIECES).filter(|more| *more > 0) {
        let _ = writeln!(page, "         lost: {more} more pieces");
    }
}

impl fmt::Display for Story {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.page)
    }
}
