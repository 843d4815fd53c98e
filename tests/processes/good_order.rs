//! Relays that end in good order, at whatever moment: no message is suspected of having ended them.

use super::stage::{Running, Shop, keyed, main_line, millis, plain, quick, scripted};
use surehand::Transport;
use surehand::rusqlite::Connection;
use surehand::transport::{Greeter, Hello, Request, Settler};

/// A consumer that is never at home.
struct NoWelcome;

impl Transport for NoWelcome {
    fn deliver(&self, _: Request, _: Settler) {}

    fn hello(&self, _: Hello, _: Greeter) {}
}

/// A relay that opens the subscription, and ends before it was welcomed.
fn comes_in_vain(shop: &Shop) {
    let before = shop.stats("main").epoch;
    let relay = shop.serve(main_line(), NoWelcome);
    shop.until(|stats| stats.epoch > before);
    relay.stop();
}

/// A relay that sends messages, and ends before there is any answer.
fn sends_in_vain(shop: &Shop, messages: usize) -> Vec<i64> {
    let (script, mut mail) = scripted();
    let retry = quick().crash_limit(2);
    let relay = shop.relay().drain_for(millis(0));
    let relay = Running::start(relay.subscribe(main_line().retry(retry), script));
    let letters = mail.take_next(messages);
    relay.stop();
    letters.iter().map(|letter| letter.number()).collect()
}

#[test]
fn after_a_relay_that_ended_while_it_greeted_messages_do_not_go_one_by_one() {
    let mut shop = Shop::open();
    shop.put((1..=3).map(plain));
    sends_in_vain(&shop, 3);
    comes_in_vain(&shop);
    assert_eq!(sends_in_vain(&shop, 3), [1, 2, 3]);
}

#[test]
fn a_message_is_not_blamed_for_relays_that_end_in_good_order() {
    let mut shop = Shop::open();
    shop.put([plain(1), keyed("k", 2)]);
    let (script, mut mail) = scripted();
    let relay = shop.serve(main_line(), script);
    let letters = mail.take_next(2);
    letters[1].nack();
    shop.until(|stats| stats.waiting == 1);
    relay.stop();
    for _ in 0..4 {
        comes_in_vain(&shop);
        sends_in_vain(&shop, 2);
    }
    assert_eq!(shop.stats("main").dead, 0);
    assert_eq!(shop.count("SELECT max(lost) FROM outbox_delivery"), 0);
}

#[test]
fn attempts_that_outlived_their_relay_in_good_order_are_not_counted_after_a_crash() {
    let mut shop = Shop::open();
    shop.put([plain(1), plain(2)]);
    sends_in_vain(&shop, 2);
    let db = Connection::open(shop.path()).unwrap();
    for _ in 0..4 {
        // What a process leaves that is killed before it has sent anything.
        db.execute("UPDATE outbox_subscription SET closed_cleanly = 0", []).unwrap();
        assert_eq!(sends_in_vain(&shop, 1), [1]);
    }
    assert_eq!(shop.stats("main").dead, 0);
}
