//! Several subscriptions on one outbox: topics, paces, beginnings, and ends of their own.

use super::stage::{
    Mail, PATIENCE, Running, Shop, eventually, main_line, main_line_named, plain, scripted,
};
use std::time::Duration;
use surehand::operator::WhenFull;
use surehand::{Error, ErrorKind, Message, Start, SubscriptionState};

const LOG: &str = "SELECT count(*) FROM outbox_message";

fn about(topic: &str, number: i64) -> Message {
    Message::new(topic).json(&number).unwrap()
}

impl Shop {
    #[track_caller]
    fn until_settled(&self, name: &str, place: i64) {
        let there = || (self.stats(name).settled_to == place).then_some(());
        eventually(there).unwrap_or_else(|| panic!("{:#?}", self.stats(name)));
    }
}

/// A relay with the subscriptions `main` and `other`.
fn two_lines(shop: &Shop) -> (Running, Mail, Mail) {
    let (script, mail) = scripted();
    let (other_script, other_mail) = scripted();
    let relay = shop.relay().subscribe(main_line(), script);
    let relay = relay.subscribe(main_line_named("other"), other_script);
    (Running::start(relay), mail, other_mail)
}

#[test]
fn each_subscription_gets_the_topics_of_its_patterns() {
    let mut shop = Shop::open();
    shop.put([
        about("order.placed", 1),
        about("order.eu.placed", 2),
        about("refund.asked", 3),
        about("order.cancelled", 4),
        about("order", 5),
    ]);
    let wanted: [(&str, &[&str], &[i64]); 4] = [
        ("words", &["order.*"], &[1, 4]),
        ("tails", &["order.>"], &[1, 2, 4]),
        ("several", &["refund.asked", "*.placed"], &[1, 3]),
        ("all", &[">"], &[1, 2, 3, 4, 5]),
    ];
    let mut relay = shop.relay();
    let mut mails = Vec::new();
    for (name, topics, numbers) in wanted {
        let (script, mail) = scripted();
        relay = relay.subscribe(main_line_named(name).topics(topics.iter().copied()), script);
        mails.push((name, mail, numbers));
    }
    let relay = Running::start(relay);
    for (name, mail, numbers) in &mut mails {
        assert_eq!(mail.acknowledge(numbers.len()), *numbers, "{name}");
    }
    for (name, mail, numbers) in &mut mails {
        shop.until_settled(name, 5);
        mail.stays_empty();
        assert_eq!(shop.stats(name).delivered, i64::try_from(numbers.len()).unwrap());
    }
    relay.stop();
    assert_eq!(shop.count(LOG), 0, "what nobody wants is settled too");
}

#[test]
fn each_goes_at_its_own_pace_and_the_slowest_holds_the_log() {
    let mut shop = Shop::open();
    shop.put((0..100).map(plain));
    let (relay, mut mail, mut other_mail) = two_lines(&shop);
    let kept = other_mail.take_next(100);
    assert_eq!(mail.acknowledge(100), (0..100).collect::<Vec<_>>());
    shop.until_settled("main", 100);
    assert_eq!((shop.stats("other").settled_to, shop.count(LOG)), (0, 100));
    kept[..60].iter().for_each(|letter| letter.ack());
    shop.until_the_log_has(40);
    kept[60..].iter().for_each(|letter| letter.ack());
    shop.until_the_log_has(0);
    relay.stop();
}

#[test]
fn one_that_is_paused_holds_the_log_and_later_gets_everything() {
    let mut shop = Shop::open();
    let (relay, mut mail, mut other_mail) = two_lines(&shop);
    let opened = |name| shop.operator().pause(name).ok();
    eventually(|| opened("other")).expect("the relay makes its subscriptions");
    assert_eq!(shop.stats("other").state, SubscriptionState::Paused);
    shop.put((0..10).map(plain));
    mail.acknowledge(10);
    shop.until_settled("main", 10);
    other_mail.stays_empty();
    assert_eq!(shop.count(LOG), 10);
    shop.operator().resume("other").unwrap();
    assert_eq!(other_mail.acknowledge(10), (0..10).collect::<Vec<_>>());
    shop.until_the_log_has(0);
    relay.stop();
}

#[test]
fn a_pause_outlives_the_relay() {
    let mut shop = Shop::open();
    let (relay, ..) = two_lines(&shop);
    eventually(|| shop.operator().pause("main").ok()).expect("the relay makes it");
    relay.stop();
    shop.put([plain(1)]);
    let (relay, mut mail, mut other_mail) = two_lines(&shop);
    assert_eq!(other_mail.acknowledge(1), [1]);
    mail.stays_empty();
    shop.operator().resume("main").unwrap();
    assert_eq!(mail.acknowledge(1), [1]);
    relay.stop();
}

