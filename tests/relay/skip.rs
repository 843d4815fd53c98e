//! A dead letter that is skipped: settled without an effect, and what the consumer knows of it.

use super::stage::{
    Letter, Mail, PATIENCE, Running, Shelf, Shop, eventually, keyed, main_line, plain, scripted,
    scripted_inbox, with_a_copy_under_way,
};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use surehand::operator::{DeadLetter, Skip, SkipState};
use surehand::{ErrorKind, Failure};

impl Shop {
    fn skip(&self, letter: &DeadLetter) {
        self.operator().dead_letters("main").unwrap().skip(letter).unwrap();
    }

    fn skips(&self) -> Vec<Skip> {
        self.operator().dead_letters("main").unwrap().skips().unwrap()
    }

    #[track_caller]
    fn until_its_skip_is(&self, wanted: SkipState) {
        let only = || match &self.skips()[..] {
            [skip] => (skip.state == wanted).then_some(()),
            other => panic!("{other:?}"),
        };
        eventually(only).unwrap_or_else(|| panic!("the skips stay {:?}", self.skips()));
    }

    /// Waits until a relay has opened the subscription after a change by a person.
    #[track_caller]
    fn until_opened_after(&self, epoch: i64) {
        self.until(|stats| stats.epoch >= epoch + 2);
    }
}

/// A relay whose first message is dead, and whose consumer answers what the test says.
fn with_a_dead_letter(shop: &Shop, mail: &mut Mail) -> DeadLetter {
    mail.next().refuse();
    shop.dead(1).remove(0)
}

#[test]
fn what_waits_behind_a_skipped_message_goes_on_in_order() {
    let mut shop = Shop::open();
    let shelf = Shelf::new(shop.file("shelf.db"));
    shop.put((1..=4).map(|number| keyed("k", number)));
    let check = |number| match number {
        1 | 3 => Err(Failure::permanent("no such customer")),
        _ => Ok(()),
    };
    let relay = shop.serve(main_line(), shelf.transport(check));
    let first = shop.dead(1).remove(0);
    shop.until(|stats| stats.parked == 3);
    shop.skip(&first);
    let third = eventually(|| {
        let dead = shop.dead(1).remove(0);
        (dead.seq != first.seq).then_some(dead)
    });
    assert_eq!(shelf.numbers(), [2], "the other dead letter holds back the last one");
    shop.put([keyed("k", 5)]);
    shop.skip(&third.expect("the third one dies"));
    shop.until(|stats| stats.delivered == 3 && stats.settled_to == 5 && stats.parked == 0);
    relay.stop();
    assert_eq!(shelf.numbers(), [2, 4, 5]);
}

#[test]
fn a_skip_is_unconfirmed_until_the_consumer_confirms_the_statement_with_it() {
    let mut shop = Shop::open();
    let ids = shop.put([plain(1), plain(2)]);
    let (script, mut mail) = scripted_inbox();
    mail.confirms = false;
    let relay = shop.serve(main_line(), script);
    let letter = with_a_dead_letter(&shop, &mut mail);
    mail.next().ack();
    mail.high.store(2, Ordering::SeqCst);
    shop.until(|stats| stats.settled_to == 2);
    shop.skip(&letter);
    mail.is_told(1);
    let skips = shop.skips();
    assert_eq!(skips.len(), 1);
    assert_eq!((skips[0].seq, skips[0].id), (1, ids[0]));
    assert_eq!(skips[0].state, SkipState::Unconfirmed, "it was told, and said nothing");
    assert_eq!(shop.stats("main").unconfirmed_skips, 1);
    mail.confirms = true;
    mail.stated = surehand::Ranges::new();
    mail.is_told(1);
    shop.until_its_skip_is(SkipState::Confirmed);
    let stats = shop.until(|stats| stats.unconfirmed_skips == 0);
    assert_eq!((stats.dead, stats.pending, stats.delivered), (0, 0, 1));
    relay.stop();
}

