//! Senders without positions: ids are kept for a horizon, and what is older is never run again.

use crate::clock::{Held, NOON};
use crate::world::{World, insert, number, word};
use std::sync::Arc;
use std::time::Duration;
use surehand::transport::Outcome;
use surehand::{
    Database, Effect, Failure, Inbox, Json, Message, MessageId, Result, SenderStats, clock::Clock,
};

const HORIZON: Duration = Duration::from_millis(100);
const YEAR_MS: i64 = 365 * 24 * 3_600_000;

/// The message of a number, sent that many milliseconds after noon.
fn receive(inbox: &mut Inbox, sender: &str, n: i64) -> Outcome {
    give(inbox, sender, n, NOON + n, number(n)).unwrap()
}

/// The answer to it in a word or two.
fn said(inbox: &mut Inbox, sender: &str, n: i64) -> String {
    word(&receive(inbox, sender, n))
}

fn give(
    inbox: &mut Inbox,
    sender: &str,
    id: i64,
    created_at_ms: i64,
    message: Message,
) -> Result<Outcome> {
    let id = MessageId::from_bytes(i128::from(id).to_be_bytes());
    inbox.receive(sender, HORIZON, id, created_at_ms, message)
}

fn warehouse(world: &World, clock: &Arc<Held>) -> Inbox {
    let database = Database::new(world.store()).clock(Arc::clone(clock) as Arc<dyn Clock>);
    Inbox::open(database).unwrap().on("n", insert)
}

/// A clock a minute later than all that is sent here.
fn later() -> Arc<Held> {
    let clock = Held::at_noon();
    clock.set_wall(NOON + 60_000);
    clock
}

#[track_caller]
fn stats(inbox: &mut Inbox) -> SenderStats {
    let mut senders = inbox.senders().unwrap();
    assert_eq!(senders.len(), 1);
    senders.remove(0)
}

#[test]
fn a_duplicate_gets_the_reply_that_was_kept_after_a_restart_too() {
    let world = World::new();
    let answering = || {
        Inbox::open(world.store()).unwrap().on("n", |effect: &Effect, n: Json<i64>| {
            insert(effect, Json(*n))?;
            Ok(*n * 2)
        })
    };
    for (opening, expected) in [(1, "applied"), (2, "duplicate")] {
        let outcome = receive(&mut answering(), "web", 21);
        assert_eq!(word(&outcome), expected, "opening {opening}");
        let Outcome::Applied(applied) = outcome else { unreachable!() };
        assert_eq!(applied.reply.as_deref(), Some(&b"42"[..]), "opening {opening}");
    }
    assert_eq!(world.effects(), [21]);
}

#[test]
fn another_content_under_a_known_id_is_a_conflict_and_goes_into_quarantine() {
    let world = World::new();
    let mut inbox = world.warehouse();
    assert_eq!(said(&mut inbox, "web", 1), "applied");
    for _ in 0..2 {
        let outcome = give(&mut inbox, "web", 1, NOON + 1, number(2)).unwrap();
        assert_eq!(word(&outcome), "refused: conflict");
    }
    assert_eq!(world.effects(), [1]);
    let kept = "SELECT times FROM inbox_quarantine \
        WHERE reason = 'conflict' AND CAST(origin AS TEXT) = 'web' AND CAST(payload AS TEXT) = '2'";
    assert_eq!(world.in_store(kept), 2);
    assert_eq!(stats(&mut inbox).conflicts, 2);
}

#[test]
fn what_is_older_than_the_horizon_is_quarantined_and_not_run() {
    let world = World::new();
    let mut inbox = warehouse(&world, &later());
    assert_eq!(said(&mut inbox, "web", 200), "applied");
    assert_eq!(said(&mut inbox, "web", 100), "applied", "just within");
    assert_eq!(said(&mut inbox, "web", 99), "refused: stale");
    assert_eq!(world.effects(), [100, 200]);
    assert_eq!(world.in_store("SELECT count(*) FROM inbox_quarantine WHERE reason = 'stale'"), 1);
    let stats = stats(&mut inbox);
    assert_eq!((stats.stale, stats.floor_ms), (1, NOON + 100));
}

