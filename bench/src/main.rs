//! Measures surehand: each figure beside what bare SQL takes for the same work, and beside what
//! other queues take, in one run.

#![allow(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "figures are rounded anyway"
)]

mod check;
mod common;
mod floor;
mod machine;
mod measure;
mod ours;
mod plan;
mod reading;
mod report;
mod results;
mod run;
mod visits;

use clap::{Parser, Subcommand};
use std::process::ExitCode;

type Outcome<T> = Result<T, Box<dyn std::error::Error + Send + Sync>>;

/// Measures surehand: `bench/run` and `bench/check` call this.
#[derive(Parser)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Everything, in turns: writes results.json, RESULTS.md and plots.
    Run(run::Arguments),
    /// Whether the results are as the bars want them.
    Check(check::Arguments),
    /// Writes RESULTS.md and the plots anew, from results.json.
    Render(report::Arguments),
    /// One measurement, in this process: prints a line of JSON.
    Measure(measure::Arguments),
}

fn main() -> Outcome<ExitCode> {
    match Cli::parse().command {
        Command::Run(arguments) => run::run(&arguments)?,
        Command::Check(arguments) => {
            if !check::run(&arguments)? {
                return Ok(ExitCode::FAILURE);
            }
        }
        Command::Render(arguments) => report::render(&arguments)?,
        Command::Measure(arguments) => {
            println!("{}", serde_json::to_string(&measure::run(&arguments)?)?);
        }
    }
    Ok(ExitCode::SUCCESS)
}
