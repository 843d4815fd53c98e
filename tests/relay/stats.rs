//! Each number a person sees, and the situation that moves it and no other.

use super::stage::{
    Letter, Mail, PATIENCE, Running, Shelf, Shop, eventually, keyed, main_line, plain, porter,
    quick, scripted, scripted_inbox,
};
use std::time::Duration;
use surehand::operator::SubscriptionStats;
use surehand::{Failure, MessageId, SubscriptionState};

const HOUR: Duration = Duration::from_secs(3_600);
const MINUTE: Duration = Duration::from_secs(60);

/// The names of the fields in which two readings differ, ages aside.
fn moved(before: &SubscriptionStats, after: &SubscriptionStats) -> Vec<String> {
    let lines = |stats: &SubscriptionStats| {
        let mut stats = stats.clone();
        stats.oldest_pending_age = None;
        let text = format!("{stats:#?}");
        text.lines().map(|line| line.trim().to_owned()).collect::<Vec<_>>()
    };
    let (before, after) = (lines(before), lines(after));
    assert_eq!(before.len(), after.len());
    let differ = before.iter().zip(&after).filter(|(before, after)| before != after);
    differ.map(|(_, line)| line.split(':').next().unwrap().to_owned()).collect()
}

impl Shop {
    /// Waits until exactly these fields are others than before.
    #[track_caller]
    fn until_moved(&self, before: &SubscriptionStats, fields: &[&str]) -> SubscriptionStats {
        let as_wanted = || {
            let stats = self.stats("main");
            (moved(before, &stats) == fields).then_some(stats)
        };
        eventually(as_wanted).unwrap_or_else(|| {
            let stats = self.stats("main");
            panic!("{:?} moved from {before:#?} to {stats:#?}", moved(before, &stats))
        })
    }
}

/// A relay that has settled one message and has another one under way, and the second's letter.
fn one_under_way(shop: &mut Shop) -> (Running, Mail, Letter) {
    let (script, mut mail) = scripted();
    let retry = quick().first_delay(HOUR).longest_delay(HOUR);
    let relay = shop.serve(main_line().retry(retry), script);
    shop.put([plain(1)]);
    mail.acknowledge(1);
    shop.until(|stats| stats.settled_to == 1);
    shop.put([keyed("k", 2)]);
    let letter = mail.next();
    shop.until(|stats| stats.sent_to == 2);
    (relay, mail, letter)
}

#[test]
fn a_message_nobody_sent_yet_is_pending() {
    let mut shop = Shop::open();
    let (relay, _mail, letter) = one_under_way(&mut shop);
    letter.ack();
    shop.until(|stats| stats.settled_to == 2);
    relay.stop();
    let before = shop.stats("main");
    assert_eq!((before.pending, before.oldest_pending_age), (0, None));
    shop.put([plain(3)]);
    let stats = shop.until_moved(&before, &["pending", "last_seq"]);
    assert_eq!((stats.pending, stats.last_seq), (1, 3));
}

#[test]
fn a_message_that_was_sent_is_in_flight_until_it_is_acknowledged() {
    let mut shop = Shop::open();
    let (relay, mut mail, letter) = one_under_way(&mut shop);
    let before = shop.stats("main");
    assert_eq!((before.pending, before.in_flight, before.delivered), (1, 1, 1));
    letter.ack();
    let fields = ["pending", "in_flight", "delivered", "settled_to"];
    let after = shop.until_moved(&before, &fields);
    assert_eq!((after.pending, after.in_flight, after.delivered), (0, 0, 2));
    shop.put([plain(3)]);
    let letter = mail.next();
    let stats = shop.until_moved(&after, &["pending", "in_flight", "sent_to", "last_seq"]);
    assert_eq!((stats.in_flight, stats.sent_to, stats.last_seq), (1, 3, 3));
    letter.ack();
    relay.stop();
}

#[test]
fn a_message_between_two_attempts_is_waiting_and_the_next_attempt_is_counted_as_after_a_failure() {
    let mut shop = Shop::open();
    let (relay, mut mail, letter) = one_under_way(&mut shop);
    let before = shop.stats("main");
    letter.nack();
    let waiting = shop.until_moved(&before, &["in_flight", "waiting", "settled_to"]);
    assert_eq!((waiting.pending, waiting.waiting), (1, 1));
    shop.clock.pass(2 * HOUR);
    let again = mail.next();
    let sent = shop.until_moved(&waiting, &["failure"]);
    assert_eq!(sent.redelivered.failure, 1);
    again.ack();
    shop.until_moved(&sent, &["pending", "waiting", "delivered"]);
    relay.stop();
}

