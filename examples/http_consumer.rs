//! A warehouse as a service of its own: takes orders over HTTP and ships each of them once.
//!
//! ```sh
//! cargo run --release --example http_consumer -- \
//!     --inbox warehouse.db --listen 127.0.0.1:7070
//! ```
//!
//! `http_producer` is the other end. Kill either whenever you like and start it again.

#[allow(dead_code, reason = "each of the programs uses its part")]
mod shop;

use shop::arguments::Arguments;
use shop::consumer::{Consumer, USAGE};
use std::process::ExitCode;

#[tokio::main]
async fn main() -> ExitCode {
    let arguments = Arguments::new(USAGE, std::env::args().skip(1));
    shop::exit_code(match Consumer::new(arguments) {
        Ok(consumer) => consumer.run(shop::interrupted()).await,
        Err(error) => Err(error),
    })
}
