//! In order within a key, whatever happens to one of them; other keys go on.

use super::stage::{Shelf, Shop, eventually, keyed, main_line, quick, scripted, scripted_inbox};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use surehand::Failure;

/// The numbers of one key, in the order of their effects.
fn of_key(numbers: &[i64], key: i64, keys: i64) -> Vec<i64> {
    numbers.iter().copied().filter(|number| number % keys == key).collect()
}

#[test]
fn followers_wait_through_several_failures_of_their_head() {
    let mut shop = Shop::open();
    let shelf = Shelf::new(shop.file("shelf.db"));
    shop.put((0..10).map(|number| keyed("k", number)));
    let failures = Arc::new(AtomicI64::new(4));
    let check = move |number| match number {
        0 if failures.fetch_sub(1, Ordering::SeqCst) > 0 => Err(Failure::retry("no stock")),
        _ => Ok(()),
    };
    let policy = quick().max_failures(10);
    let relay = shop.serve(main_line().retry(policy), shelf.transport(check));
    shop.until(|stats| stats.delivered == 10 && stats.settled_to == 10 && stats.waiting == 0);
    relay.stop();
    assert_eq!(shelf.numbers(), (0..10).collect::<Vec<_>>());
}

#[test]
fn one_poisoned_key_among_a_thousand_holds_up_nobody_else() {
    let keys = 1_000;
    let mut shop = Shop::open();
    let shelf = Shelf::new(shop.file("shelf.db"));
    shop.put((0..5 * keys).map(|number| keyed(&(number % keys).to_string(), number)));
    let healed = Arc::new(AtomicBool::new(false));
    let seen = Arc::clone(&healed);
    let check = move |number| {
        let poisoned = number == 17 && !seen.load(Ordering::SeqCst);
        if poisoned { Err(Failure::retry("poison")) } else { Ok(()) }
    };
    let relay = shop.serve(main_line(), shelf.transport(check));
    let stats = shop.until(|stats| stats.dead == 1 && stats.settled_to == 5 * keys);
    assert_eq!((stats.delivered, stats.parked, stats.waiting), (5 * keys - 5, 4, 0));
    assert_eq!(stats.pending, 4);
    let numbers = shelf.numbers();
    assert!(of_key(&numbers, 17, keys).is_empty());
    for key in 0..keys {
        let of_key = of_key(&numbers, key, keys);
        assert!(of_key.is_sorted() && of_key.len() == if key == 17 { 0 } else { 5 });
    }
    healed.store(true, Ordering::SeqCst);
    assert_eq!(shop.operator().dead_letters("main").unwrap().redrive_all().unwrap(), 1);
    shop.until(|stats| stats.delivered == 5 * keys && stats.parked == 0 && stats.waiting == 0);
    relay.stop();
    let numbers = shelf.numbers();
    assert_eq!(of_key(&numbers, 17, keys), [17, 1_017, 2_017, 3_017, 4_017]);
    assert_eq!(numbers.len(), 5_000, "each had its effect once");
}

#[test]
fn without_an_inbox_a_message_waits_for_the_answer_to_the_one_before_it() {
    let mut shop = Shop::open();
    shop.put([keyed("k", 1), keyed("k", 2), keyed("j", 3)]);
    let (script, mut mail) = scripted();
    let relay = shop.serve(main_line(), script);
    let letters = mail.take_next(2);
    assert_eq!([letters[0].number(), letters[1].number()], [1, 3]);
    mail.stays_empty();
    letters[1].ack();
    mail.stays_empty();
    letters[0].ack();
    let second = mail.next();
    assert_eq!(second.number(), 2);
    second.ack();
    shop.until(|stats| stats.settled_to == 3);
    relay.stop();
}

#[test]
fn a_follower_is_parked_behind_a_dead_letter_through_a_restart() {
    let mut shop = Shop::open();
    shop.put([keyed("k", 1), keyed("k", 2), keyed("j", 3)]);
    let (script, mut mail) = scripted();
    let relay = shop.serve(main_line(), script);
    let letters = mail.take_next(2);
    letters[0].refuse();
    letters[1].ack();
    shop.until(|stats| stats.dead == 1 && stats.parked == 1 && stats.settled_to == 3);
    relay.stop();
    let (script, mut mail) = scripted();
    let relay = shop.serve(main_line(), script);
    shop.put([keyed("k", 4), keyed("j", 5)]);
    let letter = mail.next();
    assert_eq!(letter.number(), 5, "the other key goes on");
    letter.ack();
    mail.stays_empty();
    shop.until(|stats| stats.parked == 2);
    shop.operator().dead_letters("main").unwrap().redrive_all().unwrap();
    assert_eq!(mail.acknowledge(3), [1, 2, 4]);
    relay.stop();
}

