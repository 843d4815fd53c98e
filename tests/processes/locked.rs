//! Somebody holds the database for longer than a relay waits for it, which is about five seconds:
//! the relay goes on afterwards, and nothing is lost.

use super::stage::{Shelf, Shop, keyed, main_line};
use std::time::Duration;
use surehand::rusqlite::Connection;

/// Longer than the busy timeout of a connection of ours.
const TOO_LONG: Duration = Duration::from_secs(7);

/// Messages of three keys, some under way and some to come, while another program has the lock.
fn goes_on_after(begin: &str, mut shop: Shop) {
    let shelf = Shelf::new(shop.file("shelf.db"));
    let message = |number: i64| keyed(&format!("k{}", number % 3), number);
    shop.put((0..50).map(message));
    let relay = shop.serve(main_line().batch(5), shelf.transport(|_| Ok(())));
    shop.until(|stats| stats.delivered > 0);
    shop.put((50..100).map(message));
    let other = Connection::open(shop.path()).unwrap();
    other.busy_timeout(TOO_LONG).unwrap();
    other.execute_batch(begin).unwrap();
    std::thread::sleep(TOO_LONG);
    assert!(relay.is_running());
    other.execute_batch("COMMIT").unwrap();
    shop.put((100..110).map(message));
    shop.until(|stats| stats.settled_to == 110 && stats.pending == 0);
    relay.stop();
    let numbers = shelf.numbers();
    for key in 0..3 {
        let of_key = numbers.iter().copied().filter(|number| number % 3 == key);
        assert!(of_key.eq((0..110).filter(|number| number % 3 == key)), "{numbers:?}");
    }
}

#[test]
fn a_write_lock_that_is_held_too_long_loses_nothing() {
    goes_on_after("BEGIN IMMEDIATE", Shop::open());
}

#[test]
fn a_rollback_journal_that_nobody_may_read_for_too_long_loses_nothing() {
    let shop = Shop::open();
    let db = Connection::open(shop.path()).unwrap();
    let mode: String =
        db.pragma_update_and_check(None, "journal_mode", "delete", |row| row.get(0)).unwrap();
    assert_eq!(mode, "delete");
    goes_on_after("BEGIN EXCLUSIVE", shop);
}
