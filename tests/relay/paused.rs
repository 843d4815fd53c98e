//! A paused subscription, and one whose bytes are bounded.

use super::stage::{Running, Shop, main_line, plain, quick, scripted};
use std::time::Duration;
use surehand::SubscriptionState;
use surehand::operator::WhenFull;

const HOUR: Duration = Duration::from_secs(3_600);
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

#[test]
fn after_a_rewind_the_bytes_that_are_delivered_again_count() {
    let mut shop = Shop::open();
    let (script, mut mail) = scripted();
    let relay = shop.relay().keep_settled(HOUR).subscribe(main_line(), script);
    let relay = Running::start(relay);
    shop.put((1..=5).map(|_| plain(1_000)));
    mail.acknowledge(4);
    mail.next().refuse();
    shop.until(|stats| stats.settled_to == 5);
    relay.stop();
    let mut operator = shop.operator();
    operator.bound("main", None, Some(1_000), WhenFull::Refuse).unwrap();
    let dead = shop.dead(1);
    operator.dead_letters("main").unwrap().skip(&dead[0]).unwrap();
    operator.rewind("main", 0).unwrap();
    let pending = || shop.count("SELECT pending_bytes FROM outbox_subscription");
    assert_eq!(pending(), 4 * 4, "what was skipped stays settled");
    operator.bound("main", None, Some(2_000), WhenFull::Refuse).unwrap();
    assert_eq!(pending(), 4 * 4);
    let (script, mut mail) = scripted();
    let relay = shop.serve(main_line(), script);
    mail.acknowledge(4);
    shop.until(|stats| stats.settled_to == 5);
    assert_eq!(pending(), 0);
    relay.stop();
}