#[test]
fn a_skip_without_a_relay_is_stated_by_the_next_one() {
    let mut shop = Shop::open();
    shop.put([plain(1)]);
    let (script, mut mail) = scripted_inbox();
    let relay = shop.serve(main_line(), script);
    let letter = with_a_dead_letter(&shop, &mut mail);
    relay.stop();
    shop.skip(&letter);
    shop.until_its_skip_is(SkipState::Unconfirmed);
    assert_eq!(shop.stats("main").dead, 0);
    let (script, mut mail) = scripted_inbox();
    let relay = shop.serve(main_line(), script);
    mail.is_told(1);
    shop.until_its_skip_is(SkipState::Confirmed);
    mail.stays_empty();
    relay.stop();
}

#[test]
fn without_an_inbox_at_the_other_end_a_skip_stays_unconfirmed() {
    let mut shop = Shop::open();
    shop.put([keyed("k", 1), keyed("k", 2)]);
    let (script, mut mail) = scripted();
    let relay = shop.serve(main_line(), script);
    let letter = with_a_dead_letter(&shop, &mut mail);
    shop.skip(&letter);
    let follower = mail.next();
    assert_eq!(follower.number(), 2, "its key goes on all the same");
    follower.ack();
    shop.until(|stats| stats.settled_to == 2 && stats.parked == 0 && stats.delivered == 1);
    shop.until_its_skip_is(SkipState::Unconfirmed);
    assert!(mail.stated.is_empty(), "nothing is stated to who would not understand");
    relay.stop();
}

#[test]
fn an_acknowledgement_after_the_skip_says_that_it_was_applied() {
    let mut shop = Shop::open();
    shop.put([plain(1)]);
    let (script, mut mail) = scripted_inbox();
    let relay = shop.serve(main_line().retry(super::stage::quick().crash_limit(9)), script);
    let first = mail.next();
    shop.clock.pass(PATIENCE);
    let second = mail.next();
    second.refuse();
    let letter = shop.dead(1).remove(0);
    let epoch = shop.stats("main").epoch;
    shop.skip(&letter);
    shop.until_opened_after(epoch);
    mail.is_told(1);
    shop.until_its_skip_is(SkipState::Confirmed);
    first.ack();
    shop.until_its_skip_is(SkipState::SkippedButApplied);
    let stats = shop.until(|stats| stats.late_acks == 1);
    assert_eq!((stats.delivered, stats.dead, stats.unconfirmed_skips), (0, 0, 0));
    relay.stop();
}

#[test]
fn a_copy_of_a_skipped_message_that_arrives_after_the_statement_has_no_effect() {
    let mut shop = Shop::open();
    let shelf = Shelf::new(shop.file("shelf.db"));
    let (relay, porter, copy, letter) = with_a_copy_under_way(&mut shop, &shelf);
    shop.skip(&letter);
    porter.is_told(1);
    shop.until_its_skip_is(SkipState::Confirmed);
    porter.process(&copy.request).is_fenced();
    shop.put([plain(2)]);
    let next = porter.next();
    // Even if the copy had been sent after the skip, by the relay that is listened to.
    let answers = porter.process(&copy.copied_as(&next));
    assert!(answers.applied().duplicate);
    assert_eq!(answers.applied().revision, None, "it is known to be settled, and no more");
    porter.let_in(&next);
    shop.until(|stats| stats.delivered == 1);
    relay.stop();
    assert_eq!(shelf.numbers(), [2]);
}

#[test]
fn a_copy_that_arrives_before_the_consumer_was_told_is_applied_and_reported() {
    let mut shop = Shop::open();
    let shelf = Shelf::new(shop.file("shelf.db"));
    let (relay, porter, copy, letter) = with_a_copy_under_way(&mut shop, &shelf);
    let epoch = shop.stats("main").epoch;
    let mut door = porter.hold();
    shop.skip(&letter);
    shop.until_opened_after(epoch);
    shop.until_its_skip_is(SkipState::Unconfirmed);
    let answers = door.process(&copy.request);
    assert!(!answers.applied().duplicate, "nobody has told the consumer");
    answers.tell(&copy);
    drop(door);
    shop.until_its_skip_is(SkipState::SkippedButApplied);
    porter.is_told(1);
    relay.stop();
    assert_eq!(shelf.numbers(), [1]);
    shop.until_its_skip_is(SkipState::SkippedButApplied);
}

