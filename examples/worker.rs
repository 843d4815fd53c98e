//! Delivers the orders of a shop to a warehouse, and ships each of them once.
//!
//! ```sh
//! cargo run --release --example worker -- --outbox shop.db --inbox warehouse.db
//! ```
//!
//! It runs until Ctrl-C, which stops it in good order, or with `--until-idle` until nothing is
//! left to deliver. Kill it whenever you like: what was under way is delivered again, and the inbox
//! keeps it from being shipped again.

#[allow(dead_code, reason = "each of the programs uses its part")]
mod shop;

use shop::arguments::Arguments;
use shop::worker::{USAGE, Worker};
use std::process::ExitCode;

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    shop::exit_code(run().await)
}

async fn run() -> shop::Outcome<()> {
    let arguments = Arguments::new(USAGE, std::env::args().skip(1));
    Worker::new(arguments)?.run(shop::interrupted()).await
}
