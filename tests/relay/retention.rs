//! What stays in the log, for how long, and that emptying it is in nobody's way.

use super::stage::{
    Running, Shop, eventually, keyed, main_line, main_line_named, plain, quick, scripted,
};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;
use surehand::clock::{Clock, Now, System};
use surehand::{Database, Message, Relay, Start};

const LOG: &str = "SELECT count(*) FROM outbox_message";
const HOUR: Duration = Duration::from_secs(3_600);
const DAY: Duration = Duration::from_secs(24 * 3_600);

/// A message of half a kilobyte.
fn letter(number: i64) -> Message {
    plain(number).header("padding", "x".repeat(500))
}

#[test]
fn in_a_steady_state_the_file_does_not_grow() {
    let mut shop = Shop::open();
    let (script, mut mail) = scripted();
    let relay = shop.serve(main_line(), script);
    let mut pages = Vec::new();
    for day in 0..30 {
        // Some fail once, and each has an idempotency key, which is kept for a day.
        let key = |number| format!("{day}-{number}");
        shop.put((0..200).map(|number| letter(number).idempotency_key(key(number))));
        for letter in mail.take_next(200) {
            if letter.number() % 50 == 0 { letter.nack() } else { letter.ack() }
        }
        mail.acknowledge(4);
        shop.until_the_log_has(0);
        shop.clock.pass(DAY);
        pages.push(shop.count("PRAGMA page_count"));
    }
    relay.stop();
    let (early, late) = (pages[..5].iter().max().unwrap(), pages[5..].iter().max().unwrap());
    assert!(*late <= early + early / 10, "{pages:?}");
}

#[test]
fn settled_messages_are_kept_for_so_long_as_asked_and_then_leave_by_the_clock_alone() {
    let mut shop = Shop::open();
    shop.put((0..10).map(plain));
    let (script, mut mail) = scripted();
    let relay = shop.relay().keep_settled(HOUR).subscribe(main_line(), script);
    let relay = Running::start(relay);
    mail.acknowledge(10);
    shop.until(|stats| stats.settled_to == 10);
    shop.clock.pass(HOUR / 2);
    shop.put([plain(10)]);
    mail.acknowledge(1);
    shop.until(|stats| stats.settled_to == 11);
    assert_eq!(shop.count(LOG), 11, "for subscriptions to come");
    shop.clock.pass(HOUR / 2);
    shop.until_the_log_has(1);
    shop.clock.pass(HOUR);
    shop.until_the_log_has(0);
    relay.stop();
}

#[test]
fn a_new_subscription_gets_what_is_kept() {
    let mut shop = Shop::open();
    shop.put((0..10).map(plain));
    let (script, mut mail) = scripted();
    let relay = shop.relay().keep_settled(HOUR).subscribe(main_line(), script);
    let relay = Running::start(relay);
    mail.acknowledge(10);
    shop.until(|stats| stats.settled_to == 10);
    let (script, mut late_mail) = scripted();
    let late = shop.serve(main_line_named("late"), script);
    assert_eq!(late_mail.acknowledge(10), (0..10).collect::<Vec<_>>());
    late.stop();
    relay.stop();
}

#[test]
fn exceptions_keep_their_messages_and_nobody_elses_until_they_are_settled() {
    let mut shop = Shop::open();
    let retry = quick().first_delay(HOUR).longest_delay(HOUR);
    shop.put([keyed("k", 1), plain(2), keyed("k", 3), plain(4), plain(5)]);
    let (script, mut mail) = scripted();
    let relay = shop.serve(main_line().retry(retry), script);
    for letter in mail.take_next(4) {
        match letter.number() {
            1 => letter.refuse(),
            4 => letter.nack(),
            _ => letter.ack(),
        }
    }
    // One is dead, one is parked behind it, and one waits for an hour.
    let places = "SELECT group_concat(seq) = '1,3,4' FROM (SELECT seq FROM outbox_message)";
    eventually(|| (shop.count(places) == 1).then_some(())).expect("three are left");
    shop.operator().dead_letters("main").unwrap().redrive_all().unwrap();
    assert_eq!(mail.acknowledge(2), [1, 3]);
    shop.until_the_log_has(1);
    shop.clock.pass(2 * HOUR);
    assert_eq!(mail.acknowledge(1), [4]);
    shop.until_the_log_has(0);
    relay.stop();
}

