//! A destination that fails is no message's fault: no rows, no failures, and all of it comes later.

use super::stage::{A_WHILE, Mail, Shop, keyed, main_line, millis, plain, scripted};
use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use surehand::transport::{Outcome, Request, Settler};
use surehand::{Subscription, SubscriptionState, Transport};

const MINUTE: std::time::Duration = std::time::Duration::from_secs(60);

fn no_message_is_blamed(shop: &Shop) {
    assert_eq!(shop.count("SELECT count(*) FROM outbox_delivery"), 0);
}

/// Says to whatever comes that nobody is there, until there were so many failures in a row.
#[track_caller]
fn is_away(shop: &Shop, mail: &mut Mail, failures: u32) {
    let stats = shop.until(|stats| {
        if let Some(letter) = mail.next_within(millis(20)) {
            letter.settler.unreachable("connection refused");
        }
        stats.outages >= failures
    });
    assert_eq!((stats.settled_to, stats.dead, stats.waiting), (0, 0, 0));
}

#[test]
fn an_unreachable_destination_writes_no_exceptions_and_gets_everything_later() {
    let mut shop = Shop::open();
    shop.put((0..300).map(|n| keyed(&format!("k{}", n % 7), n)));
    let (script, mut mail) = scripted();
    let relay = shop.serve(main_line(), script);
    is_away(&shop, &mut mail, 4);
    no_message_is_blamed(&shop);
    shop.clock.pass(MINUTE);
    let mut numbers = BTreeSet::new();
    let stats = shop.until(|stats| {
        // What was sent before the end of the outage is acknowledged too, and comes again.
        while let Some(letter) = mail.next_within(millis(20)) {
            letter.ack();
            numbers.insert(letter.number());
        }
        stats.settled_to == 300
    });
    assert!(numbers.into_iter().eq(0..300));
    assert_eq!((stats.outages, stats.delivered), (0, 300));
    assert!(stats.redelivered.outage > 0);
    no_message_is_blamed(&shop);
    relay.stop();
}

#[test]
fn an_outage_goes_on_for_the_next_relay() {
    let mut shop = Shop::open();
    shop.put([plain(1)]);
    let (script, mut mail) = scripted();
    let relay = shop.serve(main_line(), script);
    // The eighth wait is six seconds long.
    for failures in 1..=8 {
        mail.next().settler.unreachable("connection refused");
        shop.until(|stats| stats.outages == failures);
        if failures < 8 {
            shop.clock.pass(millis(3_500));
        }
    }
    relay.stop();
    let (script, mut mail) = scripted();
    let relay = shop.serve(main_line(), script);
    assert!(mail.next_within(millis(1_000)).is_none(), "the wait goes on");
    assert_eq!(shop.stats("main").outages, 8);
    shop.clock.pass(MINUTE);
    mail.next().ack();
    shop.until(|stats| stats.outages == 0 && stats.settled_to == 1);
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
    mail.acknowledge(19);
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

/// Answers the first request, and drops all others: as a transport does whose thread is gone.
struct Dies(Arc<AtomicU32>);

impl Transport for Dies {
    fn deliver(&self, request: Request, settler: Settler) {
        if self.0.fetch_add(1, Ordering::SeqCst) == 0 {
            let tickets = request.envelopes.iter().map(|envelope| envelope.ticket());
            settler.settle_all(tickets.map(|ticket| (ticket, Outcome::delivered())));
        }
    }
}

#[test]
fn a_destination_that_answered_a_moment_ago_and_then_knows_nothing_blames_nobody() {
    let mut shop = Shop::open();
    let requests = Arc::new(AtomicU32::new(0));
    let relay = shop.serve(main_line(), Dies(Arc::clone(&requests)));
    shop.put([plain(0)]);
    shop.until(|stats| stats.settled_to == 1);
    shop.put((0..300).map(plain));
    // Longer than a message lives that is blamed each time.
    shop.until(|stats| stats.outages >= 6);
    assert!(requests.load(Ordering::SeqCst) >= 7);
    no_message_is_blamed(&shop);
    relay.stop();
}

/// For longer than its failures alone would ask for, and although what was sent before is answered
/// in the meantime. The next relay waits as long as it would for any outage, and then asks anew.
#[test]
fn a_destination_that_asks_to_be_left_alone_is() {
    let mut shop = Shop::open();
    shop.put((0..2).map(plain));
    let (script, mut mail) = scripted();
    let relay = shop.serve(main_line().batch(1), script);
    let (first, second) = (mail.next(), mail.next());
    first.settler.unreachable_for("come back later", 30 * MINUTE);
    shop.until(|stats| stats.outages == 1);
    second.ack();
    shop.until(|stats| stats.delivered == 1);
    shop.clock.pass(10 * MINUTE);
    assert!(mail.next_within(A_WHILE).is_none(), "it asked for half an hour");
    relay.stop();
    let (script, mut mail) = scripted();
    let relay = shop.serve(main_line(), script);
    assert!(mail.next_within(A_WHILE).is_none(), "the next relay leaves it alone as well");
    shop.clock.pass(MINUTE);
    // The second one too: its acknowledgement was ahead of the position when the first relay ended.
    shop.until(|stats| {
        while let Some(letter) = mail.next_within(millis(20)) {
            letter.ack();
        }
        stats.settled_to == 2 && stats.dead == 0
    });
    relay.stop();
}

#[test]
fn a_destination_that_is_gone_pauses_its_subscription() {
    let mut shop = Shop::open();
    shop.put((0..3).map(plain));
    let (script, mut mail) = scripted();
    let relay = shop.serve(main_line().batch(1), script);
    let letters = mail.take_next(3);
    letters[1].settler.gone("410 Gone");
    let stats = shop.until(|stats| stats.state == SubscriptionState::Paused);
    assert_eq!((stats.settled_to, stats.dead), (0, 0));
    no_message_is_blamed(&shop);
    assert!(mail.next_within(A_WHILE).is_none(), "nothing is sent there");
    shop.operator().resume("main").unwrap();
    mail.acknowledge(3);
    shop.until(|stats| stats.settled_to == 3);
    relay.stop();
}
