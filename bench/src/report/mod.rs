//! What a run found, for people: tables, plots, and what the bars say.

mod plots;
mod subjects;
mod svg;
mod tables;

pub use tables::{figure, tables};

use crate::Outcome;
use crate::results::Results;
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
    let json = serde_json::to_string_pretty(results)? + "\n";
    std::fs::write(out.join("results.json"), json)?;
    std::fs::write(out.join("RESULTS.md"), tables(results))?;
    for (name, chart) in plots::plots(results) {
        std::fs::write(out.join("plots").join(format!("{name}.svg")), svg::render(&chart))?;
    }
    Ok(())
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
