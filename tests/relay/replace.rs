//! A dead letter whose content is replaced: the next revision of the same message, at its place,
//! of which exactly one is applied.

use super::stage::{
    PATIENCE, Running, Shelf, Shop, eventually, keyed, main_line, plain, scripted,
    with_a_copy_under_way,
};
use surehand::limits::PAYLOAD_BYTES;
use surehand::operator::{DeadLetter, Replaced};
use surehand::{ErrorKind, Failure, Message, Result};

impl Shop {
    fn replace(&self, letter: &DeadLetter, message: Message) -> Result<i64> {
        self.operator().dead_letters("main").unwrap().replace(letter, message)
    }

    fn replaced(&self) -> Vec<Replaced> {
        self.operator().dead_letters("main").unwrap().replaced().unwrap()
    }

    /// Waits until it is known which revision of the only replaced message was applied.
    #[track_caller]
    fn applied_revision(&self) -> (i64, i64) {
        let known = || match &self.replaced()[..] {
            [one] => one.applied.map(|applied| (one.revision, applied)),
            other => panic!("{other:?}"),
        };
        eventually(known).expect("a revision that was applied")
    }
}

/// Refuses what is below ten.
fn small_ones_are_poison(number: i64) -> Result<(), Failure> {
    if number < 10 { Err(Failure::permanent("no such customer")) } else { Ok(()) }
}

#[test]
fn new_content_is_delivered_under_the_same_id_at_the_same_place() {
    let mut shop = Shop::open();
    let ids = shop.put([keyed("k", 1).header("from", "shop")]);
    let (script, mut mail) = scripted();
    let relay = shop.serve(main_line(), script);
    mail.next().refuse();
    let letter = shop.dead(1).remove(0);
    let content = Message::new("ignored").key("ignored").header("by", "a person");
    assert_eq!(shop.replace(&letter, content.json(&2).unwrap()).unwrap(), 1);
    assert_eq!(shop.replaced()[0].applied, None);
    let again = mail.next();
    let envelope = &again.envelope;
    assert_eq!((again.number(), again.attempt(), envelope.revision()), (2, 2, 1));
    assert_eq!((envelope.seq(), envelope.id()), (1, ids[0]));
    assert_eq!((envelope.topic(), envelope.key()), ("order.placed", Some("k")));
    assert_eq!(envelope.header("by").as_deref(), Some("a person"));
    assert_eq!(envelope.header("from"), None, "headers are content");
    assert!(envelope.is_intact());
    again.ack();
    assert_eq!(shop.applied_revision(), (1, 1));
    assert_eq!((shop.replaced()[0].seq, shop.replaced()[0].id), (1, ids[0]));
    relay.stop();
}

#[test]
fn a_replaced_head_takes_effect_before_its_followers() {
    let mut shop = Shop::open();
    let shelf = Shelf::new(shop.file("shelf.db"));
    shop.put([keyed("k", 1), keyed("k", 12), keyed("j", 13), keyed("k", 14)]);
    let relay = shop.serve(main_line(), shelf.transport(small_ones_are_poison));
    let letter = shop.dead(1).remove(0);
    shop.until(|stats| stats.parked == 2);
    shop.replace(&letter, plain(11)).unwrap();
    shop.put([keyed("k", 15)]);
    shop.until(|stats| stats.delivered == 5 && stats.settled_to == 5 && stats.pending == 0);
    relay.stop();
    assert_eq!(shelf.numbers(), [13, 11, 12, 14, 15]);
    assert_eq!(shop.applied_revision(), (1, 1));
}

#[test]
fn a_replacement_that_fails_too_is_replaced_again() {
    let mut shop = Shop::open();
    let shelf = Shelf::new(shop.file("shelf.db"));
    shop.put([plain(1)]);
    let relay = shop.serve(main_line(), shelf.transport(small_ones_are_poison));
    for revision in 1..=3 {
        let letter = shop.dead(1).remove(0);
        let number = if revision == 3 { 11 } else { 1 + revision };
        assert_eq!(shop.replace(&letter, plain(number)).unwrap(), revision);
    }
    shop.until(|stats| stats.delivered == 1 && stats.dead == 0);
    relay.stop();
    assert_eq!(shelf.numbers(), [11]);
    assert_eq!(shop.applied_revision(), (3, 3));
}

