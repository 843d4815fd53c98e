//! Rule 13, measured: what an inbox remembers is bounded by what is unsettled, however much it has
//! applied.

use crate::world::World;
use std::cell::{Cell, RefCell};
use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;
use surehand::rusqlite::Connection;
use surehand::transport::Local;
use surehand::{Effect, Failure, Inbox, Outbox, Relay, RetryPolicy, Subscription};
use tokio::time::timeout;

const MESSAGES: i64 = 1_000_000;
const WINDOW: i64 = 2_048;
/// One message of so many is refused for good, and another one fails at its first attempt.
const EXCEPTIONAL: i64 = 10_000;

/// As another program does it, in one statement: a million tiny messages.
fn place_a_million(world: &World) {
    Outbox::open(world.shop()).unwrap();
    let shop = Connection::open(world.shop()).unwrap();
    let insert = "WITH RECURSIVE number (n) AS \
            (VALUES (1) UNION ALL SELECT n + 1 FROM number WHERE n < ?1) \
        INSERT INTO outbox_message (topic, payload) SELECT 'n', n FROM number";
    shop.execute(insert, [MESSAGES]).unwrap();
}

/// The most rows that were remembered beyond the messages that had failed by then.
#[derive(Clone, Default)]
struct Gauge(Arc<[AtomicI64; 2]>);

impl Gauge {
    fn most(&self) -> i64 {
        self.0[0].load(Ordering::SeqCst)
    }

    fn samples(&self) -> i64 {
        self.0[1].load(Ordering::SeqCst)
    }

    /// Within a transaction, and so before anything of it is forgotten again.
    fn measure(&self, effect: &Effect<'_>, failed: i64) -> Result<(), Failure> {
        let rows =
            "SELECT (SELECT count(*) FROM inbox_seen) + (SELECT count(*) FROM inbox_settled)";
        let rows: i64 = effect.query_row(rows, [], |row| row.get(0))?;
        self.0[0].fetch_max(rows - failed, Ordering::SeqCst);
        self.0[1].fetch_add(1, Ordering::SeqCst);
        Ok(())
    }
}

fn measured(world: &World, gauge: Gauge) -> Inbox {
    let (count, failed) = (Cell::new(0_i64), RefCell::new(HashSet::new()));
    let handle = move |effect: &Effect, _: Vec<u8>| {
        count.set(count.get() + 1);
        if count.get() % 1_000 == 0 {
            gauge.measure(effect, i64::try_from(failed.borrow().len()).unwrap())?;
        }
        let seq = effect.envelope().seq();
        match seq % EXCEPTIONAL {
            0 => {
                failed.borrow_mut().insert(seq);
                Err(Failure::permanent("one of those"))
            }
            1 if failed.borrow_mut().insert(seq) => Err(Failure::retry("not yet")),
            _ => Ok(()),
        }
    };
    Inbox::open(world.store()).unwrap().batch(1_024, Duration::from_secs(1)).on("n", handle)
}

#[tokio::test]
async fn after_a_million_messages_an_inbox_remembers_the_window_and_the_exceptions() {
    let world = World::new();
    place_a_million(&world);
    let gauge = Gauge::default();
    let retry = RetryPolicy::default().first_delay(Duration::from_millis(50));
    let wide = Subscription::new("default").retry(retry).batch(1_024);
    let wide = wide.window(usize::try_from(WINDOW).unwrap());
    let inbox = Local::new(measured(&world, gauge.clone()));
    let relay = Relay::open(world.shop()).unwrap().subscribe(wide, inbox);
    timeout(Duration::from_secs(600), relay.run_until_idle()).await.unwrap().unwrap();

    let refused = MESSAGES / EXCEPTIONAL;
    assert_eq!(world.in_store("SELECT applied FROM inbox_source"), MESSAGES - refused);
    assert_eq!(world.in_store("SELECT failed FROM inbox_source"), 2 * refused);
    assert!(gauge.samples() >= MESSAGES / 1_000, "{} samples", gauge.samples());
    assert!(gauge.most() <= WINDOW + 1, "{} rows beyond the exceptions", gauge.most());
    // At rest: a range before, between and behind the dead ones, and nothing else.
    assert_eq!(world.in_store("SELECT count(*) FROM inbox_seen"), 0);
    assert_eq!(world.in_store("SELECT count(*) FROM inbox_settled"), refused);
}
