//! A message that takes its process down, again and again: it ends as a dead letter, and nobody
//! else is blamed for it.

use super::child::{self, Child};
use super::stage::{Shelf, Shop, keyed, main_line, plain, quick};
use std::fs::{File, read_to_string, write};
use std::io::Write;
use std::path::Path;
use surehand::operator::DeadLetter;
use surehand::{Failure, Relay};

/// The number of the message that takes the process down.
const POISON: i64 = 13;
const CRASH_LIMIT: u32 = 3;

/// Not a test of its own: serves `main` into the shelf until nothing is left to do. At the poisoned
/// message it aborts, when it has refused it a few times.
#[test]
fn worker() {
    let Some(directory) = child::runs("crash_loop::worker") else { return };
    let shelf = Shelf::new(directory.join("shelf.db"));
    let retry = quick().crash_limit(CRASH_LIMIT).max_failures(10);
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let relay = Relay::open(directory.join("shop.db")).unwrap();
    let transport = shelf.transport(move |number| match number {
        POISON => swallow(&directory),
        _ => Ok(()),
    });
    let relay = relay.subscribe(main_line().batch(64).retry(retry), transport);
    runtime.block_on(relay.run_until_idle()).unwrap();
}

/// Leaves a mark for each time it was called, in all processes together.
fn swallow(directory: &Path) -> Result<(), Failure> {
    let mut marks = File::options().create(true).append(true).open(marks(directory)).unwrap();
    marks.write_all(b"x").unwrap();
    let refusals: usize = read_to_string(directory.join("refusals")).unwrap().parse().unwrap();
    if swallowed(directory) <= refusals {
        return Err(Failure::retry("not yet"));
    }
    std::process::abort();
}

fn marks(directory: &Path) -> std::path::PathBuf {
    directory.join("marks")
}

/// How often the poison was taken.
fn swallowed(directory: &Path) -> usize {
    read_to_string(marks(directory)).map_or(0, |marks| marks.len())
}

/// The poison among three others of its key, and those among others.
fn shop() -> Shop {
    let mut shop = Shop::open();
    let message = |number| match number {
        11 | POISON | 15 | 17 => keyed("k", number),
        number if number % 2 == 0 => keyed(&format!("k{}", number % 3), number),
        number => plain(number),
    };
    shop.put((1..=30).map(message));
    shop
}

/// Starts workers one after the other until one ends well; says after each that did not how often
/// the poison was taken.
fn work(shop: &Shop, refusals: usize, after_crash: impl Fn(usize)) -> usize {
    let directory = shop.path().parent().unwrap().to_path_buf();
    write(directory.join("refusals"), refusals.to_string()).unwrap();
    for crashes in 0..10 {
        let before = swallowed(&directory);
        if Child::start("crash_loop::worker", &directory).ends().success() {
            assert_eq!(swallowed(&directory), before, "who ends well was not given the poison");
            return crashes;
        }
        after_crash(swallowed(&directory));
    }
    panic!("the workers go on crashing");
}

/// Everything but the poison and what is behind it was applied, once, in the order of keys.
fn neighbours_are_unharmed(shop: &Shop) {
    let mut numbers = Shelf::new(shop.file("shelf.db")).numbers();
    let even = |remainder: i64| (1..=30).filter(move |n| n % 2 == 0 && n % 3 == remainder);
    for remainder in 0..3 {
        let of_key = numbers.iter().copied().filter(|n| n % 2 == 0 && n % 3 == remainder);
        assert!(of_key.eq(even(remainder)));
    }
    numbers.sort_unstable();
    assert!(numbers.into_iter().eq((1..=30).filter(|n| ![POISON, 15, 17].contains(n))));
    let stats = shop.stats("main");
    assert_eq!((stats.dead, stats.parked, stats.waiting), (1, 2, 0), "{stats:#?}");
    assert_eq!(stats.settled_to, 30);
}

fn the_dead_one(shop: &Shop) -> DeadLetter {
    let letter = shop.dead(1).remove(0);
    assert_eq!((letter.seq, letter.reason.as_str()), (POISON, "crash loop"));
    assert_eq!(letter.lost, CRASH_LIMIT);
    letter
}

#[test]
fn a_message_that_takes_processes_down_is_a_dead_letter_and_its_neighbours_are_not() {
    let shop = shop();
    let crashes = work(&shop, 0, |swallowed| {
        // The first time it went with others, and nobody knew whose fault it was.
        let alone = i64::try_from(swallowed).unwrap() - 1;
        assert_eq!(shop.count("SELECT doubt_attempts FROM outbox_subscription"), alone);
        let suspect = if alone == 0 { 0 } else { POISON };
        assert_eq!(shop.count("SELECT doubt_seq FROM outbox_subscription"), suspect);
        assert_eq!(shop.count("SELECT count(*) FROM outbox_delivery"), 0, "nobody is blamed yet");
    });
    assert_eq!(crashes, 1 + CRASH_LIMIT as usize);
    let letter = the_dead_one(&shop);
    assert_eq!((letter.attempts, letter.failures), (CRASH_LIMIT, 0));
    neighbours_are_unharmed(&shop);
}

#[test]
fn a_retry_that_takes_processes_down_is_a_dead_letter_too() {
    let shop = shop();
    let crashes = work(&shop, 2, |swallowed| {
        let attempts = i64::try_from(swallowed).unwrap();
        let recorded = "SELECT max(attempts) FROM outbox_delivery";
        assert_eq!(shop.count(recorded), attempts, "an attempt is recorded before it is made");
    });
    assert_eq!(crashes, 1 + CRASH_LIMIT as usize);
    let letter = the_dead_one(&shop);
    assert_eq!((letter.attempts, letter.failures), (3 + CRASH_LIMIT, 2));
    let said: Vec<_> = letter.history.iter().map(|entry| entry.error.as_str()).collect();
    assert_eq!(said, ["not yet", "not yet", "the process died in 3 attempts at it alone"]);
    neighbours_are_unharmed(&shop);
}