#[test]
fn one_above_the_position_is_settled_and_stated_before_the_position_gets_there() {
    let mut shop = Shop::open();
    shop.put([plain(1), keyed("k", 2), keyed("k", 3)]);
    let (script, mut mail) = scripted_inbox();
    let relay = shop.serve(main_line(), script);
    let letters = mail.take_next(3);
    letters[1].refuse();
    letters[2].refuse();
    let dead = shop.dead(2);
    assert_eq!(shop.stats("main").settled_to, 0);
    shop.skip(&dead[0]);
    mail.is_told(2);
    shop.until_its_skip_is(SkipState::Confirmed);
    let skipped = "SELECT count(*) FROM outbox_delivery WHERE state = 'skipped'";
    assert_eq!((shop.stats("main").settled_to, shop.count(skipped)), (0, 1));
    assert!(!mail.stated.contains(1) && !mail.stated.contains(3));
    let again = mail.next();
    assert_eq!(again.number(), 1, "what was under way is delivered again after the change");
    again.ack();
    let stats = shop.until(|stats| stats.settled_to == 3);
    assert_eq!((stats.dead, stats.delivered, shop.count(skipped)), (1, 1, 0));
    relay.stop();
    assert_eq!(shop.count("SELECT count(*) FROM outbox_message"), 1, "the dead one");
}

#[test]
fn what_is_not_dead_any_more_cannot_be_skipped() {
    let mut shop = Shop::open();
    shop.put([plain(1), plain(2)]);
    let (script, mut mail) = scripted_inbox();
    let relay = shop.serve(main_line(), script);
    let letters = mail.take_next(2);
    letters[0].refuse();
    letters[1].refuse();
    let dead = shop.dead(2);
    let mut operator = shop.operator();
    let mut desk = operator.dead_letters("main").unwrap();
    desk.skip(&dead[0]).unwrap();
    desk.redrive(&dead[1]).unwrap();
    for letter in &dead {
        assert_eq!(desk.skip(letter).unwrap_err().kind(), ErrorKind::NotFound);
        let dropped = desk.drop_with_followers(letter);
        assert_eq!(dropped.unwrap_err().kind(), ErrorKind::NotFound);
    }
    assert_eq!(desk.skips().unwrap().len(), 1);
    let again = mail.next();
    assert_eq!(again.number(), 2);
    again.ack();
    shop.until(|stats| stats.delivered == 1);
    relay.stop();
}

#[test]
fn dropping_a_message_drops_what_is_parked_behind_it_and_its_key_goes_on() {
    let mut shop = Shop::open();
    let shelf = Shelf::new(shop.file("shelf.db"));
    shop.put([keyed("k", 1), keyed("j", 2), keyed("k", 3), keyed("k", 4), plain(5)]);
    let check = |number| match number {
        1 => Err(Failure::permanent("no such customer")),
        _ => Ok(()),
    };
    let relay = shop.serve(main_line(), shelf.transport(check));
    let letter = shop.dead(1).remove(0);
    shop.until(|stats| stats.parked == 2 && stats.settled_to == 5);
    let mut operator = shop.operator();
    let dropped = operator.dead_letters("main").unwrap().drop_with_followers(&letter);
    assert_eq!(dropped.unwrap(), 3);
    shop.put([keyed("k", 6)]);
    let all_known = || shop.skips().iter().all(|skip| skip.state == SkipState::Confirmed);
    eventually(|| all_known().then_some(())).expect("the consumer is told of all");
    let stats = shop.until(|stats| stats.settled_to == 6 && stats.delivered == 3);
    assert_eq!((stats.dead, stats.parked, stats.pending), (0, 0, 0));
    relay.stop();
    let places: Vec<_> = shop.skips().iter().map(|skip| skip.seq).collect();
    assert_eq!(places, [1, 3, 4]);
    assert_eq!(shelf.numbers(), [2, 5, 6]);
    assert_eq!(shop.count("SELECT count(*) FROM outbox_message"), 0);
}

