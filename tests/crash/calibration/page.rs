//! What was measured, as a table of a page that people read. The page is compared with it, or
//! written.

use super::{Found, Measured};
use std::fmt::Write as _;
use std::path::Path;
use surehand::rusqlite;

const BEGIN: &str = "<!-- generated: calibration -->\n";
const END: &str = "<!-- end -->\n";

/// Compares the page with what was measured; with `SUREHAND_WRITE_DOCS=1` it is written instead.
///
/// With another SQLite than the one it names, the page's figures may differ, its answers may not.
#[track_caller]
pub(crate) fn check(disks: &[(&str, &[Measured])]) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/guarantees.md");
    let page = std::fs::read_to_string(&path).expect("docs/guarantees.md is there");
    let (before, rest) = page.split_once(BEGIN).expect("the page has the mark of the table");
    let (written, after) = rest.split_once(END).expect("the page has the mark of its end");
    let measured = tables(disks);
    if std::env::var("SUREHAND_WRITE_DOCS").is_ok_and(|write| write == "1") {
        let page = format!("{before}{BEGIN}{measured}{END}{after}");
        return std::fs::write(&path, page).expect("the page can be written");
    }
    let same = match written.contains(&version()) {
        true => written == measured,
        false => without_figures(written) == without_figures(&measured),
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

/// With a comma between thousands.
fn grouped(number: u64) -> String {
    match number / 1_000 {
        0 => number.to_string(),
        thousands => format!("{},{:03}", grouped(thousands), number % 1_000),
    }
}
