//! What a run found, for people: tables, plots, and what the bars say.

mod plots;
mod subjects;
mod svg;
mod tables;

pub use tables::{figure, groups, instructions, tables};

use crate::Outcome;
use crate::results::Results;
use serde_json::Value;
use std::path::{Path, PathBuf};

#[derive(clap::Args)]
pub struct Arguments {
    /// Where results.json is.
    #[arg(long, default_value = ".")]
    out: PathBuf,
}

pub fn render(arguments: &Arguments) -> Outcome<()> {
    let text = std::fs::read_to_string(arguments.out.join("results.json"))?;
    write(&serde_json::from_str(&text)?, &arguments.out)
}

/// Writes `results.json`, `RESULTS.md` and the plots.
pub fn write(results: &Results, out: &Path) -> Outcome<()> {
    std::fs::create_dir_all(out.join("plots"))?;
    let json = json(&serde_json::to_value(results)?, 0) + "\n";
    std::fs::write(out.join("results.json"), json)?;
    std::fs::write(out.join("RESULTS.md"), tables(results))?;
    for (name, chart) in plots::plots(results) {
        std::fs::write(out.join("plots").join(format!("{name}.svg")), svg::render(&chart))?;
    }
    Ok(())
}

/// A reading is this deep, and a line.
const DEEPEST: usize = 6;

/// JSON with a line for each thing, down to the readings.
fn json(value: &Value, depth: usize) -> String {
    let indent = "  ".repeat(depth + 1);
    let (open, close, parts): (_, _, Vec<String>) = match value {
        Value::Object(fields) if depth < DEEPEST && !fields.is_empty() => {
            let part = |(name, value): (&String, &Value)| {
                format!("{indent}{}: {}", Value::from(&**name), json(value, depth + 1))
            };
            ('{', '}', fields.iter().map(part).collect())
        }
        Value::Array(items) if depth < DEEPEST && !items.is_empty() => {
            let part = |value: &Value| format!("{indent}{}", json(value, depth + 1));
            ('[', ']', items.iter().map(part).collect())
        }
        other => return other.to_string(),
    };
    format!("{open}\n{}\n{}{close}", parts.join(",\n"), "  ".repeat(depth))
}

/// The plots that belong to a group.
fn plots_of(group: &str) -> &'static [&'static str] {
    match group {
        "end-to-end" => &["batch"],
        "backlog" => &["backlog"],
        "history" => &["history", "files"],
        "latency" => &["latency"],
        _ => &[],
    }
}
