//! The wall clock is set back or forth by a year beside a running relay. What was promised as a
//! wait takes as long as it was to take; what was promised as a time of day follows the clock.

use super::stage::{Mail, Running, Shop, keyed, main_line, plain, quick, scripted};
use std::time::Duration;
use surehand::RetryPolicy;

const YEAR_MS: i64 = 365 * 24 * 3_600 * 1_000;
const HOUR: Duration = Duration::from_secs(3_600);
const JUMPS: [i64; 2] = [-YEAR_MS, YEAR_MS];

/// A shop whose clock was set while its relay ran, and one message was under way.
fn jumped(by_ms: i64, retry: RetryPolicy) -> (Shop, Running, Mail) {
    let mut shop = Shop::open();
    let (script, mut mail) = scripted();
    let relay = shop.serve(main_line().retry(retry), script);
    shop.put([plain(0)]);
    let letter = mail.next();
    shop.clock.jump(by_ms);
    letter.ack();
    shop.until(|stats| stats.settled_to == 1);
    (shop, relay, mail)
}

#[test]
fn a_retry_that_waits_waits_no_longer_and_no_shorter() {
    for by_ms in JUMPS {
        let patient = quick().first_delay(HOUR).longest_delay(HOUR);
        let (mut shop, relay, mut mail) = jumped(0, patient);
        shop.put([plain(1)]);
        mail.next().nack();
        shop.until(|stats| stats.waiting == 1);
        shop.clock.jump(by_ms);
        mail.stays_empty();
        shop.clock.pass(HOUR);
        let again = mail.next();
        assert_eq!((again.number(), again.attempt()), (1, 2));
        again.ack();
        shop.until(|stats| stats.waiting == 0 && stats.settled_to == 2);
        relay.stop();
    }
}

#[test]
fn a_message_that_fails_after_a_jump_is_tried_again_within_its_wait() {
    for by_ms in JUMPS {
        let (mut shop, relay, mut mail) = jumped(by_ms, quick());
        shop.put([plain(1)]);
        mail.next().nack();
        let again = mail.next();
        assert_eq!((again.number(), again.attempt()), (1, 2));
        again.ack();
        shop.until(|stats| stats.waiting == 0 && stats.settled_to == 2);
        relay.stop();
    }
}

#[test]
fn after_a_restart_a_retry_waits_no_longer_than_it_was_to() {
    for by_ms in JUMPS {
        let patient = || main_line().retry(quick().first_delay(HOUR).longest_delay(HOUR));
        let mut shop = Shop::open();
        shop.put([plain(1)]);
        let (script, mut mail) = scripted();
        let relay = shop.serve(patient(), script);
        mail.next().nack();
        shop.until(|stats| stats.waiting == 1);
        relay.stop();
        shop.clock.jump(by_ms);
        let (script, mut mail) = scripted();
        let relay = shop.serve(patient(), script);
        shop.until(|stats| stats.epoch == 2);
        shop.clock.pass(HOUR);
        mail.next().ack();
        shop.until(|stats| stats.waiting == 0);
        relay.stop();
    }
}

#[test]
fn an_answer_has_as_long_as_before() {
    for by_ms in JUMPS {
        let mut shop = Shop::open();
        let (script, mut mail) = scripted();
        let relay = shop.serve(main_line().ack_timeout(HOUR), script);
        shop.put([plain(1)]);
        let first = mail.next();
        shop.clock.jump(by_ms);
        mail.stays_empty();
        shop.clock.pass(HOUR);
        assert_eq!(mail.next().attempt(), 2);
        first.ack();
        shop.until(|stats| stats.settled_to == 1);
        relay.stop();
    }
}

#[test]
fn a_scheduled_message_comes_when_the_clock_says_so() {
    let mut shop = Shop::open();
    let (script, mut mail) = scripted();
    let relay = shop.serve(main_line(), script);
    shop.put([plain(1).delay(HOUR)]);
    shop.clock.jump(-YEAR_MS);
    shop.clock.pass(2 * HOUR);
    mail.stays_empty();
    shop.clock.jump(YEAR_MS);
    mail.next().ack();
    shop.until(|stats| stats.settled_to == 1);
    relay.stop();
}

#[test]
fn a_message_expires_when_the_clock_says_so() {
    let mut shop = Shop::open();
    shop.put([plain(1).expires_after(HOUR), plain(2)]);
    shop.clock.jump(-YEAR_MS);
    shop.put([plain(3).expires_after(HOUR)]);
    shop.clock.jump(YEAR_MS);
    let (script, mut mail) = scripted();
    let relay = shop.serve(main_line(), script);
    for number in [1, 2] {
        let letter = mail.next();
        assert_eq!(letter.number(), number);
        letter.ack();
    }
    let dead = shop.dead(1).remove(0);
    assert_eq!((dead.seq, dead.reason.as_str()), (3, "expired"));
    relay.stop();
}

#[test]
fn places_order_and_ids_are_not_touched_by_a_jump() {
    for by_ms in JUMPS {
        let (mut shop, relay, mut mail) = jumped(by_ms, quick());
        let ids = shop.put((1..=3).map(|number| keyed("k", number)));
        shop.clock.jump(-by_ms);
        let more = shop.put((4..=6).map(|number| keyed("k", number)));
        let mut seen = Vec::new();
        for number in 1..=6 {
            let letter = mail.next();
            assert_eq!((letter.number(), letter.seq()), (number, number + 1));
            seen.push(letter.envelope.id());
            letter.ack();
        }
        assert_eq!(seen, [ids, more].concat());
        assert!(seen.iter().all(|id| id.as_bytes()[6] >> 4 == 7), "UUIDs of version 7");
        seen.sort_unstable();
        seen.dedup();
        assert_eq!(seen.len(), 6);
        relay.stop();
    }
}

#[test]
fn the_age_of_what_comes_from_the_future_is_nothing() {
    let mut shop = Shop::open();
    let (script, mut mail) = scripted();
    let relay = shop.serve(main_line(), script);
    shop.put([plain(1)]);
    let letter = mail.next();
    shop.clock.jump(-YEAR_MS);
    let stats = shop.until(|stats| stats.pending == 1);
    assert_eq!(stats.oldest_pending_age, Some(Duration::ZERO));
    letter.ack();
    relay.stop();
}
