//! Dead letters that are delivered again: one, some, or all, and what is kept of their past.

use super::stage::{A_WHILE, Letter, Shop, keyed, main_line, plain, quick, scripted};
use surehand::limits::HISTORY_ENTRIES;
use surehand::{ErrorKind, Message};

#[test]
fn one_redriven_message_counts_failures_from_zero_and_attempts_on() {
    let mut shop = Shop::open();
    shop.put([plain(1), plain(2)]);
    let (script, mut mail) = scripted();
    let relay = shop.serve(main_line().retry(quick().max_failures(2)), script);
    for _ in 0..4 {
        mail.next().nack();
    }
    let dead = shop.dead(2);
    let mut operator = shop.operator();
    operator.dead_letters("main").unwrap().redrive(&dead[0]).unwrap();
    let again = mail.next();
    assert_eq!((again.number(), again.attempt()), (1, 3));
    again.nack();
    let last = mail.next();
    assert_eq!((last.number(), last.attempt()), (1, 4), "one failure does not kill it again");
    last.nack();
    let again = shop.dead(2).remove(0);
    assert_eq!((again.failures, again.attempts), (2, 4));
    assert_eq!(again.history.len(), 4, "its past is kept");
    mail.stays_empty();
    relay.stop();
}

#[test]
fn those_that_the_filter_picks_are_redriven_and_no_others() {
    let mut shop = Shop::open();
    shop.put((1..=6).map(plain));
    let (script, mut mail) = scripted();
    let relay = shop.serve(main_line(), script);
    for letter in mail.take_next(6) {
        if letter.number() % 2 == 0 { letter.refuse() } else { letter.ack() }
    }
    shop.dead(3);
    let mut operator = shop.operator();
    let mut desk = operator.dead_letters("main").unwrap();
    assert_eq!(desk.redrive_where(|letter| letter.seq > 2).unwrap(), 2);
    assert_eq!(desk.redrive_where(|letter| letter.reason == "conflict").unwrap(), 0);
    assert_eq!(mail.acknowledge(2), [4, 6]);
    mail.stays_empty();
    let stats = shop.until(|stats| stats.delivered == 5);
    assert_eq!((stats.dead, stats.pending), (1, 0));
    assert_eq!(shop.dead(1)[0].seq, 2);
    relay.stop();
}

#[test]
fn all_are_redriven_at_once_and_keep_the_order_of_their_keys() {
    let mut shop = Shop::open();
    shop.put((0..30).map(|number| keyed(&(number % 3).to_string(), number)));
    let (script, mut mail) = scripted();
    let relay = shop.serve(main_line(), script);
    for letter in mail.take_next(3) {
        letter.refuse();
    }
    shop.until(|stats| stats.dead == 3 && stats.parked == 27);
    let mut operator = shop.operator();
    let mut desk = operator.dead_letters("main").unwrap();
    assert_eq!(desk.redrive_all().unwrap(), 3);
    assert_eq!(desk.redrive_all().unwrap(), 0);
    let numbers = mail.acknowledge(30);
    for key in 0..3 {
        let of_key: Vec<_> = numbers.iter().filter(|number| *number % 3 == key).collect();
        assert!(of_key.is_sorted(), "{of_key:?}");
    }
    relay.stop();
}

#[test]
fn large_ones_that_are_redriven_go_a_few_at_a_time() {
    const LETTERS: usize = 64;
    let mut shop = Shop::open();
    let large = "x".repeat(256 * 1024 - 2);
    shop.put((0..LETTERS).map(|_| Message::new("order.placed").json(&large).unwrap()));
    let (script, mut mail) = scripted();
    let relay = shop.serve(main_line(), script);
    (0..LETTERS).for_each(|_| mail.next().refuse());
    shop.dead(LETTERS);
    shop.operator().dead_letters("main").unwrap().redrive_all().unwrap();
    // 8 MiB may be under way.
    let letters = mail.take_next(LETTERS / 2);
    assert!(mail.next_within(A_WHILE).is_none());
    letters.iter().for_each(Letter::ack);
    mail.take_next(LETTERS / 2).iter().for_each(Letter::ack);
    shop.until(|stats| stats.pending == 0 && stats.dead == 0);
    relay.stop();
}

