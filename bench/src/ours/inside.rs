//! One `enqueue` in the caller's transaction, beside one prepared insert of the same row into the
//! same table. Transactions alternate; begin and commit are not counted.

use super::service::{TOPIC, counting, shop, subscription};
use crate::Outcome;
use crate::common::{host, now, payload, pragmas};
use crate::measure::{Way, Work};
use crate::reading::Reading;
use crate::results::spread;
use rusqlite::{Connection, ToSql, TransactionBehavior::Immediate};
use surehand::operator::WhenFull;
use surehand::transport::Local;
use surehand::{Message, Operator, Outbox, Relay, StoreId};
use uuid::Uuid;

/// In one transaction.
const MESSAGES: u64 = 5_000;

const INSERT: &str = "INSERT INTO outbox_message \
    (id, topic, key, headers, content_type, created_at_ms, expires_at_ms, checksum, payload) \
    VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)";
/// The same, if this is the right database and nobody bounds it: as `enqueue` asks.
const INSERT_AND_LOOK: &str = "INSERT INTO outbox_message \
    (id, topic, key, headers, content_type, created_at_ms, expires_at_ms, checksum, payload) \
    VALUES (?1, (SELECT ?2 FROM outbox_store WHERE one = 1 AND uuid = ?10 AND bounded = 0), \
    ?3, ?4, ?5, ?6, ?7, ?8, ?9)";
const HEADERS: &str = r#"{"tenant":"north","traceparent":"00-0af7651916cd43dd8448eb211c80319c"}"#;

pub fn run(work: &Work) -> Outcome<Reading> {
    let outbox = Outbox::open(shop(work))?;
    if work.way == Way::Bounded {
        bound(work)?;
    }
    let mut db = host(&shop(work))?;
    let mut reading = Reading::of("surehand");
    reading.pragmas = vec![pragmas("producer", &db)?];
    let mut rounds = Vec::new();
    // The first round fills caches.
    for round in 0..=work.count / MESSAGES {
        let enqueued = enqueue(&outbox, &mut db, work, round)?;
        let inserted = insert(&mut db, work, None)?;
        let looks = looks_each_time(work.way).then(|| outbox.store_id());
        let looked = insert(&mut db, work, looks)?;
        if round > 0 {
            rounds.push([enqueued, inserted, looked - inserted]);
        }
    }
    reading.count = rounds.len() as u64 * MESSAGES;
    reading.seconds = rounds.iter().map(|[ours, ..]| ours).sum::<f64>() * MESSAGES as f64 / 1e9;
    let mut set = |name, of: fn(&[f64; 3]) -> f64| -> Outcome<()> {
        let spread = spread(rounds.iter().map(of).collect());
        reading.set(name, spread.ok_or("nothing was measured")?.median);
        Ok(())
    };
    set("enqueue, ns", |[ours, ..]| *ours)?;
    set("insert, ns", |[_, insert, _]| *insert)?;
    set("inserts", |[ours, insert, _]| ours / insert)?;
    if looks_each_time(work.way) {
        set("look, ns", |[.., look]| *look)?;
        set("inserts without it", |[ours, insert, look]| (ours - look) / insert)?;
    }
    Ok(reading)
}

fn looks_each_time(way: Way) -> bool {
    matches!(way, Way::Plain | Way::Keyed)
}

/// A subscription with a bound that is far away. It is made by a relay.
fn bound(work: &Work) -> Outcome<()> {
    let inbox = counting(work, "consumer.db", &super::service::Counter::default())?;
    let relay = Relay::open(shop(work))?.subscribe(subscription(work)?, Local::new(inbox));
    tokio::runtime::Builder::new_current_thread().build()?.block_on(relay.run_until_idle())?;
    let mut operator = Operator::open(shop(work))?;
    Ok(operator.bound("bench", Some(1_000_000_000), None, WhenFull::Refuse)?)
}

/// Nanoseconds for one.
fn enqueue(outbox: &Outbox, db: &mut Connection, work: &Work, round: u64) -> Outcome<f64> {
    let payload = payload(work.payload);
    let message = |number: u64| {
        let message = Message::new(TOPIC).payload(payload.clone());
        match work.way {
            Way::Keyed => message
                .key(format!("key-{}", number % 1_000))
                .header("tenant", "north")
                .header("traceparent", "00-0af7651916cd43dd8448eb211c80319c"),
            Way::Idempotent => message.idempotency_key(format!("request-{round}-{number:06}")),
            _ => message,
        }
    };
    let messages: Vec<_> = (0..MESSAGES).map(message).collect();
    let tx = db.transaction_with_behavior(Immediate)?;
    let began = now();
    if work.way == Way::Many {
        outbox.enqueue_all(&tx, messages)?;
    } else {
        for message in messages {
            outbox.enqueue(&tx, message)?;
        }
    }
    let nanos = began.elapsed().as_secs_f64() * 1e9 / MESSAGES as f64;
    tx.commit()?;
    Ok(nanos)
}

/// Nanoseconds for one, with a look whether it is the database of that store.
fn insert(db: &mut Connection, work: &Work, look: Option<StoreId>) -> Outcome<f64> {
    let payload = payload(work.payload);
    let headers = (work.way == Way::Keyed).then_some(HEADERS);
    let rows: Vec<_> = (0..MESSAGES)
        .map(|number| {
            let key = (work.way == Way::Keyed).then(|| format!("key-{}", number % 1_000));
            (Uuid::now_v7(), key, payload.clone())
        })
        .collect();
    let tx = db.transaction_with_behavior(Immediate)?;
    let (sql, places) = if look.is_some() { (INSERT_AND_LOOK, 10) } else { (INSERT, 9) };
    let store = look.as_ref().map(StoreId::as_bytes);
    let mut insert = tx.prepare_cached(sql)?;
    let none = None::<i64>;
    let began = now();
    for (id, key, payload) in &rows {
        let (at, checksum) = (1_700_000_000_000_i64, 0x0123_4567_89ab_cdef_i64);
        let id = id.as_bytes();
        let row: [&dyn ToSql; 10] =
            [id, &TOPIC, key, &headers, &none, &at, &none, &checksum, payload, &store];
        insert.execute(&row[..places])?;
    }
    let nanos = began.elapsed().as_secs_f64() * 1e9 / MESSAGES as f64;
    drop(insert);
    tx.commit()?;
    Ok(nanos)
}
