//! The main job: two programs, two databases, and kills at random moments.
//!
//! ```sh
//! cargo run --release --example handoff
//! ```
//!
//! A producer places orders in `shop.db`, a worker ships them from `warehouse.db`. Both are real
//! processes, killed again and again while they work and started again. Then both databases are
//! audited with plain SQL: every committed order has its shipment, and none has two. It exits with
//! status 1 if that is not so, and keeps the databases.
//!
//! With `--transport http` the warehouse is a program of its own, killed like the others, and the
//! relay reaches it over a network that loses, delays and repeats requests and cuts answers off.
//!
//! The seed makes the plan of the kills the same again; what the operating system does with it is
//! never the same.

#[path = "handoff/audit.rs"]
mod audit;
#[path = "handoff/plan.rs"]
mod plan;
#[path = "handoff/program.rs"]
mod program;
#[path = "handoff/progress.rs"]
mod progress;
#[path = "handoff/proxy.rs"]
mod proxy;
#[path = "handoff/role.rs"]
mod role;
#[path = "handoff/run.rs"]
mod run;
#[allow(dead_code, reason = "each of the programs uses its part")]
mod shop;

use audit::Audit;
use run::{Run, Wish};
use shop::Outcome;
use shop::arguments::Arguments;
use std::hash::{BuildHasher, Hasher, RandomState};
use std::process::ExitCode;
use std::time::{Duration, Instant};

const USAGE: &str = "handoff [--kills K] [--orders N] [--seed S] [--transport local|http] [--json]";

fn main() -> ExitCode {
    let mut arguments = std::env::args().skip(1).peekable();
    // The children are this program, too.
    let outcome = match arguments.peek().map(String::as_str) {
        Some("producer") => role::producer(arguments.skip(1)),
        Some("worker") => role::worker(arguments.skip(1)),
        Some("consumer") => role::consumer(arguments.skip(1)),
        _ => handoff(Arguments::new(USAGE, arguments)),
    };
    shop::exit_code(outcome)
}

fn handoff(mut arguments: Arguments) -> Outcome<()> {
    let directory = tempfile::Builder::new().prefix("handoff-").tempdir()?;
    let wish = Wish {
        kills: arguments.optional("--kills")?.unwrap_or(20),
        orders: arguments.optional("--orders")?.unwrap_or(20_000).max(1),
        seed: arguments.optional("--seed")?.unwrap_or_else(any_seed),
        http: is_http(arguments.optional("--transport")?)?,
        shop: directory.path().join("shop.db"),
        warehouse: directory.path().join("warehouse.db"),
    };
    let json = arguments.flag("--json");
    arguments.finish()?;
    eprintln!("seed {}", wish.seed);

    let began = now();
    let mut run = Run::new(&wish)?;
    let ran = run.finish();
    let kills = run.kills();
    let troubles = run.troubles();
    // Its children go with it: nobody writes any more.
    drop(run);
    eprintln!("{:.1} s", began.elapsed().as_secs_f64());
    if let Some(troubles) = troubles {
        eprintln!("{troubles}");
    }
    if let Err(error) = &ran {
        eprintln!("{error}");
    }
    let outcome = audit(&wish, kills, json).and(ran);
    if outcome.is_err() {
        eprintln!("the databases are kept in {}", directory.keep().display());
    }
    outcome
}

/// Also after a run that failed: what it left is what matters then.
fn audit(wish: &Wish, kills: u64, json: bool) -> Outcome<()> {
    let audit = Audit::of(&wish.shop, &wish.warehouse, kills)?;
    print!("{}", audit.table());
    if json {
        println!("{}", serde_json::to_string(&audit)?);
    }
    if !audit.is_clean() {
        return Err(format!("the audit failed\n{}", audit.complaints.join("\n")).into());
    }
    Ok(())
}

fn is_http(transport: Option<String>) -> Outcome<bool> {
    match transport.as_deref() {
        None | Some("local") => Ok(false),
        Some("http") => Ok(true),
        Some(other) => Err(format!("there is no transport {other:?}\nusage: {USAGE}").into()),
    }
}

fn any_seed() -> u64 {
    RandomState::new().build_hasher().finish() % 1_000_000
}

#[allow(clippy::disallowed_methods, reason = "a program's own clock; the library asks its door")]
fn now() -> Instant {
    Instant::now()
}

#[allow(clippy::disallowed_methods, reason = "a program may sleep; the library asks its door")]
fn pause(time: Duration) {
    std::thread::sleep(time);
}