#[test]
fn what_is_not_dead_any_more_cannot_be_redriven() {
    let mut shop = Shop::open();
    shop.put([plain(1)]);
    let (script, mut mail) = scripted();
    let relay = shop.serve(main_line(), script);
    mail.next().refuse();
    let letter = shop.dead(1).remove(0);
    let mut operator = shop.operator();
    operator.dead_letters("main").unwrap().redrive(&letter).unwrap();
    let again = mail.next();
    let twice = operator.dead_letters("main").unwrap().redrive(&letter);
    assert_eq!(twice.unwrap_err().kind(), ErrorKind::NotFound);
    again.ack();
    shop.until(|stats| stats.delivered == 1);
    let settled = operator.dead_letters("main").unwrap().redrive(&letter);
    assert_eq!(settled.unwrap_err().kind(), ErrorKind::NotFound);
    mail.stays_empty();
    relay.stop();
}

#[test]
fn the_history_keeps_the_latest_failures_and_no_more_than_its_limit() {
    let failures = HISTORY_ENTRIES + 4;
    let mut shop = Shop::open();
    shop.put([plain(1)]);
    let (script, mut mail) = scripted();
    let policy = quick().max_failures(u32::try_from(failures).unwrap());
    let relay = shop.serve(main_line().retry(policy), script);
    for _ in 0..failures {
        mail.next().nack();
    }
    let letter = shop.dead(1).remove(0);
    let attempts: Vec<_> = letter.history.iter().map(|entry| entry.attempt).collect();
    assert_eq!(attempts, (5..=20).collect::<Vec<_>>());
    relay.stop();
}

#[test]
fn without_such_a_subscription_there_are_no_dead_letters() {
    let shop = Shop::open();
    let missing = shop.operator().dead_letters("nobody").unwrap_err();
    assert_eq!(missing.kind(), ErrorKind::NotFound);
}

#[test]
fn one_that_has_expired_dies_again_without_being_sent() {
    let minute = std::time::Duration::from_secs(60);
    let mut shop = Shop::open();
    shop.put([plain(1).expires_after(minute)]);
    shop.clock.pass(2 * minute);
    let (script, mut mail) = scripted();
    let relay = shop.serve(main_line(), script);
    let first = shop.dead(1).remove(0);
    shop.clock.pass(minute);
    assert_eq!(shop.operator().dead_letters("main").unwrap().redrive_all().unwrap(), 1);
    let again = super::stage::eventually(|| {
        let again = shop.dead(1).remove(0);
        (again.died_at_ms > first.died_at_ms).then_some(again)
    });
    let again = again.expect("it dies again");
    assert_eq!((again.reason.as_str(), again.attempts), ("expired", 0));
    mail.stays_empty();
    relay.stop();
}

/// A thousand dead letters and one more, as if a relay had given them up.
fn buried(shop: &Shop) {
    shop.execute(
        "WITH RECURSIVE n(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM n WHERE n < 1001)
        INSERT INTO outbox_message (topic, id, payload)
        SELECT 'order.placed', randomblob(16), n FROM n;
        INSERT INTO outbox_delivery (subscription, seq, id, state, updated_at_ms)
        SELECT 1, seq, id, 'dead', 1 FROM outbox_message;
        UPDATE outbox_subscription SET settled_to = 1001, sent_to = 1001",
    );
}

#[test]
fn whoever_writes_gets_turns_while_many_are_redriven() {
    let shop = Shop::open();
    let relay = shop.serve(main_line(), scripted().0);
    shop.until(|_| true);
    relay.stop();
    buried(&shop);
    shop.execute("PRAGMA busy_timeout = 0");
    let shop = std::cell::RefCell::new(shop);
    let redriven = "SELECT count(*) FROM outbox_delivery WHERE state = 'waiting'";
    let found = std::cell::RefCell::new(Vec::new());
    let mut operator = shop.borrow().operator();
    let pick = |letter: &surehand::operator::DeadLetter| {
        // Whoever would have to wait fails here.
        if [1, 1_001].contains(&letter.seq) {
            shop.borrow_mut().put([plain(letter.seq)]);
            found.borrow_mut().push(shop.borrow().count(redriven));
        }
        letter.seq != 2
    };
    let count = operator.dead_letters("main").unwrap().redrive_where(pick).unwrap();
    assert_eq!((count, found.into_inner()), (1_000, vec![0, 999]));
}
