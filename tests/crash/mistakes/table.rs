//! The table of `docs/mistakes.md`: which way of testing finds which mistake.

use crate::page::{self, Part};

const SOURCE: &str = include_str!("../../../src/mistake.rs");
const FOUND: &str = "found";

fn part() -> Part {
    Part::of("mistakes.md", "mistakes")
}

/// A mistake, and for each layer whether it finds it out.
pub(super) struct Row {
    pub(super) mistake: String,
    pub(super) found: Vec<bool>,
}

/// What each mistake is, as its own documentation says.
pub(super) fn sentences() -> Vec<(String, String)> {
    let (_, variants) = SOURCE.split_once("pub enum Mistake {\n").expect("there is the list");
    let (variants, _) = variants.split_once("\n}\n").expect("it ends");
    let (mut sentences, mut sentence) = (Vec::new(), String::new());
    for line in variants.lines().map(str::trim) {
        match line.strip_prefix("/// ") {
            Some(more) if sentence.is_empty() => sentence = more.into(),
            Some(more) => sentence = format!("{sentence} {more}"),
            None => {
                let name = line.trim_end_matches(',').to_string();
                sentences.push((name, std::mem::take(&mut sentence)));
            }
        }
    }
    sentences
}

/// The rows as the page has them.
pub(super) fn read() -> Vec<Row> {
    let table = part().read();
    let row = |line: &str| {
        let mut cells = line.trim_matches('|').split('|').map(str::trim);
        let mistake = cells.next().unwrap_or_default();
        let mistake = mistake.split('`').nth(1).unwrap_or_default().to_string();
        Row { mistake, found: cells.map(|cell| cell == FOUND).collect() }
    };
    table.lines().filter(|line| line.starts_with("| `")).map(row).collect()
}

/// The table in Markdown.
pub(super) fn write(rows: &[Row], layers: &[&str]) -> String {
    let mut table = format!("| mistake | {} |\n", layers.join(" | "));
    table += &format!("|---{}|\n", "|---".repeat(layers.len()));
    let sentences = sentences();
    for Row { mistake, found } in rows {
        let (_, sentence) = sentences.iter().find(|(name, _)| name == mistake).expect("a sentence");
        let cells: Vec<&str> = found.iter().map(|it| if *it { FOUND } else { "-" }).collect();
        table += &format!("| `{mistake}` {sentence} | {} |\n", cells.join(" | "));
    }
    table
}

/// Puts a table into the page, or holds the page to it.
#[track_caller]
pub(super) fn hold(table: &str) {
    if page::are_written() {
        return part().write(table);
    }
    let same = part().read() == table;
    assert!(same, "docs/mistakes.md differs; SUREHAND_WRITE_DOCS=1 writes it:\n{table}");
}
