//! Durable before sent, delivered again when nobody answers, and what late answers mean.

use super::stage::{A_WHILE, Shop, main_line, millis, plain, scripted};
use surehand::{MessageId, Subscription};

#[test]
fn every_message_is_recorded_as_sent_before_it_is_sent() {
    let mut shop = Shop::open();
    shop.put((0..600).map(plain));
    let (script, mut mail) = scripted();
    let relay = shop.serve(main_line().batch(100), script);
    for _ in 0..600 {
        let letter = mail.next();
        // Another connection sees it: it is committed.
        let sent_to = shop.count("SELECT sent_to FROM outbox_subscription");
        assert!(letter.seq() <= sent_to, "{letter:?} was sent beyond {sent_to}");
        letter.ack();
    }
    relay.stop();
}

#[test]
fn an_unanswered_message_is_delivered_again_after_a_tenth_of_a_second() {
    let mut shop = Shop::open();
    shop.put([plain(1)]);
    let (script, mut mail) = scripted();
    let began = std::time::Instant::now();
    let relay = shop.serve(Subscription::new("main").ack_timeout(millis(100)), script);
    let (first, second) = (mail.next(), mail.next());
    assert!(began.elapsed() >= millis(100), "after {:?}", began.elapsed());
    assert!(began.elapsed() < millis(5_000), "after {:?}", began.elapsed());
    assert_eq!((first.attempt(), second.attempt()), (1, 2));
    assert_eq!(first.envelope.id(), second.envelope.id());
    second.ack();
    let stats = shop.until(|stats| stats.delivered == 1);
    assert_eq!(stats.redelivered.timeout + stats.redelivered.outage, 1, "{stats:#?}");
    relay.stop();
}

#[test]
fn an_acknowledgement_of_an_earlier_attempt_counts() {
    let mut shop = Shop::open();
    shop.put([plain(1)]);
    let (script, mut mail) = scripted();
    let relay = shop.serve(Subscription::new("main").ack_timeout(millis(100)), script);
    let first = mail.next();
    let second = mail.next();
    first.ack();
    let stats = shop.until(|stats| stats.delivered == 1);
    assert_eq!((stats.late_acks, stats.settled_to), (1, 1));
    second.ack();
    assert!(mail.next_within(millis(300)).is_none(), "it is settled");
    let stats = shop.until(|stats| stats.late_acks == 2);
    assert_eq!(stats.delivered, 1);
    relay.stop();
}

#[test]
fn a_refusal_of_an_earlier_attempt_is_counted_and_ignored() {
    let mut shop = Shop::open();
    shop.put([plain(1)]);
    let (script, mut mail) = scripted();
    let relay = shop.serve(Subscription::new("main").ack_timeout(millis(300)), script);
    let first = mail.next();
    let second = mail.next();
    first.refuse();
    let stats = shop.until(|stats| stats.fenced_nacks == 1);
    assert_eq!((stats.dead, stats.waiting), (0, 0));
    second.ack();
    shop.until(|stats| stats.delivered == 1);
    relay.stop();
}

#[test]
fn an_acknowledgement_of_nothing_known_is_counted_and_harmless() {
    let mut shop = Shop::open();
    shop.put([plain(1), plain(2)]);
    let (script, mut mail) = scripted();
    let relay = shop.serve(main_line(), script);
    let letters = mail.take_next(2);
    letters[0].ack_another(77, letters[0].envelope.id());
    letters[0].ack_another(letters[1].seq(), MessageId::from_bytes([9; 16]));
    letters[0].ack_another(-1, letters[0].envelope.id());
    letters[0].ack_another(i64::MAX, letters[0].envelope.id());
    let stats = shop.until(|stats| stats.unknown_acks == 3 && stats.late_acks == 1);
    assert_eq!((stats.delivered, stats.settled_to), (0, 0));
    letters.iter().for_each(|letter| letter.ack());
    shop.until(|stats| stats.delivered == 2 && stats.settled_to == 2);
    relay.stop();
}

#[test]
fn answers_given_twice_count_once() {
    let mut shop = Shop::open();
    shop.put([plain(1), plain(2)]);
    let (script, mut mail) = scripted();
    let relay = shop.serve(main_line(), script);
    let letters = mail.take_next(2);
    letters[0].ack();
    letters[0].ack();
    letters[0].refuse();
    letters[1].nack();
    letters[1].nack();
    letters[1].refuse();
    let again = mail.next();
    assert_eq!((again.number(), again.attempt()), (2, 2));
    again.ack();
    let stats = shop.until(|stats| stats.settled_to == 2 && stats.waiting == 0);
    assert_eq!((stats.delivered, stats.dead, stats.fenced_nacks), (2, 0, 3));
    relay.stop();
}

#[test]
fn a_dropped_settler_says_that_nobody_knows() {
    let mut shop = Shop::open();
    shop.put([plain(1), plain(2)]);
    let (script, mut mail) = scripted();
    let relay = shop.serve(main_line(), script);
    let mut letters = mail.take_next(2);
    letters.remove(0).ack();
    // The last clone of the settler goes; the timeout is far away.
    letters.clear();
    let again = mail.next();
    assert_eq!((again.number(), again.attempt()), (2, 2));
    again.ack();
    shop.until(|stats| stats.delivered == 2 && stats.settled_to == 2);
    relay.stop();
}

#[test]
fn answers_may_come_from_any_thread_in_any_order() {
    let mut shop = Shop::open();
    shop.put((0..100).map(plain));
    let (script, mut mail) = scripted();
    let relay = shop.serve(main_line().batch(10), script);
    let mut letters = mail.take_next(100);
    letters.reverse();
    let threads: Vec<_> =
        letters.into_iter().map(|letter| std::thread::spawn(move || letter.ack())).collect();
    threads.into_iter().for_each(|thread| thread.join().unwrap());
    shop.until(|stats| stats.delivered == 100 && stats.settled_to == 100);
    assert!(mail.next_within(A_WHILE).is_none());
    relay.stop();
}