#[test]
fn a_running_relay_notices_at_once_that_its_subscription_is_resumed() {
    let mut shop = Shop::open();
    let (script, mut mail) = scripted();
    let relay = shop.serve(main_line(), script);
    eventually(|| shop.operator().pause("main").ok()).expect("the relay makes it");
    shop.put([plain(1)]);
    mail.stays_empty();
    let mut fastest = Duration::MAX;
    for number in 2..=5 {
        let began = std::time::Instant::now();
        shop.operator().resume("main").unwrap();
        assert_eq!(mail.acknowledge(1), [number - 1]);
        fastest = fastest.min(began.elapsed());
        shop.until(|stats| stats.settled_to == number - 1);
        shop.operator().pause("main").unwrap();
        shop.put([plain(number)]);
        mail.stays_empty();
    }
    // Without being told it looks once in a second.
    assert!(fastest < Duration::from_millis(500), "the fastest of four took {fastest:?}");
    relay.stop();
}

#[test]
fn one_that_is_detached_does_not_hold_the_log_and_goes_on_with_what_is_left() {
    let mut shop = Shop::open();
    let (relay, mut mail, mut other_mail) = two_lines(&shop);
    let bound = || shop.operator().bound("other", Some(5), None, WhenFull::Detach).ok();
    eventually(bound).expect("the relay makes its subscriptions");
    shop.put((0..5).map(plain));
    drop(other_mail.take_next(5));
    shop.put([plain(5)]);
    assert_eq!(shop.stats("other").state, SubscriptionState::Detached);
    assert_eq!(mail.acknowledge(6), (0..6).collect::<Vec<_>>());
    shop.until_the_log_has(0);
    other_mail.throw_away();
    shop.operator().bound("other", None, None, WhenFull::Refuse).unwrap();
    shop.operator().resume("other").unwrap();
    shop.put([plain(6)]);
    assert_eq!(mail.acknowledge(1), [6]);
    assert_eq!(other_mail.acknowledge(1), [6], "what it missed is gone");
    shop.until_settled("other", 7);
    relay.stop();
}

#[test]
fn one_that_was_detached_and_is_the_only_one_goes_on_with_everything() {
    let mut shop = Shop::open();
    let (script, mut mail) = scripted();
    let relay = shop.serve(main_line(), script);
    eventually(|| shop.operator().bound("main", Some(2), None, WhenFull::Detach).ok())
        .expect("the relay makes it");
    shop.put((0..4).map(plain));
    assert_eq!(shop.stats("main").state, SubscriptionState::Detached);
    mail.stays_empty();
    assert_eq!(shop.count(LOG), 4, "nobody was there to empty it");
    shop.operator().bound("main", None, None, WhenFull::Refuse).unwrap();
    shop.operator().resume("main").unwrap();
    assert_eq!(mail.acknowledge(4), [0, 1, 2, 3]);
    shop.until_the_log_has(0);
    relay.stop();
}

#[test]
fn a_new_one_begins_with_what_is_retained_or_with_what_comes_as_asked() {
    let mut shop = Shop::open();
    let (script, mut mail) = scripted();
    let relay = shop.serve(main_line(), script);
    shop.put((0..6).map(plain));
    let letters = mail.take_next(6);
    letters[..4].iter().for_each(|letter| letter.ack());
    shop.until_the_log_has(2);
    let (early_script, mut early_mail) = scripted();
    let (late_script, mut late_mail) = scripted();
    let early = shop.relay().subscribe(main_line_named("early"), early_script);
    let late = main_line_named("late").start(Start::Now);
    let newcomers = Running::start(early.subscribe(late, late_script));
    assert_eq!(early_mail.acknowledge(2), [4, 5]);
    eventually(|| shop.operator().dead_letters("late").ok().map(drop)).expect("it is made");
    shop.put([plain(6)]);
    assert_eq!(late_mail.acknowledge(1), [6]);
    assert_eq!(early_mail.acknowledge(1), [6]);
    newcomers.stop();
    relay.stop();
}

#[test]
fn where_it_begins_is_asked_once() {
    let mut shop = Shop::open();
    let (script, _mail) = scripted();
    let relay = shop.serve(main_line().start(Start::Now), script);
    shop.until(|stats| stats.epoch == 1);
    relay.stop();
    shop.put([plain(1)]);
    let (script, mut mail) = scripted();
    let relay = shop.serve(main_line().start(Start::Now), script);
    assert_eq!(mail.acknowledge(1), [1], "it had begun before");
    relay.stop();
}

#[test]
fn without_any_subscription_nothing_leaves_the_log_and_the_first_one_gets_it_all() {
    let mut shop = Shop::open();
    shop.put((0..10).map(plain));
    let relay = Running::start(shop.relay());
    shop.put((10..20).map(plain));
    relay.stop();
    assert_eq!(shop.count(LOG), 20);
    let (script, mut mail) = scripted();
    let relay = shop.serve(main_line(), script);
    assert_eq!(mail.acknowledge(20), (0..20).collect::<Vec<_>>());
    relay.stop();
}

