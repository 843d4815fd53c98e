//! Issue point 15: an async step before the transaction, and what becomes of it when it fails.

use crate::world::{World, deliver, deliver_over, eager, insert};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use surehand::rusqlite::Connection;
use surehand::{Effect, Envelope, Failure, Inbox, Json};
use tokio::sync::Barrier;

fn value(envelope: &Envelope) -> i64 {
    serde_json::from_slice(envelope.payload()).unwrap()
}

fn add(effect: &Effect<'_>, n: Json<i64>, found: &i64) -> Result<(), Failure> {
    insert(effect, Json(*n + *found))
}

#[tokio::test]
async fn what_was_prepared_is_handed_to_the_handler_of_its_message() {
    let world = World::new();
    world.place(1..=40);
    let prepare = async |envelope: Envelope| Ok(value(&envelope) * 1_000);
    deliver(&world.shop(), boxed(&world, prepare)).await;
    assert_eq!(world.effects(), Vec::from_iter((1..=40).map(|n| n * 1_001)));
}

fn boxed<W, B>(world: &World, prepare: B) -> Inbox
where
    B: Fn(Envelope) -> W + Send + Sync + 'static,
    W: Future<Output = Result<i64, Failure>> + Send + 'static,
{
    Inbox::open(world.store()).unwrap().on_prepared("n", prepare, add)
}

#[tokio::test]
async fn the_write_lock_is_free_while_a_message_is_prepared() {
    let world = World::new();
    world.place([1]);
    let (store, other) = (world.store(), world.store());
    let write = |path: &std::path::Path| {
        let connection = Connection::open(path).unwrap();
        connection.busy_timeout(Duration::ZERO).unwrap();
        connection.execute("INSERT INTO effect (n) VALUES (100)", [])
    };
    let prepare = move |_: Envelope| {
        let written = write(&store);
        async move {
            written?;
            Ok(0_i64)
        }
    };
    let handle = move |effect: &Effect, n: Json<i64>, _: &i64| {
        assert!(write(&other).is_err(), "the handler has the lock, its prepare step had not");
        insert(effect, n)
    };
    let inbox = Inbox::open(world.store()).unwrap().on_prepared("n", prepare, handle);
    deliver(&world.shop(), inbox).await;
    assert_eq!(world.effects(), [1, 100]);
}

#[tokio::test]
async fn messages_of_a_request_are_prepared_at_the_same_time() {
    let world = World::new();
    world.place(1..=8);
    let together = Arc::new(Barrier::new(8));
    let prepare = move |_: Envelope| {
        let together = Arc::clone(&together);
        async move {
            together.wait().await;
            Ok(0)
        }
    };
    deliver(&world.shop(), boxed(&world, prepare)).await;
    assert_eq!(world.effects(), Vec::from_iter(1..=8));
}

/// Prepares all but the second message; that one goes wrong in its own way, twice.
async fn the_second_one_recovers(
    go_wrong: impl Fn(Envelope) -> Result<i64, Failure> + Send + Sync + 'static,
    in_the_future: bool,
) {
    let world = World::new();
    world.place(1..=4);
    let calls = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&calls);
    let go_wrong = Arc::new(go_wrong);
    let prepare = move |envelope: Envelope| {
        let wrong = value(&envelope) == 2 && counted.fetch_add(1, Ordering::SeqCst) < 2;
        let early = if wrong && !in_the_future { Some(go_wrong(envelope.clone())) } else { None };
        let go_wrong = Arc::clone(&go_wrong);
        async move {
            match early {
                Some(result) => result,
                None if wrong => go_wrong(envelope),
                None => Ok(0),
            }
        }
    };
    let inbox = boxed(&world, prepare);
    deliver(&world.shop(), inbox).await;
    assert_eq!(world.effects(), [1, 2, 3, 4]);
    assert_eq!(calls.load(Ordering::SeqCst), 3);
    let failed = world.in_store("SELECT failed FROM inbox_source");
    assert_eq!(failed, 2, "failures of that message alone");
}

#[tokio::test]
async fn a_prepare_step_that_fails_is_a_failure_of_its_message() {
    the_second_one_recovers(|_| Err(Failure::retry("nobody answers")), true).await;
}

#[tokio::test]
async fn a_prepare_step_that_panics_is_a_failure_of_its_message() {
    the_second_one_recovers(|_| panic!("in the future"), true).await;
}

#[tokio::test]
async fn a_prepare_step_that_panics_before_its_future_is_a_failure_of_its_message() {
    the_second_one_recovers(|_| panic!("before the future"), false).await;
}

#[tokio::test]
async fn a_prepare_step_that_fails_for_good_makes_a_dead_letter() {
    let world = World::new();
    world.place(1..=3);
    let prepare = async |envelope: Envelope| match value(&envelope) {
        2 => Err(Failure::permanent("there is no such thing")),
        _ => Ok(0),
    };
    deliver_over(&world.shop(), eager(), boxed(&world, prepare)).await;
    assert_eq!(world.effects(), [1, 3]);
    let dead = "SELECT count(*) FROM outbox_delivery WHERE state = 'dead' AND failures = 1";
    assert_eq!(world.in_shop(dead), 1);
}

#[tokio::test]
async fn a_message_that_is_not_prepared_holds_back_its_own_key() {
    let world = World::new();
    world.place([11, 12, 21]);
    let prepare = async |envelope: Envelope| match value(&envelope) {
        11 => Err(Failure::permanent("there is no such thing")),
        _ => Ok(0),
    };
    deliver(&world.shop(), boxed(&world, prepare)).await;
    assert_eq!(world.effects(), [21]);
}

#[test]
#[should_panic(expected = "`order.>` is a pattern")]
fn a_prepare_step_of_a_pattern_is_refused() {
    let world = World::new();
    let prepare = async |envelope: Envelope| Ok(value(&envelope));
    let _ = Inbox::open(world.store()).unwrap().on_prepared("order.>", prepare, add);
}
