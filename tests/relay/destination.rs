//! A destination that fails is no message's fault: no rows, no failures, and all of it comes later.

use super::stage::{A_WHILE, Mail, Shop, keyed, main_line, millis, plain, scripted};
use surehand::Subscription;

const MINUTE: std::time::Duration = std::time::Duration::from_secs(60);

fn no_message_is_blamed(shop: &Shop) {
    assert_eq!(shop.count("SELECT count(*) FROM outbox_delivery"), 0);
}

/// Says that nobody is there, to whatever comes in the meantime.
fn is_away(mail: &mut Mail, times: usize) -> usize {
    let mut requests = 0;
    while requests < times {
        let letter = mail.next();
        letter.settler.unreachable("connection refused");
        requests += 1;
    }
    requests
}

#[test]
fn an_unreachable_destination_writes_no_exceptions_and_gets_everything_later() {
    let mut shop = Shop::open();
    shop.put((0..300).map(|n| keyed(&format!("k{}", n % 7), n)));
    let (script, mut mail) = scripted();
    let relay = shop.serve(main_line(), script);
    mail.next().settler.unreachable("connection refused");
    mail.throw_away();
    is_away(&mut mail, 3);
    let stats = shop.until(|stats| stats.outages >= 4);
    assert_eq!((stats.settled_to, stats.dead, stats.waiting), (0, 0, 0));
    no_message_is_blamed(&shop);
    shop.clock.pass(MINUTE);
    let mut numbers = mail.acknowledge_all(millis(600));
    numbers.sort_unstable();
    assert_eq!(numbers, (0..300).collect::<Vec<_>>());
    let stats = shop.until(|stats| stats.settled_to == 300);
    assert_eq!((stats.outages, stats.delivered), (0, 300));
    assert!(stats.redelivered.outage > 0);
    no_message_is_blamed(&shop);
    relay.stop();
}

#[test]
fn after_an_outage_one_message_goes_first() {
    let mut shop = Shop::open();
    shop.put((0..20).map(plain));
    let (script, mut mail) = scripted();
    let relay = shop.serve(main_line(), script);
    let first = mail.take_next(20).remove(0);
    first.settler.unreachable("connection refused");
    let probe = mail.next();
    assert!(mail.next_within(A_WHILE).is_none(), "one message at a time");
    probe.ack();
    assert_eq!(mail.acknowledge_all(A_WHILE).len(), 19);
    relay.stop();
}

#[test]
fn a_silent_destination_is_left_alone_and_no_message_is_blamed() {
    let mut shop = Shop::open();
    shop.put((0..50).map(plain));
    let (script, mut mail) = scripted();
    let relay = shop.serve(Subscription::new("main").ack_timeout(millis(100)), script);
    let held = mail.take_next(50);
    let stats = shop.until(|stats| stats.outages >= 3);
    assert_eq!((stats.dead, stats.waiting, stats.parked), (0, 0, 0));
    no_message_is_blamed(&shop);
    drop(held);
    shop.clock.pass(MINUTE);
    shop.until(|stats| {
        if let Some(letter) = mail.next_within(millis(20)) {
            letter.ack();
        }
        stats.settled_to == 50
    });
    relay.stop();
}

#[test]
fn a_clock_that_jumped_back_does_not_lengthen_an_outage() {
    let mut shop = Shop::open();
    shop.put([plain(1)]);
    let (script, mut mail) = scripted();
    let relay = shop.serve(main_line(), script);
    mail.next().settler.unreachable("connection refused");
    shop.until(|stats| stats.outages == 1);
    relay.stop();
    shop.clock.jump(-365 * 24 * 3_600 * 1_000);
    let (script, mut mail) = scripted();
    let relay = shop.serve(main_line(), script);
    shop.until(|stats| stats.epoch == 2);
    // No wait that was ever written is longer than the longest backoff.
    shop.clock.pass(MINUTE);
    mail.next().ack();
    relay.stop();
}
