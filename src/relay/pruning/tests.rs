//! How much one cycle deletes.

use super::{ENOUGH, GATHER_MS, Moment, Pruning, SLICE};
use crate::database::Database;
use crate::id::{MessageId, Seq, SubscriptionId};
use crate::message::{Parts, fingerprint};
use crate::store::{self, Role, log, prune, subscription, transaction};
use rusqlite::Connection;
use std::cell::Cell;

pub(in crate::relay) const NOW: Moment = Moment { tick: 0, wall_ms: 1_000_000 };

/// An outbox with so many messages, all of them settled by its only subscription.
fn settled(messages: u16) -> (tempfile::TempDir, Connection) {
    let directory = tempfile::tempdir().unwrap();
    let database = Database::new(directory.path().join("shop.db"));
    let connection = store::open(&database, Role::Outbox).unwrap();
    append(&connection, messages);
    let id = SubscriptionId::from_bytes([1; 16]);
    subscription::create(&connection, "main", id, ">", i64::from(messages)).unwrap();
    (directory, connection)
}

/// Commits so many messages.
pub(in crate::relay) fn append(connection: &Connection, messages: u16) {
    transaction::begin(connection).unwrap();
    let mut log = log::Appender::new(connection);
    for number in 0..messages {
        log.add(message(number)).unwrap();
    }
    log.flush().unwrap();
    transaction::commit(connection).unwrap();
}

pub(in crate::relay) fn message(number: u16) -> log::NewMessage {
    let id = MessageId::from_bytes([number.to_le_bytes()[0]; 16]);
    let parts = Parts {
        topic: "order.placed".into(),
        key: None,
        headers: None,
        content_type: None,
        payload: Vec::new(),
    };
    let checksum = fingerprint(id, &parts);
    log::NewMessage { id, created_at_ms: NOW.wall_ms, expires_at_ms: None, checksum, parts }
}

/// The only subscription has settled so many.
fn move_to(connection: &Connection, seq: Seq) {
    let (tally, doubt, outage) = Default::default();
    let position =
        subscription::Position { settled_to: seq, sent_to: seq, acked_to: seq, doubt, outage };
    subscription::advance(connection, 1, &position, &tally).unwrap();
}

#[test]
fn one_cycle_deletes_a_slice_and_the_next_one_goes_on() {
    let (_directory, connection) = settled(9_000);
    let mut pruning = Pruning::new();
    for pruned_to in [SLICE, 2 * SLICE, 9_000] {
        assert!(pruning.is_due(NOW));
        assert!(pruning.cycle(&connection, 0, || false, NOW).unwrap());
        assert_eq!(prune::pruned_to(&connection).unwrap(), pruned_to);
    }
    assert!(!pruning.is_due(NOW));
    assert!(!pruning.cycle(&connection, 0, || false, NOW).unwrap());
}

#[test]
fn a_cycle_stops_deleting_when_its_time_is_over_but_not_before_it_got_somewhere() {
    let (_directory, connection) = settled(1_200);
    let mut pruning = Pruning::new();
    pruning.cycle(&connection, 0, || true, NOW).unwrap();
    let first = prune::pruned_to(&connection).unwrap();
    assert!(0 < first && first < SLICE / 10, "{first} messages without any time");
    let looks = Cell::new(0);
    let is_over = || looks.replace(looks.get() + 1) >= 3;
    pruning.cycle(&connection, 0, is_over, NOW).unwrap();
    // Twice as many with every look: once, and 1 + 2 + 4 + 8 times.
    assert_eq!(prune::pruned_to(&connection).unwrap(), 16 * first);
    assert!(pruning.is_due(NOW), "there is more");
}

#[test]
fn as_many_as_were_settled_go_whatever_the_time() {
    let (_directory, connection) = settled(12_000);
    move_to(&connection, 512);
    let mut pruning = Pruning::new();
    for (settled, pruned_to) in [(512, 512), (6_000, 6_512)] {
        move_to(&connection, pruned_to);
        pruning.settled(settled, NOW);
        pruning.cycle(&connection, 0, || true, NOW).unwrap();
        assert_eq!(prune::pruned_to(&connection).unwrap(), pruned_to);
    }
}

#[test]
fn what_somebody_held_who_is_gone_does_not_go_at_once() {
    let (_directory, connection) = settled(12_000);
    move_to(&connection, 100);
    let mut pruning = Pruning::new();
    pruning.cycle(&connection, 0, || false, NOW).unwrap();
    move_to(&connection, 12_000);
    pruning.settled(600, NOW);
    pruning.cycle(&connection, 0, || true, NOW).unwrap();
    let pruned_to = prune::pruned_to(&connection).unwrap();
    assert!((700..1_000).contains(&pruned_to), "{pruned_to}");
    assert!(pruning.is_due(NOW), "there is more");
    // Several subscriptions settled the same places.
    pruning.settled(6_000, NOW);
    pruning.cycle(&connection, 0, || true, NOW).unwrap();
    assert!(prune::pruned_to(&connection).unwrap() < pruned_to + 100);
}

#[test]
fn what_is_kept_is_looked_at_again_when_it_is_old_enough() {
    let (_directory, connection) = settled(10);
    let mut pruning = Pruning::new();
    assert!(!pruning.cycle(&connection, 60_000, || false, NOW).unwrap());
    assert!(!pruning.is_due(NOW));
    assert_eq!(pruning.wakes_at(NOW), Some(60_000));
    let later = Moment { tick: 60_000, wall_ms: NOW.wall_ms + 60_000 };
    assert!(pruning.is_due(later));
    assert!(pruning.cycle(&connection, 60_000, || false, later).unwrap());
    assert_eq!(prune::pruned_to(&connection).unwrap(), 10);
    assert_eq!(pruning.wakes_at(later), None);
}

#[test]
fn few_that_are_settled_wait_for_others_but_not_for_long() {
    let (_directory, connection) = settled(10);
    let mut pruning = Pruning::new();
    assert!(pruning.cycle(&connection, 0, || false, NOW).unwrap());
    assert!(pruning.is_idle(NOW));

    pruning.settled(ENOUGH - 1, NOW);
    assert!(!pruning.is_due(NOW) && !pruning.is_idle(NOW));
    assert_eq!(pruning.wakes_at(NOW), Some(NOW.tick + GATHER_MS));
    assert!(pruning.is_due(Moment { tick: NOW.tick + GATHER_MS, ..NOW }));
    let mut hurried = pruning;
    hurried.hurry();
    assert!(hurried.is_due(NOW));
    pruning.settled(1, NOW);
    assert!(pruning.is_due(NOW));
}
