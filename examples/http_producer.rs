//! A shop that hands its orders to a warehouse on another machine: it places orders, each with its
//! message in the same transaction, and relays them over HTTP.
//!
//! ```sh
//! cargo run --release --example http_producer -- \
//!     --db shop.db --orders 20000 --to http://127.0.0.1:7070/inbox
//! ```
//!
//! It ends when all of them are acknowledged. Kill it whenever you like and start it again.

#[allow(dead_code, reason = "each of the programs uses its part")]
mod shop;

use shop::arguments::Arguments;
use shop::producer::Producer;
use shop::worker::Worker;
use std::process::ExitCode;

const USAGE: &str = "http_producer --db shop.db --orders N --to http://127.0.0.1:7070/inbox \
    [--batches N] [--note BYTES]";

#[tokio::main]
async fn main() -> ExitCode {
    shop::exit_code(run().await)
}

async fn run() -> shop::Outcome<()> {
    let mut arguments = Arguments::new(USAGE, std::env::args().skip(1));
    let db: String = arguments.required("--db")?;
    let to: String = arguments.required("--to")?;
    let batches: Option<usize> = arguments.optional("--batches")?;
    let rest = ["--db", &db, "--batch", "1000"].map(String::from);
    let producer = Producer::new(arguments.with(USAGE, rest))?;
    let worker = Worker::to(db.into(), &to, batches);
    tokio::task::block_in_place(|| producer.run())?;
    worker.run(shop::interrupted()).await
}
