//! A paused subscription, and one whose bytes are bounded.

use super::stage::{Shop, main_line, plain, quick, scripted};
use std::time::Duration;
use surehand::SubscriptionState;
use surehand::operator::WhenFull;

const EPOCH: &str = "SELECT epoch FROM outbox_subscription";

#[test]
fn a_paused_subscription_is_not_opened_again_and_again() {
    let mut shop = Shop::open();
    shop.put([plain(1)]);
    let (script, mut mail) = scripted();
    let relay = shop.serve(main_line(), script);
    mail.next().ack();
    shop.until(|stats| stats.settled_to == 1);
    shop.operator().pause("main").unwrap();
    shop.put([plain(2)]);
    mail.stays_empty();
    let epoch = shop.count(EPOCH);
    for _ in 0..4 {
        shop.clock.pass(Duration::from_secs(2));
        mail.stays_empty();
    }
    assert_eq!(shop.count(EPOCH), epoch);
    shop.operator().resume("main").unwrap();
    shop.clock.pass(Duration::from_secs(2));
    mail.next().ack();
    let stats = shop.until(|stats| stats.settled_to == 2);
    assert_eq!(stats.state, SubscriptionState::Active);
    relay.stop();
}

#[test]
fn a_relay_that_stops_while_paused_leaves_no_doubt() {
    let mut shop = Shop::open();
    shop.put([plain(1)]);
    let (script, mut mail) = scripted();
    let relay = shop.serve(main_line(), script);
    mail.next().ack();
    shop.until(|stats| stats.settled_to == 1);
    shop.operator().pause("main").unwrap();
    mail.stays_empty();
    relay.stop();
    assert_eq!(shop.count("SELECT closed_cleanly FROM outbox_subscription"), 1);
}

#[test]
fn a_message_that_was_an_exception_gives_its_bytes_back() {
    let mut shop = Shop::open();
    let (script, mut mail) = scripted();
    let relay = shop.serve(main_line().retry(quick()), script);
    shop.put([plain(1)]);
    mail.next().ack();
    shop.until(|stats| stats.settled_to == 1);
    shop.operator().bound("main", None, Some(1_000), WhenFull::Refuse).unwrap();
    shop.put([plain(2), plain(3)]);
    assert!(shop.count("SELECT pending_bytes FROM outbox_subscription") > 0);
    for letter in mail.take_next(2) {
        letter.nack();
    }
    for letter in mail.take_next(2) {
        letter.ack();
    }
    shop.until(|stats| stats.delivered == 3 && stats.waiting == 0);
    assert_eq!(shop.count("SELECT pending_bytes FROM outbox_subscription"), 0);
    relay.stop();
}
