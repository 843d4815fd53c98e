//! What people said about messages is remembered for as long as the log has them: a rewind delivers
//! nothing that was skipped, and nothing in the content that was replaced.

use super::stage::{Running, Shelf, Shop, count, eventually, main_line, plain};
use std::time::Duration;
use surehand::operator::{DeadLetter, DeadLetters};
use surehand::{Failure, Relay};

const DAY: Duration = Duration::from_secs(24 * 3_600);

/// Longer than the oldest backup of a consumer, as the handbook wants it.
fn kept(shop: &Shop) -> Relay {
    shop.relay().keep_settled(30 * DAY)
}

/// What a consumer gets that was restored from a copy of the first day, when a person resolved the
/// message with number 1 eight days before.
fn restored_after(resolve: fn(&mut DeadLetters<'_>, &DeadLetter)) -> Vec<i64> {
    let mut shop = Shop::open();
    let older = Shelf::new(shop.file("older.db"));
    shop.put([plain(9)]);
    let first = kept(&shop).subscribe(main_line(), older.transport(|_| Ok(())));
    let relay = Running::start(first);
    // It has been told that everything is settled.
    let told = || count(older.path(), "SELECT count(*) = 0 FROM inbox_seen") == 1;
    eventually(|| (older.count() == 1 && told()).then_some(())).expect("a statement");
    relay.stop();
    std::fs::copy(older.path(), shop.file("shelf.db")).unwrap();
    let shelf = Shelf::new(shop.file("shelf.db"));
    shop.clock.pass(25 * DAY);
    shop.put([plain(10), plain(1), plain(12)]);
    let picky = |n| if n == 1 { Err(Failure::permanent("no")) } else { Ok(()) };
    let relay = Running::start(kept(&shop).subscribe(main_line(), shelf.transport(picky)));
    let letter = shop.dead(1).remove(0);
    resolve(&mut shop.operator().dead_letters("main").unwrap(), &letter);
    shop.until(|stats| {
        let open = stats.dead + stats.waiting + stats.unconfirmed_skips;
        (stats.settled_to, open) == (4, 0)
    });
    shop.clock.pass(8 * DAY);
    shop.put([plain(13)]);
    shop.until(|stats| stats.settled_to == 5);
    // The first one leaves the log, and with it what is no longer remembered.
    shop.until_the_log_has(4);
    relay.stop();
    shop.operator().rewind("main", 1).unwrap();
    let again = kept(&shop).subscribe(main_line(), older.transport(|_| Ok(())));
    let relay = Running::start(again);
    eventually(|| older.numbers().contains(&13).then_some(())).expect("all of them");
    relay.stop();
    older.numbers()
}

#[test]
fn what_was_skipped_stays_skipped_for_as_long_as_the_log_has_it() {
    let numbers = restored_after(|letters, letter| letters.skip(letter).unwrap());
    assert_eq!(numbers, [9, 10, 12, 13]);
}

#[test]
fn what_was_replaced_stays_replaced_for_as_long_as_the_log_has_it() {
    let replace = |letters: &mut DeadLetters<'_>, letter: &DeadLetter| {
        letters.replace(letter, plain(11)).unwrap();
    };
    assert_eq!(restored_after(replace), [9, 10, 11, 12, 13]);
}