#[test]
fn a_message_behind_one_that_waits_is_parked() {
    let mut shop = Shop::open();
    let (relay, _mail, letter) = one_under_way(&mut shop);
    letter.nack();
    let before = shop.until(|stats| stats.waiting == 1);
    shop.put([keyed("k", 3)]);
    let fields = ["pending", "parked", "settled_to", "sent_to", "last_seq"];
    let stats = shop.until_moved(&before, &fields);
    assert_eq!((stats.pending, stats.parked, stats.in_flight), (2, 1, 0));
    relay.stop();
}

#[test]
fn a_message_that_was_given_up_is_dead_and_not_pending() {
    let mut shop = Shop::open();
    let (relay, _mail, letter) = one_under_way(&mut shop);
    let before = shop.stats("main");
    letter.refuse();
    let stats = shop.until_moved(&before, &["pending", "in_flight", "dead", "settled_to"]);
    assert_eq!((stats.pending, stats.dead, stats.oldest_pending_age), (0, 1, None));
    relay.stop();
}

#[test]
fn an_attempt_after_one_that_nobody_answered_in_time_is_counted() {
    let mut shop = Shop::open();
    let (relay, mut mail, _unanswered) = one_under_way(&mut shop);
    shop.clock.pass(PATIENCE / 2);
    shop.put([plain(3)]);
    mail.acknowledge(1);
    let before = shop.until(|stats| stats.delivered == 2);
    shop.clock.pass(PATIENCE / 2);
    let again = mail.next();
    assert_eq!(again.number(), 2);
    let fields = ["pending", "in_flight", "waiting", "timeout", "settled_to"];
    let stats = shop.until_moved(&before, &fields);
    assert_eq!((stats.redelivered.timeout, stats.outages), (1, 0));
    again.ack();
    relay.stop();
}

#[test]
fn a_silent_destination_is_an_outage_until_it_answers() {
    let mut shop = Shop::open();
    let (relay, mut mail, _unanswered) = one_under_way(&mut shop);
    let before = shop.stats("main");
    shop.clock.pass(PATIENCE);
    let again = mail.next();
    let out = shop.until_moved(&before, &["outages", "outage"]);
    assert_eq!((out.outages, out.redelivered.outage), (1, 1));
    again.ack();
    let fields = ["pending", "in_flight", "outages", "delivered", "settled_to"];
    assert_eq!(shop.until_moved(&out, &fields).outages, 0);
    relay.stop();
}

#[test]
fn an_attempt_after_one_that_was_under_way_when_its_relay_ended_is_counted() {
    let mut shop = Shop::open();
    let (relay, _mail, _unanswered) = one_under_way(&mut shop);
    relay.stop();
    let before = shop.stats("main");
    let (script, mut mail) = scripted();
    let relay = shop.serve(main_line(), script);
    let again = mail.next();
    let stats = shop.until_moved(&before, &["crash", "epoch"]);
    assert_eq!(stats.redelivered.crash, 1);
    again.ack();
    relay.stop();
}

#[test]
fn an_acknowledgement_of_what_is_settled_is_late() {
    let mut shop = Shop::open();
    let (relay, _mail, letter) = one_under_way(&mut shop);
    letter.ack();
    let before = shop.until(|stats| stats.settled_to == 2);
    letter.ack();
    assert_eq!(shop.until_moved(&before, &["late_acks"]).late_acks, 1);
    relay.stop();
}

/// Answers of this kind change nothing: they are written when there is something to write.
#[track_caller]
fn counted_with_the_next_message(field: &str, answer: impl FnOnce(&Letter)) {
    let mut shop = Shop::open();
    let (relay, mut mail, letter) = one_under_way(&mut shop);
    letter.ack();
    let before = shop.until(|stats| stats.settled_to == 2);
    answer(&letter);
    shop.put([plain(3)]);
    mail.acknowledge(1);
    let stats = shop.until(|stats| stats.settled_to == 3);
    let fields = ["delivered", field, "settled_to", "sent_to", "last_seq"];
    assert_eq!(moved(&before, &stats), fields);
    relay.stop();
}

#[test]
fn a_refusal_of_what_is_settled_is_fenced() {
    counted_with_the_next_message("fenced_nacks", Letter::nack);
}

#[test]
fn an_acknowledgement_of_what_nobody_sent_is_unknown() {
    let nobody = MessageId::from_bytes([9; 16]);
    counted_with_the_next_message("unknown_acks", |letter| letter.ack_another(99, nobody));
}

#[test]
fn a_skip_is_counted_until_the_consumer_knows() {
    let mut shop = Shop::open();
    shop.put([plain(1), plain(2)]);
    let (script, mut mail) = scripted_inbox();
    let relay = shop.serve(main_line(), script);
    let letters = mail.take_next(2);
    // The position is before it: its row is kept as one of a skipped message.
    letters[1].refuse();
    let letter = shop.dead(1).remove(0);
    relay.stop();
    let before = shop.stats("main");
    shop.operator().dead_letters("main").unwrap().skip(&letter).unwrap();
    let skipped = shop.until_moved(&before, &["dead", "unconfirmed_skips", "epoch"]);
    assert_eq!((skipped.dead, skipped.unconfirmed_skips), (0, 1));
    let (script, mut mail) = scripted_inbox();
    let relay = shop.serve(main_line(), script);
    mail.is_told(2);
    shop.until_moved(&skipped, &["unconfirmed_skips", "crash", "epoch"]);
    relay.stop();
}