#[test]
fn a_replacement_waits_for_a_relay_and_survives_its_restarts() {
    let mut shop = Shop::open();
    let shelf = Shelf::new(shop.file("shelf.db"));
    shop.put([plain(1)]);
    let relay = shop.serve(main_line(), shelf.transport(small_ones_are_poison));
    let letter = shop.dead(1).remove(0);
    relay.stop();
    shop.replace(&letter, plain(11)).unwrap();
    let (script, mut mail) = scripted();
    let relay = shop.serve(main_line(), script);
    assert_eq!(mail.next().envelope.revision(), 1);
    relay.cut();
    let relay = shop.serve(main_line(), shelf.transport(small_ones_are_poison));
    shop.until(|stats| stats.delivered == 1);
    relay.stop();
    assert_eq!(shelf.numbers(), [11]);
}

#[test]
fn one_around_which_the_log_was_emptied_is_replaced_all_the_same() {
    let mut shop = Shop::open();
    let shelf = Shelf::new(shop.file("shelf.db"));
    shop.put([plain(10), plain(1), plain(12)]);
    let relay = shop.serve(main_line(), shelf.transport(small_ones_are_poison));
    let letter = shop.dead(1).remove(0);
    let places = "SELECT group_concat(seq) = '2' FROM outbox_message";
    eventually(|| (shop.count(places) == 1).then_some(())).expect("the log keeps the dead one");
    shop.replace(&letter, plain(11)).unwrap();
    shop.until(|stats| stats.delivered == 3);
    relay.stop();
    assert_eq!(shelf.count(), 3);
    assert_eq!(shop.count("SELECT count(*) FROM outbox_message"), 0, "and nothing once settled");
}

#[test]
fn one_above_the_position_is_replaced_and_not_sent_as_it_was() {
    let mut shop = Shop::open();
    shop.put([plain(1), plain(2)]);
    let (script, mut mail) = scripted();
    let relay = shop.serve(main_line(), script);
    let letters = mail.take_next(2);
    letters[1].refuse();
    let letter = shop.dead(1).remove(0);
    assert_eq!(shop.stats("main").settled_to, 0);
    shop.replace(&letter, plain(12)).unwrap();
    let mut numbers = mail.acknowledge(2);
    numbers.sort_unstable();
    assert_eq!(numbers, [1, 12]);
    assert_eq!(shop.applied_revision(), (1, 1));
    relay.stop();
}

#[test]
fn a_replacement_is_for_one_subscription() {
    let mut shop = Shop::open();
    shop.put([plain(1)]);
    let (script, mut mail) = scripted();
    let (other_script, mut other_mail) = scripted();
    let other = super::stage::main_line_named("other");
    let relay = shop.relay().subscribe(main_line(), script).subscribe(other, other_script);
    let relay = Running::start(relay);
    mail.next().refuse();
    let others = other_mail.next();
    let letter = shop.dead(1).remove(0);
    shop.replace(&letter, plain(11)).unwrap();
    others.nack();
    assert_eq!(mail.acknowledge(1), [11]);
    assert_eq!(other_mail.acknowledge(1), [1]);
    relay.stop();
}

#[test]
fn what_is_not_dead_any_more_or_not_valid_is_not_replaced() {
    let mut shop = Shop::open();
    shop.put([plain(1)]);
    let (script, mut mail) = scripted();
    let relay = shop.serve(main_line(), script);
    mail.next().refuse();
    let letter = shop.dead(1).remove(0);
    let huge = Message::new("order.placed").payload(vec![0; PAYLOAD_BYTES + 1]);
    assert_eq!(shop.replace(&letter, huge).unwrap_err().kind(), ErrorKind::InvalidMessage);
    assert_eq!(shop.dead(1)[0], letter, "nothing has changed");
    shop.replace(&letter, plain(2)).unwrap();
    let again = mail.next();
    let twice = shop.replace(&letter, plain(3)).unwrap_err();
    assert_eq!(twice.kind(), ErrorKind::NotFound);
    again.ack();
    shop.until(|stats| stats.delivered == 1);
    let settled = shop.replace(&letter, plain(4)).unwrap_err();
    assert_eq!(settled.kind(), ErrorKind::NotFound);
    assert_eq!(shop.applied_revision(), (1, 1));
    relay.stop();
}

