//! What a run found, for people: tables, plots, and what the bars say.

mod plots;
mod svg;
mod tables;

pub use tables::{figure, tables};

use crate::Outcome;
use crate::results::Results;
use std::path::Path;

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
