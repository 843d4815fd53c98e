//! Places orders in a shop's database, each with its message in the same transaction.
//!
//! ```sh
//! cargo run --release --example producer -- --db shop.db --orders 20000
//! ```
//!
//! Kill it whenever you like and start it again: it goes on where its committed rows end.
//! `worker` delivers what it places.

#[allow(dead_code, reason = "each of the programs uses its part")]
mod shop;

use shop::arguments::Arguments;
use shop::producer::{Producer, USAGE};
use std::process::ExitCode;

fn main() -> ExitCode {
    let arguments = Arguments::new(USAGE, std::env::args().skip(1));
    shop::exit_code(Producer::new(arguments).and_then(|producer| producer.run()))
}
