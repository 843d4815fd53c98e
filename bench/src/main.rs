//! Measures surehand: each figure beside what bare SQL takes for the same work, and beside what
//! other queues take, in one run.

#![allow(clippy::cast_precision_loss, reason = "figures are rounded anyway")]

mod common;
mod floor;
mod measure;
mod ours;
mod reading;

use clap::{Parser, Subcommand};

type Outcome<T> = Result<T, Box<dyn std::error::Error + Send + Sync>>;

/// Measures surehand: `bench/run` and `bench/check` call this.
#[derive(Parser)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// One measurement, in this process: prints a line of JSON.
    Measure(measure::Arguments),
}

fn main() -> Outcome<()> {
    match Cli::parse().command {
        Command::Measure(arguments) => {
            println!("{}", serde_json::to_string(&measure::run(&arguments)?)?);
            Ok(())
        }
    }
}
