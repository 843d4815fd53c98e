//! The table of `docs/mistakes.md`: which way of testing finds which mistake.

use std::fs;

const PAGE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/mistakes.md");
const SOURCE: &str = include_str!("../../../src/mistake.rs");
const BEGIN: &str = "<!-- generated: mistakes -->\n";
const END: &str = "<!-- end -->";
const FOUND: &str = "found";

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
    let page = fs::read_to_string(PAGE).expect("there is the page");
    let (_, table) = page.split_once(BEGIN).expect("the page has a table");
    let rows = table.split(END).next().unwrap_or_default().lines().skip(2);
    let row = |line: &str| {
        let mut cells = line.trim_matches('|').split('|').map(str::trim);
        let mistake = cells.next().unwrap_or_default();
        let mistake = mistake.split('`').nth(1).unwrap_or_default().to_string();
        Row { mistake, found: cells.map(|cell| cell == FOUND).collect() }
    };
    rows.filter(|line| line.starts_with("| `")).map(row).collect()
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

/// Puts a table into the page, or says how the page differs from it.
pub(super) fn hold(table: &str) -> Result<(), String> {
    let page = fs::read_to_string(PAGE).map_err(|error| error.to_string())?;
    let (before, rest) = page.split_once(BEGIN).ok_or("the page has no table")?;
    let (now, after) = rest.split_once(END).ok_or("the table has no end")?;
    if std::env::var_os("SUREHAND_WRITE_DOCS").is_some() {
        let page = format!("{before}{BEGIN}{table}{END}{after}");
        return fs::write(PAGE, page).map_err(|error| error.to_string());
    }
    if now == table {
        return Ok(());
    }
    Err(format!("docs/mistakes.md differs; SUREHAND_WRITE_DOCS=1 writes it:\n{table}"))
}
