//! The rate of messages that succeed, beside others that do not; and with many keys.

use super::service::{Counter, Running, TOPIC, shop, subscription};
use crate::Outcome;
use crate::common::{FILL_BATCH, Limit, host, now, payload, pragmas, sleep, wait};
use crate::measure::{Way, Work};
use crate::reading::Reading;
use rusqlite::{Connection, TransactionBehavior::Immediate};
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;
use surehand::transport::Local;
use surehand::{Effect, Failure, Inbox, Message, Outbox, Relay, RetryPolicy, Subscription};

const FAILING: &str = "failing";
/// More than any of these leaves waiting.
const EXCEPTIONS: usize = 200_000;

pub fn run(work: &Work) -> Outcome<Reading> {
    let outbox = Outbox::open(shop(work))?;
    let mut db = host(&shop(work))?;
    let handled = Counter::default();
    let relay = Relay::open(shop(work))?.woken_by(outbox.doorbell());
    let relay = relay.drain_for(Duration::from_secs(1));
    let inbox = Local::new(inbox(work, &handled)?);
    let running = Running::start(relay.subscribe(troubled(work)?, inbox));
    let mut reading = Reading::of("surehand");
    reading.pragmas = vec![pragmas("producer", &db)?];
    let began = now();
    make_trouble(&outbox, &mut db, work)?;
    reading.set("until waiting, s", began.elapsed().as_secs_f64());

    let limit = Limit::of(120.0);
    let keys = if work.way == Way::Keys { 1_000 } else { 0 };
    let message = |number: u64| {
        let message = Message::new(TOPIC).payload(payload(work.payload));
        if keys > 0 { message.key(number % keys) } else { message }
    };
    commit(&outbox, &mut db, work.count, work.batch, &message)?;
    wait(|| handled.load(Relaxed) >= work.count || running.is_over() || limit.is_over());
    (reading.count, reading.seconds) = (handled.load(Relaxed), limit.elapsed());
    reading.set("waiting", waiting(&db)?);
    running.stop()?;
    if reading.count < work.count {
        return Err(format!("{} of {} after 120 s", reading.count, work.count).into());
    }
    Ok(reading)
}

fn troubled(work: &Work) -> Outcome<Subscription> {
    let subscription = subscription(work)?.max_exceptions(EXCEPTIONS);
    Ok(match work.way {
        // The head is tried again and again, as often as a second.
        Way::Parked => subscription.retry(
            RetryPolicy::default()
                .first_delay(Duration::from_millis(100))
                .longest_delay(Duration::from_secs(1))
                .max_failures(u32::MAX),
        ),
        _ => subscription,
    })
}

fn inbox(work: &Work, handled: &Counter) -> Outcome<Inbox> {
    let inbox = super::service::counting(work, "consumer.db", handled)?;
    let fail = |_: &Effect, _: Vec<u8>| Err::<(), _>(Failure::retry("not yet"));
    Ok(inbox.on(FAILING, fail))
}

/// Returns when the relay has noted all of it.
fn make_trouble(outbox: &Outbox, db: &mut Connection, work: &Work) -> Outcome<()> {
    let failing = || Message::new(FAILING).payload(payload(work.payload));
    let count = match work.way {
        Way::Parked => work.backlog + 1,
        Way::Waiting => work.backlog,
        _ => return Ok(()),
    };
    match work.way {
        Way::Parked => commit(outbox, db, count, FILL_BATCH, &|_| failing().key("stuck"))?,
        _ => commit(outbox, db, count, FILL_BATCH, &|_| failing())?,
    }
    let limit = Limit::of(120.0);
    while waiting(db)? < i64::try_from(count)? {
        if limit.is_over() {
            return Err(format!("only {} of {count} wait after 120 s", waiting(db)?).into());
        }
        sleep(Duration::from_millis(20));
    }
    Ok(())
}

fn waiting(db: &Connection) -> Outcome<i64> {
    Ok(db.query_row("SELECT count(*) FROM outbox_delivery", [], |row| row.get(0))?)
}

fn commit(
    outbox: &Outbox,
    db: &mut Connection,
    count: u64,
    batch: u64,
    message: &dyn Fn(u64) -> Message,
) -> Outcome<()> {
    let mut done = 0;
    while done < count {
        let tx = db.transaction_with_behavior(Immediate)?;
        let next = count.min(done + batch);
        outbox.enqueue_all(&tx, (done..next).map(message))?;
        outbox.commit(tx)?;
        done = next;
    }
    Ok(())
}
