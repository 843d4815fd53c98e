//! A message that fails: retried, remembered, given up with a reason; the others go on.

use super::stage::{Shop, keyed, main_line, millis, plain, quick, scripted};
use std::time::Duration;
use surehand::transport::Outcome;
use surehand::{Failure, RetryPolicy, Subscription};

const HOUR: Duration = Duration::from_secs(3_600);

/// The first failure waits for an hour or so.
fn slow() -> Subscription {
    let retry = RetryPolicy::default().first_delay(HOUR).longest_delay(4 * HOUR).max_failures(3);
    main_line().retry(retry)
}

#[test]
fn a_message_that_succeeds_at_once_has_no_row_of_its_own() {
    let mut shop = Shop::open();
    shop.put((0..50).map(plain));
    let (script, mut mail) = scripted();
    let relay = shop.serve(main_line(), script);
    for letter in mail.take_next(50) {
        assert_eq!(shop.count("SELECT count(*) FROM outbox_delivery"), 0);
        letter.ack();
    }
    shop.until(|stats| stats.settled_to == 50);
    relay.stop();
    assert_eq!(shop.count("SELECT count(*) FROM outbox_delivery"), 0);
}

#[test]
fn a_failed_message_waits_for_its_retry_and_the_others_pass_it() {
    let mut shop = Shop::open();
    shop.put([plain(1), plain(2)]);
    let (script, mut mail) = scripted();
    let relay = shop.serve(slow(), script);
    let letters = mail.take_next(2);
    letters[0].nack();
    letters[1].ack();
    let stats = shop.until(|stats| stats.waiting == 1 && stats.settled_to == 2);
    assert_eq!((stats.delivered, stats.pending, stats.in_flight), (1, 1, 0));
    shop.put([plain(3)]);
    let third = mail.next();
    assert_eq!(third.number(), 3);
    third.ack();
    mail.stays_empty();
    shop.clock.pass(2 * HOUR);
    let again = mail.next();
    assert_eq!((again.number(), again.attempt()), (1, 2));
    again.ack();
    let stats = shop.until(|stats| stats.waiting == 0);
    assert_eq!((stats.delivered, stats.redelivered.failure, stats.pending), (3, 1, 0));
    relay.stop();
}

#[test]
fn a_restart_resets_neither_the_wait_nor_the_failures() {
    let mut shop = Shop::open();
    shop.put([plain(1)]);
    for failure in 1..=2 {
        let (script, mut mail) = scripted();
        let relay = shop.serve(slow(), script);
        if failure > 1 {
            shop.until(|stats| stats.epoch >= failure);
            mail.stays_empty();
            shop.clock.pass(4 * HOUR);
        }
        let letter = mail.next();
        assert_eq!(i64::from(letter.attempt()), failure);
        letter.nack();
        shop.until(|stats| stats.waiting == 1 && stats.redelivered.failure == failure - 1);
        relay.stop();
    }
    let (script, mut mail) = scripted();
    let relay = shop.serve(slow(), script);
    shop.clock.pass(4 * HOUR);
    let third = mail.next();
    assert_eq!(third.attempt(), 3);
    third.nack();
    let dead = shop.dead(1);
    assert_eq!((dead[0].failures, dead[0].attempts), (3, 3));
    relay.stop();
}

#[test]
fn a_retry_waits_as_long_as_the_handler_asked() {
    let mut shop = Shop::open();
    shop.put([plain(1)]);
    let (script, mut mail) = scripted();
    let relay = shop.serve(main_line().retry(quick()), script);
    mail.next().settle(Outcome::Failed(Failure::retry("closed").after(HOUR)));
    shop.until(|stats| stats.waiting == 1);
    mail.stays_empty();
    shop.clock.pass(HOUR);
    mail.next().ack();
    shop.until(|stats| stats.delivered == 1);
    relay.stop();
}

#[test]
fn a_wait_the_handler_asked_for_survives_a_new_epoch() {
    let mut shop = Shop::open();
    shop.put([plain(1)]);
    let (script, mut mail) = scripted();
    let relay = shop.serve(main_line().retry(quick()), script);
    mail.next().settle(Outcome::Failed(Failure::retry("closed").after(HOUR)));
    shop.until(|stats| stats.waiting == 1);
    relay.stop();
    let (script, mut mail) = scripted();
    let relay = shop.serve(main_line().retry(quick()), script);
    shop.until(|stats| stats.epoch == 2);
    mail.stays_empty();
    shop.clock.pass(HOUR);
    mail.next().ack();
    relay.stop();
}

