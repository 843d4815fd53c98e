//! What was measured, as a table for `docs/guarantees.md`.

use super::{Found, Measured};
use crate::page::{self, Part};
use crate::support::grouped;
use std::fmt::Write as _;
use surehand::rusqlite;

/// Compares the page with what was measured; with `SUREHAND_WRITE_DOCS=1` it is written instead.
///
/// With another SQLite than the one it names, the page's figures may differ, its answers may not.
#[track_caller]
pub(crate) fn check(disks: &[(&str, &[Measured])]) {
    let part = Part::of("guarantees.md", "calibration");
    let measured = tables(disks);
    if page::are_written() {
        return part.write(&measured);
    }
    let written = part.read();
    let same = match written.contains(&version()) {
        true => written == measured,
        false => without_figures(&written) == without_figures(&measured),
    };
    assert!(
        same,
        "docs/guarantees.md does not say what was measured; look at why, and then write it anew: \
         SUREHAND_WRITE_DOCS=1 cargo test --test crash calibration\n{measured}"
    );
}

fn version() -> String {
    format!("SQLite {},", rusqlite::version())
}

fn without_figures(text: &str) -> String {
    text.chars().filter(|letter| !letter.is_ascii_digit() && *letter != ',').collect()
}

fn tables(disks: &[(&str, &[Measured])]) -> String {
    let mut text = String::new();
    for (disk, measured) in disks {
        let sales = measured[0].sales;
        // Writing to a String does not fail.
        let _ = write!(
            text,
            "\nOn {disk}, {} {sales} transactions:\n\n\
             | `journal_mode`, `synchronous` | a commit survives a kill | a commit survives a \
             power cut | intact after a power cut | whole and in order after a power cut |\n\
             |---|---|---|---|---|\n",
            version()
        );
        for row in *measured {
            let _ = writeln!(text, "{}", line(row));
        }
    }
    text.push('\n');
    text
}

fn line(measured: &Measured) -> String {
    let Measured { cell, kills, power_cuts, .. } = measured;
    let Found { states, corrupt, torn, short, most_lost } = *power_cuts;
    let lost = match most_lost {
        1 => "no: the last one is lost".to_string(),
        most => format!("no: up to {most} are lost"),
    };
    format!(
        "| {}, `{}` | {} | {} | {} | {} |",
        cell.journal_mode,
        cell.synchronous,
        answer("no", kills.corrupt + kills.torn + kills.short, kills.states),
        answer(&lost, short, states),
        answer("no", corrupt, states),
        answer("no", torn, states - corrupt),
    )
}

fn answer(no: &str, bad: u64, states: u64) -> String {
    match bad {
        0 => format!("yes, in all {}", grouped(states)),
        _ => format!("{no}, in {} of {}", grouped(bad), grouped(states)),
    }
}