#[test]
fn a_topic_without_a_handler_is_refused_and_may_come_again() {
    let world = World::new();
    let mut inbox = Inbox::open(world.store()).unwrap();
    assert_eq!(said(&mut inbox, "web", 1), "refused: unhandled");
    let mut inbox = inbox.on("n", insert);
    assert_eq!(said(&mut inbox, "web", 1), "applied");
    assert_eq!(stats(&mut inbox).unhandled, 1);
}

#[test]
fn a_message_whose_handler_failed_may_come_again() {
    let world = World::new();
    let failing = Inbox::open(world.store()).unwrap();
    let mut failing = failing.on("n", |effect: &Effect, n: Json<i64>| {
        insert(effect, n)?;
        Err::<(), _>(Failure::retry("not now"))
    });
    assert_eq!(said(&mut failing, "web", 1), "failed");
    assert_eq!(world.effects(), [0_i64; 0]);
    let mut inbox = failing.on("n", insert);
    assert_eq!(said(&mut inbox, "web", 1), "applied");
    let stats = stats(&mut inbox);
    assert_eq!((stats.failed, stats.applied), (1, 1));
}

#[test]
fn ids_are_forgotten_below_the_floor_and_memory_stays_within_the_horizon() {
    let world = World::new();
    let clock = later();
    let mut inbox = warehouse(&world, &clock);
    // One message a millisecond, and now and then a pause longer than the horizon.
    let times = (0..1_000).map(|n| n + n / 300 * 1_000);
    for time in times {
        assert_eq!(said(&mut inbox, "web", time), "applied");
        let within = i64::try_from(HORIZON.as_millis()).unwrap() + 1;
        let remembered = stats(&mut inbox).remembered;
        assert!(remembered <= within + 64, "{remembered} ids are kept at {time} ms");
    }
    assert!(stats(&mut inbox).remembered <= 101);
    assert_eq!(world.effects().len(), 1_000);
    // Nothing of what was forgotten is run again.
    for time in [0, 1, 500] {
        assert_eq!(said(&mut inbox, "web", time), "refused: stale");
    }
    assert_eq!(world.effects().len(), 1_000);
}

#[test]
fn a_clock_of_ours_that_jumps_forward_a_year_forgets_nothing() {
    let world = World::new();
    let clock = later();
    let mut inbox = warehouse(&world, &clock);
    assert_eq!(said(&mut inbox, "web", 1), "applied");
    clock.set_wall(NOON + YEAR_MS);
    assert_eq!(said(&mut inbox, "web", 2), "applied");
    assert_eq!(said(&mut inbox, "web", 1), "duplicate");
    assert_eq!(world.effects(), [1, 2]);
}

#[test]
fn a_senders_clock_that_jumps_forward_a_year_makes_nobodys_message_stale() {
    let world = World::new();
    let mut inbox = warehouse(&world, &Held::at_noon());
    assert_eq!(said(&mut inbox, "web", 0), "applied");
    assert_eq!(word(&give(&mut inbox, "web", 7, NOON + YEAR_MS, number(7)).unwrap()), "applied");
    assert_eq!(said(&mut inbox, "web", 1), "applied");
    assert_eq!(said(&mut inbox, "web", 0), "duplicate");
}

#[test]
fn senders_are_told_apart() {
    let world = World::new();
    let mut inbox = warehouse(&world, &later());
    for sender in ["web", "post"] {
        assert_eq!(said(&mut inbox, sender, 1), "applied");
        assert_eq!(said(&mut inbox, sender, 1), "duplicate");
    }
    // One that is far ahead makes nothing of the other stale.
    assert_eq!(said(&mut inbox, "web", 10_000), "applied");
    assert_eq!(said(&mut inbox, "post", 2), "applied");
    assert_eq!(said(&mut inbox, "web", 2), "refused: stale");
}

#[test]
fn two_consumers_keep_ids_of_their_own() {
    let world = World::new();
    for consumer in ["stock", "billing"] {
        let mut inbox = world.warehouse().named(consumer);
        assert_eq!(said(&mut inbox, "web", 1), "applied");
        assert_eq!(said(&mut inbox, "web", 1), "duplicate");
        assert_eq!(stats(&mut inbox).applied, 1);
    }
    assert_eq!(world.effects(), [1, 1]);
}
