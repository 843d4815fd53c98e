//! One active relay for each subscription: the others stand by, and one of them takes over when
//! it dies.

use super::child::{self, Child};
use super::stage::{
    A_WHILE, Running, Shelf, Shop, eventually, keyed, main_line, millis, plain, scripted,
};
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use surehand::{Relay, Subscription};

const TAKEOVERS: usize = 10;
const TENTH: Duration = Duration::from_millis(100);

fn since_1970() -> Duration {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap()
}

/// Not a test of its own: a process that serves `main` into the shelf, and says what it applies.
#[test]
fn worker() {
    let Some(directory) = child::runs("takeover::worker") else { return };
    let shelf = Shelf::new(directory.join("shelf.db"));
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    runtime.block_on(async {
        let transport = shelf.transport(|number| {
            println!("applies {number} {}", since_1970().as_micros());
            Ok(())
        });
        let relay = Relay::open(directory.join("shop.db")).unwrap();
        let relay = relay.subscribe(main_line(), transport);
        println!("ready");
        relay.run_until(child::asked_to_stop()).await.unwrap();
    });
}

/// A second worker, which has found the lock taken.
fn standby(shop: &Shop) -> Child {
    let worker = Child::start("takeover::worker", shop.path().parent().unwrap());
    worker.says("ready");
    // Nobody signals that it tried for the lock; it does so every 25 ms.
    std::thread::sleep(millis(50));
    worker
}

/// A first worker, which has applied the messages that are there.
fn active(shop: &Shop) -> Child {
    let worker = Child::start("takeover::worker", shop.path().parent().unwrap());
    worker.says("applies");
    worker
}

#[test]
fn the_standby_delivers_nothing_while_the_first_one_lives() {
    let mut shop = Shop::open();
    shop.put([plain(0)]);
    let first = active(&shop);
    let second = standby(&shop);
    for number in 1..=5 {
        shop.put([plain(number)]);
        assert!(first.says("applies").starts_with(&number.to_string()));
    }
    assert_eq!(second.says_within("applies", A_WHILE), None);
    shop.until(|stats| stats.settled_to == 6 && stats.epoch == 1);
    first.stop();
    shop.put([plain(6)]);
    assert!(second.says("applies").starts_with('6'), "a relay that stopped is taken over too");
    second.stop();
}

#[test]
fn a_killed_relay_is_taken_over_within_a_tenth_of_a_second() {
    let mut shop = Shop::open();
    shop.put([plain(0)]);
    let mut first = active(&shop);
    let mut times = Vec::new();
    for number in (1_i64..).take(TAKEOVERS) {
        let second = standby(&shop);
        // Somewhere between two tries.
        std::thread::sleep(Duration::from_micros(number.unsigned_abs() * 2_500));
        let killed = since_1970();
        first.kill();
        shop.put([keyed("k", number)]);
        let applied = second.says("applies");
        let (said, micros) = applied.split_once(' ').unwrap();
        assert_eq!(said, number.to_string());
        times.push(Duration::from_micros(micros.parse().unwrap()).saturating_sub(killed));
        first = second;
    }
    times.sort_unstable();
    let (p50, max) = (times[TAKEOVERS / 2], times[TAKEOVERS - 1]);
    println!("taken over after p50 {p50:?}, max {max:?}");
    assert!(p50 <= TENTH, "taken over after {times:?}");
    first.stop();
    let numbers = Shelf::new(shop.file("shelf.db")).numbers();
    assert_eq!(numbers, (0..).take(TAKEOVERS + 1).collect::<Vec<_>>());
}

#[cfg(unix)]
#[test]
fn a_relay_that_is_stopped_keeps_its_subscription_until_it_is_killed() {
    let mut shop = Shop::open();
    shop.put([plain(0)]);
    let first = active(&shop);
    let second = standby(&shop);
    // Stopped in the middle of a transaction it would hold the write lock, too.
    shop.until(|stats| stats.settled_to == 1);
    std::thread::sleep(millis(1_200));
    first.signal("STOP");
    shop.put([plain(1)]);
    assert_eq!(second.says_within("applies", 2 * A_WHILE), None, "it is not dead");
    first.kill();
    assert!(second.says("applies").starts_with('1'));
    second.stop();
}

#[test]
fn of_two_relays_in_one_process_one_serves_a_subscription() {
    let mut shop = Shop::open();
    let (script, mut first_mail) = scripted();
    let first = shop.serve(main_line(), script);
    shop.until(|stats| stats.epoch == 1);
    let (script, mut second_mail) = scripted();
    let second = shop.serve(main_line(), script);
    shop.put([plain(1), plain(2)]);
    first_mail.next().ack();
    second_mail.stays_empty();
    shop.until(|stats| stats.settled_to == 1);
    first.cut();
    let letter = second_mail.next();
    assert_eq!((letter.number(), letter.attempt()), (2, 1));
    letter.ack();
    shop.until(|stats| stats.settled_to == 2 && stats.epoch == 2);
    second.stop();
}

#[test]
fn relays_of_different_subscriptions_run_side_by_side() {
    let mut shop = Shop::open();
    let (script, mut billing_mail) = scripted();
    let billing = shop.serve(Subscription::new("billing"), script);
    let (script, mut shipping_mail) = scripted();
    let shipping = shop.serve(Subscription::new("shipping"), script);
    let served = eventually(|| Some(()).filter(|()| shop.operator().stats().unwrap().len() == 2));
    served.expect("two subscriptions");
    shop.put((1..=3).map(plain));
    for mail in [&mut billing_mail, &mut shipping_mail] {
        let letters = mail.take_next(3);
        letters.iter().for_each(|letter| letter.ack());
        assert_eq!(letters.iter().map(|one| one.number()).collect::<Vec<_>>(), [1, 2, 3]);
    }
    billing.stop();
    shipping.stop();
    assert_eq!(shop.count("SELECT min(settled_to) FROM outbox_subscription"), 3);
}

#[cfg(unix)]
#[test]
fn a_relay_that_comes_by_a_link_stands_by_too() {
    let mut shop = Shop::open();
    let (script, mut first_mail) = scripted();
    let first = shop.serve(main_line(), script);
    shop.until(|stats| stats.epoch == 1);
    let link = shop.file("another-name.db");
    std::os::unix::fs::symlink(shop.path(), &link).unwrap();
    let (script, mut second_mail) = scripted();
    let second = Running::start(Relay::open(link).unwrap().subscribe(main_line(), script));
    shop.put([plain(1)]);
    first_mail.next().ack();
    second_mail.stays_empty();
    first.stop();
    shop.put([plain(2)]);
    let letter = second_mail.next();
    assert_eq!(letter.number(), 2);
    letter.ack();
    second.stop();
}
