//! A table for each group, and one of the bars.

use crate::check::{Verdict, verdicts};
use crate::results::{GroupResult, Results, SideResult, Spread, spread};
use std::fmt::Write;

/// The whole page, in Markdown.
pub fn tables(results: &Results) -> String {
    let mut page = heading(results);
    page += &bars(results);
    for group in &results.groups {
        page += &table(group);
    }
    page
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
    for Verdict { what, bound, value, passed } in verdicts(results) {
        let value = value.map_or_else(|why| why, figure);
        let passed = passed
            .map_or("not measured by --quick", |passed| if passed { "pass" } else { "**FAIL**" });
        let _ = writeln!(text, "| {what} | {value} | {bound} | {passed} |");
    }
    text + "\n"
}

fn table(group: &GroupResult) -> String {
    let mut text = format!("## {}\n\n", group.title);
    if !group.note.is_empty() {
        let _ = writeln!(text, "{}\n", group.note);
    }
    let _ = write!(text, "| `{}` |", group.name);
    let mut rule = String::from("|---|");
    for column in &group.columns {
        let _ = write!(text, " {} | ratio |", title(column));
        rule += "---:|---:|";
    }
    let _ = writeln!(text, "\n{rule}");
    for side in &group.sides {
        let _ = writeln!(text, "| {} |{}", side.name, line(group, side));
    }
    text + "\n"
}

fn line(group: &GroupResult, side: &SideResult) -> String {
    if let Some(why) = side.cannot() {
        return format!(" {why} | |{}", " | |".repeat(group.columns.len() - 1));
    }
    let beside = side.beside.as_ref().and_then(|beside| group.side(beside));
    let cell = |column: &String| {
        let value = spread(side.values(column));
        let value = value.map(spread_text).unwrap_or_default();
        let ratio = beside.and_then(|beside| spread(group.ratios(side, beside, column)));
        let ratio = ratio.map(|ratio| format!("{:.2}", ratio.median)).unwrap_or_default();
        format!(" {value} | {ratio} |")
    };
    group.columns.iter().map(cell).collect()
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