#[test]
fn if_the_old_revision_arrives_first_the_new_one_has_no_effect_and_the_producer_knows() {
    let mut shop = Shop::open();
    let shelf = Shelf::new(shop.file("shelf.db"));
    let (relay, porter, old, letter) = with_a_copy_under_way(&mut shop, &shelf);
    let mut door = porter.hold();
    shop.replace(&letter, plain(11)).unwrap();
    // The consumer has not heard of the new opening: the copy is still listened to.
    assert!(!door.process(&old.request).applied().duplicate);
    drop(door);
    let new = porter.next();
    assert_eq!(new.revision(), 1);
    let answers = porter.process(&new.request);
    assert!(answers.applied().duplicate);
    assert_eq!(answers.applied().revision, Some(0));
    answers.tell(&new);
    assert_eq!(shop.applied_revision(), (1, 0));
    shop.until(|stats| stats.delivered == 1 && stats.settled_to == 1);
    relay.stop();
    assert_eq!(shelf.numbers(), [1]);
    let counted = shelf.inbox(|_| Ok(())).stats().unwrap().remove(0);
    assert_eq!((counted.duplicates, counted.superseded), (1, 0));
}

#[test]
fn if_the_new_revision_arrives_first_the_old_one_has_no_effect() {
    let mut shop = Shop::open();
    let shelf = Shelf::new(shop.file("shelf.db"));
    let (relay, porter, old, letter) = with_a_copy_under_way(&mut shop, &shelf);
    shop.replace(&letter, plain(11)).unwrap();
    let new = porter.next();
    let answers = porter.process(&new.request);
    assert_eq!((answers.applied().duplicate, answers.applied().revision), (false, Some(1)));
    porter.process(&old.request).is_fenced();
    // Even if it had been sent by the relay that is listened to.
    let late = porter.process(&old.copied_as(&new));
    assert_eq!((late.applied().duplicate, late.applied().revision), (true, Some(1)));
    answers.tell(&new);
    assert_eq!(shop.applied_revision(), (1, 1));
    relay.stop();
    assert_eq!(shelf.numbers(), [11]);
    assert_eq!(shelf.inbox(|_| Ok(())).stats().unwrap()[0].superseded, 1);
}

#[test]
fn a_replaced_message_is_delivered_again_as_it_was_replaced() {
    let mut shop = Shop::open();
    shop.put((1..=3).map(plain));
    let (script, mut mail) = scripted();
    let relay = shop.relay().keep_settled(PATIENCE).subscribe(main_line(), script);
    let relay = Running::start(relay);
    let letters = mail.take_next(3);
    letters[1].refuse();
    letters[0].ack();
    letters[2].ack();
    shop.until(|stats| stats.settled_to == 3 && stats.dead == 1);
    shop.replace(&shop.dead(1)[0], plain(12)).unwrap();
    assert_eq!(mail.acknowledge(1), [12]);
    assert_eq!(shop.applied_revision(), (1, 1));
    relay.stop();
    shop.operator().rewind("main", 0).unwrap();
    let (script, mut mail) = scripted();
    let relay = shop.serve(main_line(), script);
    let again = mail.take_next(3);
    assert_eq!(again.iter().map(|letter| letter.number()).collect::<Vec<_>>(), [1, 12, 3]);
    assert_eq!(again[1].envelope.revision(), 1);
    again.iter().for_each(|letter| letter.ack());
    shop.until(|stats| stats.settled_to == 3 && stats.pending == 0);
    relay.stop();
}

/// The time is part of what stays: new content would expire with the old.
#[test]
fn an_expired_letter_is_not_replaced_and_the_advice_says_what_to_do() {
    let minute = std::time::Duration::from_secs(60);
    let mut shop = Shop::open();
    shop.put([plain(1).expires_after(minute)]);
    shop.clock.pass(2 * minute);
    let (script, _mail) = scripted();
    let relay = shop.serve(main_line(), script);
    let letter = shop.dead(1).remove(0);
    let error = shop.replace(&letter, plain(2).expires_after(minute)).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidMessage, "{error}");
    assert!(error.to_string().contains("skip it, and enqueue a new message"), "{error}");
    assert_eq!((shop.dead(1), shop.replaced()), (vec![letter], vec![]));
    relay.stop();
}