#[test]
fn a_dead_letter_above_the_position_is_not_sent_by_the_next_relay() {
    let mut shop = Shop::open();
    shop.put([keyed("j", 1), keyed("k", 2), keyed("k", 3)]);
    let (script, mut mail) = scripted();
    let relay = shop.serve(main_line(), script);
    let letters = mail.take_next(2);
    letters[1].refuse();
    shop.until(|stats| stats.dead == 1 && stats.parked == 1);
    relay.stop();
    let (script, mut mail) = scripted();
    let relay = shop.serve(main_line(), script);
    assert_eq!(mail.acknowledge(1), [1]);
    mail.stays_empty();
    let stats = shop.until(|stats| stats.settled_to == 3);
    assert_eq!((stats.dead, stats.parked, stats.pending), (1, 1, 1));
    relay.stop();
}

#[test]
fn a_retry_above_the_position_waits_for_its_time_after_a_new_epoch() {
    let mut shop = Shop::open();
    shop.put([keyed("j", 1), keyed("k", 2), keyed("i", 3)]);
    let hour = std::time::Duration::from_secs(3_600);
    let retry = quick().first_delay(hour).longest_delay(hour);
    let (script, mut mail) = scripted();
    let relay = shop.serve(main_line().retry(retry), script);
    let letters = mail.take_next(3);
    letters[1].nack();
    letters[2].refuse();
    shop.until(|stats| stats.waiting == 1 && stats.dead == 1);
    shop.operator().dead_letters("main").unwrap().redrive_all().unwrap();
    let mut numbers = mail.acknowledge(2);
    mail.stays_empty();
    numbers.sort_unstable();
    assert_eq!(numbers, [1, 3], "message 2 waits for an hour");
    let stats = shop.until(|stats| stats.settled_to == 3);
    assert_eq!((stats.waiting, stats.pending), (1, 1));
    relay.stop();
}

#[test]
fn two_redriven_messages_of_one_key_both_arrive_in_order() {
    let mut shop = Shop::open();
    shop.put((1..=3).map(|number| keyed("k", number)));
    let (script, mut mail) = scripted_inbox();
    let relay = shop.serve(main_line(), script);
    for letter in mail.take_next(3) {
        letter.refuse();
    }
    shop.dead(3);
    relay.stop();
    let (script, mut mail) = scripted();
    let relay = shop.serve(main_line(), script);
    shop.until(|stats| stats.epoch == 2);
    shop.operator().dead_letters("main").unwrap().redrive_all().unwrap();
    assert_eq!(mail.acknowledge(3), [1, 2, 3]);
    shop.until(|stats| stats.waiting == 0 && stats.delivered == 3);
    relay.stop();
}

#[test]
fn order_holds_through_restarts_while_messages_fail_at_random() {
    let keys = 20;
    let mut shop = Shop::open();
    let shelf = Shelf::new(shop.file("shelf.db"));
    shop.put((0..400).map(|number| keyed(&(number % keys).to_string(), number)));
    let policy = quick().max_failures(50);
    let rounds = Arc::new(AtomicI64::new(0));
    let done = eventually(|| {
        let rounds = Arc::clone(&rounds);
        let check = move |number| {
            let luck = (number * 7 + rounds.fetch_add(1, Ordering::SeqCst)) % 5;
            if luck == 0 { Err(Failure::retry("bad luck")) } else { Ok(()) }
        };
        let relay = shop.serve(main_line().retry(policy.clone()), shelf.transport(check));
        let enough = shelf.count() + 40;
        eventually(|| (shelf.count() >= enough.min(400)).then_some(()));
        relay.cut();
        (shelf.count() == 400).then_some(())
    });
    done.expect("all arrive");
    let numbers = shelf.numbers();
    for key in 0..keys {
        assert!(of_key(&numbers, key, keys).is_sorted());
    }
    assert_eq!(numbers.len(), 400);
}