#[test]
fn removing_one_releases_its_hold_on_the_log_beside_a_running_relay() {
    let mut shop = Shop::open();
    let (relay, mut mail, mut other_mail) = two_lines(&shop);
    shop.put((0..10).map(plain));
    let kept = other_mail.take_next(10);
    mail.acknowledge(10);
    shop.until_settled("main", 10);
    kept[0].refuse();
    let dead = || Some(()).filter(|()| shop.stats("other").dead == 1);
    eventually(dead).expect("one is dead");
    assert_eq!(shop.count(LOG), 10);
    shop.operator().remove("other").unwrap();
    shop.until_the_log_has(0);
    ends(relay, "other");
}

#[test]
fn removing_one_takes_what_only_its_dead_letters_held() {
    let mut shop = Shop::open();
    shop.put((0..4).map(plain));
    let (relay, mut mail, mut other_mail) = two_lines(&shop);
    mail.take_next(4).into_iter().for_each(|letter| letter.ack());
    for letter in other_mail.take_next(4) {
        if letter.number() < 2 { letter.refuse() } else { letter.ack() }
    }
    shop.until_the_log_has(2);
    shop.operator().remove("other").unwrap();
    shop.until_the_log_has(0);
    ends(relay, "other");
}

#[test]
fn a_relay_whose_subscription_is_removed_goes_on_with_its_others() {
    let mut shop = Shop::open();
    let (relay, mut mail, mut other_mail) = two_lines(&shop);
    shop.put([plain(1)]);
    mail.acknowledge(1);
    other_mail.acknowledge(1);
    shop.until_settled("other", 1);
    shop.operator().remove("other").unwrap();
    shop.put([plain(2)]);
    assert_eq!(mail.acknowledge(1), [2]);
    other_mail.stays_empty();
    shop.until_the_log_has(0);
    assert_eq!(shop.operator().stats().unwrap().len(), 1, "it is not made again");
    ends(relay, "other");
    let (relay, mut mail, mut other_mail) = two_lines(&shop);
    shop.put([plain(3)]);
    assert_eq!(mail.acknowledge(1), [3]);
    assert_eq!(other_mail.acknowledge(1), [3], "a relay that is started later makes it anew");
    relay.stop();
}

#[track_caller]
fn was_removed(error: &Error, name: &str) {
    assert_eq!(error.kind(), ErrorKind::NotFound, "{error}");
    assert!(error.to_string().contains(&format!("{name:?} was removed")), "{error}");
}

/// Ends well, or says that this one was removed: whether it has noticed is a matter of luck.
#[track_caller]
fn ends(relay: Running, removed: &str) {
    if let Err(error) = relay.end() {
        was_removed(&error, removed);
    }
}

#[test]
fn a_relay_ends_when_its_last_subscription_is_removed() {
    let mut shop = Shop::open();
    let (script, mut mail) = scripted();
    let relay = shop.serve(main_line(), script);
    shop.put([plain(1)]);
    mail.acknowledge(1);
    shop.operator().remove("main").unwrap();
    was_removed(&relay.outcome().unwrap_err(), "main");
}

#[test]
fn one_that_is_removed_while_it_is_paused_is_not_made_again() {
    let mut shop = Shop::open();
    let (relay, ..) = two_lines(&shop);
    eventually(|| shop.operator().pause("main").ok()).expect("the relay makes it");
    relay.stop();
    let (relay, _mail, mut other_mail) = two_lines(&shop);
    shop.put([plain(1)]);
    // Whoever sends this has seen that the first one is paused.
    other_mail.acknowledge(1);
    shop.operator().remove("main").unwrap();
    shop.clock.pass(PATIENCE);
    shop.put([plain(2)]);
    other_mail.acknowledge(1);
    ends(relay, "main");
    assert_eq!(shop.operator().stats().unwrap().len(), 1);
}

#[test]
fn a_relay_that_stands_by_does_not_make_a_removed_one_again_when_its_turn_comes() {
    let mut shop = Shop::open();
    let (script, mut mail) = scripted();
    let active = shop.serve(main_line(), script);
    shop.put([plain(1)]);
    mail.acknowledge(1);
    let (script, mut second_mail) = scripted();
    let standby = shop.serve(main_line(), script);
    second_mail.stays_empty();
    shop.operator().remove("main").unwrap();
    was_removed(&active.outcome().unwrap_err(), "main");
    was_removed(&standby.outcome().unwrap_err(), "main");
    assert!(shop.operator().stats().unwrap().is_empty());
}

#[test]
fn what_is_not_there_can_be_neither_paused_nor_resumed_nor_bounded_nor_removed() {
    let shop = Shop::open();
    let mut operator = shop.operator();
    let attempts = [
        operator.pause("nobody"),
        operator.resume("nobody"),
        operator.bound("nobody", Some(1), None, WhenFull::Refuse),
        operator.remove("nobody"),
    ];
    for attempt in attempts {
        assert_eq!(attempt.unwrap_err().kind(), ErrorKind::NotFound);
    }
}