#[test]
fn dropping_a_message_drops_what_was_redriven_behind_it() {
    let mut shop = Shop::open();
    shop.put([keyed("k", 1), keyed("k", 2)]);
    let (script, mut mail) = scripted_inbox();
    let relay = shop.serve(main_line(), script);
    mail.take_next(2).iter().for_each(Letter::refuse);
    let dead = shop.dead(2);
    relay.stop();
    let mut operator = shop.operator();
    let mut desk = operator.dead_letters("main").unwrap();
    desk.redrive(&dead[1]).unwrap();
    assert_eq!(desk.drop_with_followers(&dead[0]).unwrap(), 2);
    let stats = shop.stats("main");
    assert_eq!((stats.pending, stats.waiting, stats.dead), (0, 0, 0));
}

#[test]
fn of_two_people_one_redrives_or_skips_a_message_and_the_other_is_told() {
    for _ in 0..5 {
        let mut shop = Shop::open();
        let shelf = Shelf::new(shop.file("shelf.db"));
        shop.put([plain(1), plain(2)]);
        let healed = Arc::new(AtomicBool::new(false));
        let seen = Arc::clone(&healed);
        let check = move |_| match seen.load(Ordering::SeqCst) {
            true => Ok(()),
            false => Err(Failure::permanent("no such customer")),
        };
        let relay = shop.serve(main_line(), shelf.transport(check));
        let letter = shop.dead(2).remove(0);
        healed.store(true, Ordering::SeqCst);
        let (mut one, mut other) = (shop.operator(), shop.operator());
        let (redriven, skipped) = std::thread::scope(|scope| {
            let redrive = scope.spawn(|| one.dead_letters("main").unwrap().redrive(&letter));
            let skip = other.dead_letters("main").unwrap().skip(&letter);
            (redrive.join().unwrap(), skip)
        });
        assert_ne!(redriven.is_ok(), skipped.is_ok(), "{redriven:?} {skipped:?}");
        let stats = shop.until(|stats| stats.dead == 1 && stats.pending == 0);
        assert_eq!(stats.delivered == 1, redriven.is_ok());
        relay.stop();
        assert_eq!(shelf.numbers().len(), usize::from(redriven.is_ok()));
    }
}

#[test]
fn a_skipped_message_stays_skipped_when_all_is_delivered_again() {
    let mut shop = Shop::open();
    shop.put((1..=3).map(plain));
    let (script, mut mail) = scripted_inbox();
    let relay = shop.relay().keep_settled(PATIENCE).subscribe(main_line(), script);
    let relay = Running::start(relay);
    let letters = mail.take_next(3);
    letters[1].refuse();
    letters[0].ack();
    letters[2].ack();
    mail.high.store(3, Ordering::SeqCst);
    shop.until(|stats| stats.settled_to == 3 && stats.dead == 1);
    shop.skip(&shop.dead(1)[0]);
    mail.is_told(2);
    shop.until_its_skip_is(SkipState::Confirmed);
    relay.stop();
    shop.operator().rewind("main", 0).unwrap();
    shop.until_its_skip_is(SkipState::Unconfirmed);
    let (script, mut mail) = scripted_inbox();
    let relay = shop.serve(main_line(), script);
    assert_eq!(mail.acknowledge(2), [1, 3]);
    mail.is_told(2);
    shop.until_its_skip_is(SkipState::Confirmed);
    shop.until(|stats| stats.settled_to == 3 && stats.pending == 0);
    relay.stop();
}