#[test]
fn skips_and_replacements_are_forgotten_after_a_week() {
    let mut shop = Shop::open();
    shop.put((0..4).map(plain));
    let (script, mut mail) = super::stage::scripted_inbox();
    let relay = shop.serve(main_line(), script);
    mail.take_next(4).into_iter().for_each(|letter| letter.refuse());
    mail.high.store(4, Ordering::SeqCst);
    let dead = shop.dead(4);
    let mut operator = shop.operator();
    let mut desk = operator.dead_letters("main").unwrap();
    desk.skip(&dead[0]).unwrap();
    desk.replace(&dead[1], plain(11)).unwrap();
    mail.acknowledge(1);
    shop.until(|stats| stats.delivered == 1);
    desk.replace(&dead[2], plain(12)).unwrap();
    mail.next().refuse();
    // A replacement that is skipped in the end.
    shop.dead(2);
    desk.skip(&dead[2]).unwrap();
    desk.replace(&dead[3], plain(13)).unwrap();
    mail.next().refuse();
    mail.is_told(3);
    shop.until(|stats| stats.dead == 1 && stats.unconfirmed_skips == 0 && stats.delivered == 1);
    assert_eq!((desk.skips().unwrap().len(), desk.replaced().unwrap().len()), (2, 3));
    shop.clock.pass(8 * DAY);
    shop.put([plain(4)]);
    mail.acknowledge(1);
    let forgotten = || desk.skips().unwrap().is_empty() && desk.replaced().unwrap().len() == 1;
    eventually(|| forgotten().then_some(())).expect("they are forgotten");
    assert_eq!(desk.replaced().unwrap()[0].seq, 4, "one that is not settled yet");
    relay.stop();
}

/// A clock that stands still.
#[derive(Debug)]
struct Still(Now);

impl Clock for Still {
    fn now(&self) -> Now {
        self.0
    }
}

/// What is settled last waits for nothing, least of all for time.
#[test]
fn a_relay_that_stops_takes_out_of_the_log_what_it_settles_then() {
    let mut shop = Shop::open();
    shop.put([plain(1)]);
    let (script, mut mail) = scripted();
    let database = Database::new(shop.path()).clock(Arc::new(Still(System.now())));
    let relay = Relay::open(database).unwrap().subscribe(main_line(), script);
    let relay = Running::start(relay);
    mail.next().ack();
    relay.stop();
    assert_eq!(shop.count(LOG), 0);
}

#[test]
fn whoever_enqueues_gets_turns_while_a_large_backlog_is_deleted() {
    let backlog = 80_000;
    let mut shop = Shop::open();
    shop.put((0..backlog).map(plain));
    let (script, mut mail) = scripted();
    let (other_script, _other_mail) = scripted();
    let other = main_line_named("other").window(1);
    let relay = shop.relay().subscribe(main_line().start(Start::Now), script);
    let relay = Running::start(relay.subscribe(other, other_script));
    eventually(|| shop.operator().remove("other").ok()).expect("the relay makes it");
    let mut turns = 0;
    let gone = eventually(|| {
        shop.put([plain(turns)]);
        turns += 1;
        (shop.count("SELECT pruned_to FROM outbox_store") >= backlog).then_some(())
    });
    gone.expect("the backlog is deleted");
    assert!(turns > 8, "{turns} commits while {backlog} messages were deleted");
    mail.throw_away();
    relay.cut();
}

#[test]
fn a_relay_that_stops_while_it_rests_from_deleting_writes_what_it_knows() {
    // Whether it rests at that moment is a matter of luck.
    for _ in 0..3 {
        let backlog = 10_000;
        let mut shop = Shop::open();
        shop.put((0..backlog).map(plain));
        let (script, mut mail) = scripted();
        let (other_script, _other_mail) = scripted();
        let other = main_line_named("other").window(1);
        let relay = shop.relay().subscribe(main_line().start(Start::Now), script);
        let relay = Running::start(relay.subscribe(other, other_script));
        eventually(|| shop.operator().remove("other").ok()).expect("the relay makes it");
        for turn in 0..10 {
            shop.put([plain(turn)]);
        }
        mail.acknowledge(10);
        // Whether it has noticed by now that the other one was removed does not matter here.
        drop(relay.end());
        assert_eq!(shop.stats("main").settled_to, backlog + 10);
    }
}

/// As another program writes it that counts microseconds.
#[test]
fn a_row_from_the_future_does_not_keep_the_log_for_ever() {
    let mut shop = Shop::open();
    shop.put([plain(1)]);
    let row = "INSERT INTO outbox_message (topic, payload, created_at_ms) \
        VALUES ('order.placed', '2', 1700000000000000)";
    shop.execute(row);
    shop.put([plain(3)]);
    let (script, mut mail) = scripted();
    let relay = shop.relay().keep_settled(HOUR).subscribe(main_line(), script);
    let relay = Running::start(relay);
    mail.acknowledge(3);
    shop.until(|stats| stats.settled_to == 3);
    shop.clock.pass(2 * HOUR);
    shop.until_the_log_has(0);
    relay.stop();
}