#[test]
fn a_message_that_keeps_failing_is_a_dead_letter_with_its_history() {
    let mut shop = Shop::open();
    let ids = shop.put([keyed("k", 1), plain(2)]);
    let (script, mut mail) = scripted();
    let relay = shop.serve(main_line(), script);
    let mut failures = 0;
    while failures < 3 {
        let letter = mail.next();
        if letter.number() == 2 {
            letter.ack();
            continue;
        }
        failures += 1;
        letter.settle(Outcome::Failed(Failure::retry(format!("no stock, time {failures}"))));
    }
    let dead = shop.dead(1).remove(0);
    assert_eq!((dead.seq, dead.id, dead.key.as_deref()), (1, ids[0], Some("k")));
    assert_eq!((dead.topic.as_str(), dead.reason.as_str()), ("order.placed", "too many failures"));
    assert_eq!((dead.attempts, dead.failures, dead.lost), (3, 3, 0));
    assert_eq!(dead.last_error.as_deref(), Some("no stock, time 3"));
    let history: Vec<_> =
        dead.history.iter().map(|entry| (entry.attempt, entry.error.as_str())).collect();
    let said = ["no stock, time 1", "no stock, time 2", "no stock, time 3"];
    assert_eq!(history, [(1, said[0]), (2, said[1]), (3, said[2])]);
    assert!(dead.history.is_sorted_by_key(|entry| entry.at_ms));
    assert!(dead.created_at_ms <= dead.died_at_ms);
    let stats = shop.until(|stats| stats.dead == 1 && stats.settled_to == 2);
    assert_eq!((stats.pending, stats.oldest_pending_age), (0, None));
    mail.stays_empty();
    relay.stop();
}

#[test]
fn a_failure_for_good_is_a_dead_letter_at_once() {
    let mut shop = Shop::open();
    shop.put([plain(1)]);
    let (script, mut mail) = scripted();
    let relay = shop.serve(main_line(), script);
    mail.next().refuse();
    let dead = shop.dead(1).remove(0);
    assert_eq!((dead.attempts, dead.failures), (1, 1));
    assert_eq!(dead.last_error.as_deref(), Some("no such customer"));
    assert_eq!(dead.history.len(), 1);
    mail.stays_empty();
    relay.stop();
}

#[test]
fn a_message_past_its_time_is_a_dead_letter_and_is_not_sent() {
    let mut shop = Shop::open();
    shop.put([plain(1).expires_after(HOUR), plain(2)]);
    shop.clock.pass(2 * HOUR);
    let (script, mut mail) = scripted();
    let relay = shop.serve(main_line(), script);
    let letter = mail.next();
    assert_eq!(letter.number(), 2);
    letter.ack();
    assert_eq!(shop.dead(1)[0].reason, "expired");
    assert_eq!(shop.dead(1)[0].attempts, 0);
    relay.stop();
}

#[test]
fn a_retry_past_its_time_is_a_dead_letter() {
    let mut shop = Shop::open();
    shop.put([plain(1).expires_after(HOUR / 2)]);
    let (script, mut mail) = scripted();
    let relay = shop.serve(slow(), script);
    mail.next().nack();
    shop.until(|stats| stats.waiting == 1);
    shop.clock.pass(2 * HOUR);
    let dead = shop.dead(1).remove(0);
    assert_eq!((dead.reason.as_str(), dead.failures), ("expired", 1));
    assert_eq!(dead.history[0].error, "no stock");
    mail.stays_empty();
    relay.stop();
}

#[test]
fn a_message_nobody_answers_while_others_are_answered_ends_as_a_dead_letter() {
    let mut shop = Shop::open();
    shop.put([plain(0)]);
    let (script, mut mail) = scripted();
    let retry = quick().crash_limit(3);
    let relay = shop.serve(Subscription::new("main").ack_timeout(millis(50)).retry(retry), script);
    let mut held = Vec::new();
    let mut number = 1;
    let dead = super::stage::eventually(|| {
        shop.put([plain(number)]);
        number += 1;
        while let Some(letter) = mail.next_within(millis(10)) {
            if letter.number() == 0 { held.push(letter) } else { letter.ack() }
        }
        let mut operator = shop.operator();
        let dead = operator.dead_letters("main").ok()?.list(0, 10).unwrap();
        dead.into_iter().next()
    });
    let dead = dead.expect("a dead letter");
    assert_eq!((dead.seq, dead.reason.as_str()), (1, "no answer"));
    assert_eq!((dead.failures, dead.lost), (0, 3));
    shop.until(|stats| {
        while let Some(letter) = mail.next_within(millis(10)) {
            letter.ack();
        }
        stats.settled_to == number && stats.waiting == 0
    });
    relay.stop();
}

#[test]
fn at_the_bound_of_exceptions_the_position_stops_and_goes_on_after_a_resolution() {
    let mut shop = Shop::open();
    shop.put((1..=40).map(plain));
    let (script, mut mail) = scripted();
    let subscription = slow().max_exceptions(5).window(10);
    let relay = shop.serve(subscription, script);
    let mut sent = 0;
    let stats = shop.until(|stats| {
        while let Some(letter) = mail.next_within(millis(20)) {
            sent += 1;
            letter.nack();
        }
        stats.waiting == 5 && sent >= 15
    });
    mail.stays_empty();
    assert_eq!(sent, 15, "what fits among the exceptions, and a window");
    assert_eq!(stats.settled_to, 5, "the position stops behind what fits");
    assert_eq!(stats.pending, 40);
    shop.clock.pass(2 * HOUR);
    shop.until(|stats| {
        while let Some(letter) = mail.next_within(millis(20)) {
            letter.ack();
        }
        stats.settled_to == 40 && stats.waiting == 0 && stats.delivered == 40
    });
    relay.stop();
}
