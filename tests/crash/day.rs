//! A long day: messages of every kind are written, or received, and power goes after each step.

use crate::report;
use crate::support::{either, is_long};
use std::time::Duration;
use surehand::testing::{Counts, CrashTest, Failed, Profile, World};
use surehand::transport::Outcome;
use surehand::{Effect, Inbox, Message, MessageId, Outbox};

const SHOP: &str = "shop/shop.db";
const DEPOT: &str = "depot/depot.db";
const HORIZON: Duration = Duration::from_secs(7 * 86_400);
/// When every world begins.
const SENT_MS: i64 = 1_790_000_000_000;

/// A message of some kind: small, large, with a key, with headers, for later, asked for twice.
fn message(number: i64) -> Result<Message, Failed> {
    let size = [10, 200, 3_000, 9_000, 40][usize::try_from(number % 5)?];
    let message = Message::new("sale.made").payload(vec![b'x'; size]);
    Ok(match number % 6 {
        0 => message.key(number % 4),
        1 => message.header("shelf", "north"),
        2 => message.delay(Duration::from_secs(3_600)),
        3 => message.idempotency_key(format!("sale {number}")),
        4 => message.expires_after(Duration::from_secs(60)),
        _ => message,
    })
}

/// The shop writes so many, several in a transaction now and then, and closes in between.
fn writing(messages: i64) -> CrashTest {
    let test = CrashTest::new("a day of writing").given(|w| {
        drop(Outbox::open(w.database(SHOP))?);
        Ok(w.connect(SHOP)?.execute_batch("CREATE TABLE sale (id INTEGER PRIMARY KEY)")?)
    });
    let test = test.scenario(move |w| {
        let mut next = 1;
        while next <= messages {
            next = write_some(w, next, messages.min(next + 11))?;
        }
        Ok(())
    });
    let test = test.recover(|w| Outbox::open(w.database(SHOP)).map(drop).map_err(Into::into));
    test.invariant("each sale has its message, and what was promised is there", |w| {
        let numbers: (i64, i64, i64) = w.look(SHOP, |db| {
            let sql = "SELECT (SELECT count(*) FROM sale), (SELECT count(*) FROM outbox_message) + \
                (SELECT count(*) FROM outbox_scheduled), (SELECT count(*) FROM outbox_idempotency)";
            db.query_row(sql, [], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))
        })?;
        let (sales, messages, keys) = numbers;
        assert_eq!(sales, messages);
        assert_eq!(keys, (sales + 3) / 6, "one for each third of six");
        assert!(sales >= w.promises("sale").len().try_into()?, "{sales}");
        Ok(())
    })
}

fn write_some(w: &World, first: i64, last: i64) -> Result<i64, Failed> {
    let outbox = Outbox::open(w.database(SHOP))?;
    let mut db = w.connect(SHOP)?;
    db.pragma_update(None, "synchronous", "FULL")?;
    let mut next = first;
    while next <= last {
        let tx = db.transaction()?;
        let together = if next % 4 == 0 { 3 } else { 1 };
        let from = next;
        for number in from..=last.min(from + together - 1) {
            tx.execute("INSERT INTO sale (id) VALUES (?1)", [number])?;
            outbox.enqueue(&tx, message(number)?)?;
            next = number + 1;
        }
        tx.commit()?;
        (from..next).for_each(|number| w.promised("sale", number));
    }
    Ok(next)
}

/// The depot receives so many from a sender that has no outbox of ours, which sends again what was
/// not answered.
fn receiving(messages: i64) -> CrashTest {
    fn receive(w: &World, messages: i64) -> Result<(), Failed> {
        let inbox = Inbox::open(w.database(DEPOT))?;
        let mut inbox = inbox.on("sale.made", |tx: &Effect, _: Vec<u8>| {
            tx.execute("INSERT INTO parcel (id) VALUES (?1)", [tx.envelope().id().as_bytes()])?;
            Ok(())
        });
        for number in 1..=messages {
            if w.promises("parcel").contains(&number.to_string()) {
                continue;
            }
            let id = MessageId::from_bytes([u8::try_from(number)?; 16]);
            let answer = inbox.receive("shop", HORIZON, id, SENT_MS, message(number)?)?;
            assert!(matches!(answer, Outcome::Applied(_)), "{answer:?}");
            w.promised("parcel", number);
        }
        Ok(())
    }
    let test = CrashTest::new("a day of receiving").given(|w| {
        drop(Inbox::open(w.database(DEPOT))?);
        Ok(w.connect(DEPOT)?.execute_batch("CREATE TABLE parcel (id BLOB)")?)
    });
    let test = test.scenario(move |w| receive(w, messages)).recover(move |w| receive(w, messages));
    test.invariant("each has its effect once", move |w| {
        let sql = "SELECT count(*), count(DISTINCT id) FROM parcel";
        let (all, different): (i64, i64) =
            w.look(DEPOT, |db| db.query_row(sql, [], |row| Ok((row.get(0)?, row.get(1)?))))?;
        assert_eq!((all, different), (messages, messages));
        Ok(())
    })
}

/// What a test may take in the short form: a sample, where that is little.
const SHORT: Duration = Duration::from_secs(4);

#[track_caller]
fn survives(part: &str, test: CrashTest) -> Counts {
    let test = if is_long() { test } else { test.budget(SHORT) };
    let counts = report::survived(part, test.run());
    assert!(counts.states > 100, "{counts}");
    counts
}

#[test]
fn a_day_of_writing_loses_nothing() {
    survives("day-writing", writing(either(60, 4)));
}

#[test]
fn a_day_of_writing_on_small_sectors_loses_nothing() {
    survives("day-writing-small", writing(either(30, 2)).profile(Profile::Harsh));
}

#[test]
fn a_day_of_receiving_applies_each_once() {
    survives("day-receiving", receiving(either(40, 2)));
}

#[test]
fn a_day_of_receiving_on_small_sectors_applies_each_once() {
    survives("day-receiving-small", receiving(either(20, 2)).profile(Profile::Harsh));
}

#[test]
fn crashes_in_a_row_lose_nothing_that_was_written() {
    let test = writing(either(2, 1)).depth(2);
    assert!(survives("row-writing", test).recovery_states > 100);
}

#[test]
fn three_crashes_in_a_row_lose_nothing_that_was_written() {
    let test = writing(1).depth(either(3, 2));
    assert!(survives("row-of-three", test).recovery_states > 100);
}

#[test]
fn crashes_in_a_row_apply_nothing_twice() {
    let test = receiving(1).depth(2);
    assert!(survives("row-receiving", test).recovery_states > 100);
}
