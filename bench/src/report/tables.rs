//! A table for each group, and one of the bars.

use crate::check::{Standing, Verdict, verdicts};
use crate::results::{GroupResult, Instructions, Results, SideResult, Spread, spread};
use std::fmt::Write;

/// The whole page, in Markdown.
pub fn tables(results: &Results) -> String {
    let rest = instructions(results) + &super::subjects::subjects(results);
    heading(results) + &bars(results) + &groups(results) + &rest
}

/// The tables alone.
pub fn groups(results: &Results) -> String {
    results.groups.iter().map(table).collect()
}

pub fn instructions(results: &Results) -> String {
    let mut text = String::from(
        "## Instructions for each message\n\nCounted by callgrind: (12,000 messages - 2,000 \
         messages) / 10,000. `count-handle` enqueues, relays and handles.\n\n\
         | program | instructions |\n|---|---:|\n",
    );
    for Instructions { program, per_message, cannot } in &results.instructions {
        let said = per_message.map(figure).or(cannot.clone()).unwrap_or_default();
        let _ = writeln!(text, "| `{program}` | {said} |");
    }
    text + "\n"
}

fn heading(results: &Results) -> String {
    let machine = &results.machine;
    let what = if results.quick { "a quick run" } else { "a full run" };
    let gibibytes = machine.memory_bytes as f64 / f64::from(1 << 30);
    format!(
        "# Results\n\nBy `bench/run`, {what} of {:.0} s, {}: surehand {}, SQLite {}, {}; {} on {} \
         cores, {gibibytes:.0} GiB, {}, {} {}.\n\nFigures are medians of the rounds with the \
         smallest and the largest; ratios are taken within each round.\n\n",
        results.seconds,
        machine.date,
        machine.surehand,
        machine.sqlite,
        machine.rustc,
        machine.cpu,
        machine.cores,
        machine.file_system,
        machine.system,
        machine.kernel,
    )
}

fn bars(results: &Results) -> String {
    let mut text = String::from("## Bars\n\n| bar | figure | | |\n|---|---:|---|---|\n");
    for Verdict { what, bound, value, standing } in verdicts(results) {
        let value = value.map_or_else(|why| why, figure);
        let standing = match standing {
            Standing::Passed => "pass",
            Standing::Missed => "**FAIL**",
            Standing::NotMeasured => "not measured by --quick",
            Standing::Conceded(why) => &format!("ahead of us: {why}"),
        };
        let _ = writeln!(text, "| {what} | {value} | {bound} | {standing} |");
    }
    text + "\n"
}

/// A figure has a column of ratios where there are any.
fn table(group: &GroupResult) -> String {
    let mut text = format!("## {}\n\n", group.title);
    if !group.note.is_empty() {
        let _ = writeln!(text, "{}\n", group.note);
    }
    let _ = write!(text, "| `{}` |", group.name);
    let mut rule = String::from("|---|");
    let columns: Vec<_> =
        group.columns.iter().map(|column| (&**column, has_ratios(group, column))).collect();
    for (column, ratios) in &columns {
        let _ = write!(text, " {} |{}", title(column), if *ratios { " ratio |" } else { "" });
        rule += if *ratios { "---:|---:|" } else { "---:|" };
    }
    let _ = writeln!(text, "\n{rule}");
    for side in &group.sides {
        let _ = writeln!(text, "| {} |{}", side.name, line(group, side, &columns));
    }
    text += &notes(group);
    for plot in super::plots_of(&group.name) {
        let _ = writeln!(text, "\n![{plot}](plots/{plot}.svg)");
    }
    text + "\n"
}

/// What the subjects say of their own figures.
fn notes(group: &GroupResult) -> String {
    let note = |side: &SideResult| {
        let note = side.readings.iter().find_map(|reading| reading.note.clone())?;
        Some(format!("- {}: {note}\n", side.name))
    };
    let notes: String = group.sides.iter().filter_map(note).collect();
    if notes.is_empty() { notes } else { format!("\n{notes}") }
}

fn has_ratios(group: &GroupResult, column: &str) -> bool {
    group.sides.iter().any(|side| !ratios(group, side, column).is_empty())
}

fn ratios(group: &GroupResult, side: &SideResult, column: &str) -> Vec<f64> {
    let beside = side.beside.as_ref().and_then(|beside| group.side(beside));
    beside.map_or_else(Vec::new, |beside| group.ratios(side, beside, column))
}

fn line(group: &GroupResult, side: &SideResult, columns: &[(&str, bool)]) -> String {
    if let Some(why) = side.cannot() {
        let cells: usize = columns.iter().map(|(_, ratios)| 1 + usize::from(*ratios)).sum();
        return format!(" {why} |{}", " |".repeat(cells - 1));
    }
    let cell = |(column, has_ratios): &(&str, bool)| {
        let value = spread(side.values(column)).map(spread_text).unwrap_or_default();
        let ratio = spread(ratios(group, side, column)).map(|ratio| figure(ratio.median));
        let ratio =
            if *has_ratios { format!(" {} |", ratio.unwrap_or_default()) } else { String::new() };
        format!(" {value} |{ratio}")
    };
    columns.iter().map(cell).collect()
}

fn title(column: &str) -> &str {
    match column {
        "rate" => "messages/s",
        "p50" => "p50, us",
        "p99" => "p99, us",
        "p999" => "p99.9, us",
        "max" => "max, us",
        "peak" => "memory, MiB",
        "file" => "files, MiB",
        "seconds" => "s",
        other => other,
    }
}

fn spread_text(Spread { median, least, most }: Spread) -> String {
    let [median, least, most] = [median, least, most].map(figure);
    if least == most { median } else { format!("{median} ({least}..{most})") }
}

/// Three digits or more, with commas.
pub fn figure(value: f64) -> String {
    if value.abs() >= 1_000.0 {
        let digits = format!("{value:.0}");
        let mut text = String::new();
        for (index, digit) in digits.chars().enumerate() {
            if index > 0 && (digits.len() - index) % 3 == 0 {
                text.push(',');
            }
            text.push(digit);
        }
        return text;
    }
    let digits = match value.abs() {
        100.0.. => 0,
        10.0.. => 1,
        0.1.. => 2,
        0.0 => 0,
        _ => 4,
    };
    format!("{value:.digits$}")
}