#[test]
fn a_pause_shows_as_a_state_and_a_new_epoch() {
    let mut shop = Shop::open();
    let (relay, _mail, letter) = one_under_way(&mut shop);
    letter.ack();
    shop.until(|stats| stats.settled_to == 2);
    relay.stop();
    let before = shop.stats("main");
    shop.operator().pause("main").unwrap();
    let paused = shop.until_moved(&before, &["state", "epoch"]);
    assert_eq!((paused.state, paused.epoch), (SubscriptionState::Paused, before.epoch + 1));
}

impl Shop {
    /// How many minutes the oldest message has waited.
    fn age(&self) -> Option<u64> {
        self.stats("main").oldest_pending_age.map(|age| age.as_secs() / 60)
    }
}

#[test]
fn the_oldest_age_is_that_of_the_first_message_that_is_neither_settled_nor_dead() {
    let mut shop = Shop::open();
    for number in 1..=3 {
        shop.put([plain(number)]);
        shop.clock.pass(4 * MINUTE);
    }
    let (script, mut mail) = scripted();
    let retry = quick().first_delay(HOUR).longest_delay(HOUR);
    let relay = shop.serve(main_line().retry(retry), script);
    let letters = mail.take_next(3);
    assert_eq!(shop.age(), Some(12));
    letters[0].refuse();
    eventually(|| (shop.age() == Some(8)).then_some(())).expect("a dead one is not pending");
    letters[1].nack();
    letters[2].ack();
    shop.until(|stats| stats.waiting == 1 && stats.settled_to == 3);
    assert_eq!(shop.age(), Some(8), "one that waits is");
    relay.stop();
    shop.clock.pass(2 * MINUTE);
    assert_eq!(shop.age(), Some(10));
}

#[test]
fn a_delayed_message_ages_from_when_it_was_due() {
    let mut shop = Shop::open();
    let (script, mut mail) = scripted();
    let relay = shop.serve(main_line(), script);
    shop.put([plain(1).delay(HOUR)]);
    shop.until(|stats| stats.epoch == 1);
    assert_eq!(shop.age(), None, "it is not due");
    shop.clock.pass(HOUR + 5 * MINUTE);
    let letter = mail.next();
    assert_eq!(shop.age(), Some(5));
    letter.nack();
    shop.until(|stats| stats.redelivered.failure == 1);
    assert_eq!(shop.age(), Some(5), "as an exception too");
    mail.next().ack();
    shop.until(|stats| stats.delivered == 1);
    assert_eq!(shop.age(), None);
    relay.stop();
}

#[test]
fn a_message_that_is_due_ages_although_no_relay_runs() {
    let mut shop = Shop::open();
    let (script, _mail) = scripted();
    let relay = shop.serve(main_line(), script);
    shop.until(|stats| stats.epoch == 1);
    relay.stop();
    shop.put([plain(1).delay(HOUR)]);
    shop.clock.pass(HOUR + 5 * MINUTE);
    assert_eq!(shop.age(), Some(5));
}

#[test]
fn the_consumer_counts_what_it_was_sent_by_what_became_of_it() {
    let mut shop = Shop::open();
    let shelf = Shelf::new(shop.file("shelf.db"));
    let check = |number| match number {
        2 => Err(Failure::permanent("no such customer")),
        _ => Ok(()),
    };
    let (door, porter) = porter(shelf.inbox(check));
    let relay = shop.serve(main_line().batch(1), door);
    let counted = || {
        let one = porter.stats().remove(0);
        let fine = [one.applied, one.duplicates, one.failed, one.blocked];
        (fine, [one.superseded, one.conflicts, one.corrupt, one.unhandled])
    };
    let mut next = |message| {
        shop.put([message]);
        porter.next()
    };
    let applied = next(plain(1));
    porter.process(&applied.request);
    assert_eq!(counted(), ([1, 0, 0, 0], [0; 4]));
    porter.let_in(&applied);
    assert_eq!(counted(), ([1, 1, 0, 0], [0; 4]));
    porter.let_in(&next(keyed("k", 2)));
    assert_eq!(counted(), ([1, 1, 1, 0], [0; 4]));
    porter.let_in(&next(surehand::Message::new("nobody.listens").json(&3).unwrap()));
    assert_eq!(counted(), ([1, 1, 1, 0], [0, 0, 0, 1]));
    shop.until(|stats| stats.settled_to == 3);
    relay.stop();
    assert_eq!(shelf.numbers(), [1]);
}
