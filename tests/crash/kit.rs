//! The kit says what it does not know, and tells chance from chance.

use std::sync::{Arc, Mutex};
use std::time::Duration;
use surehand::testing::{CrashTest, Failed, Verdict, World};
use surehand::{Inbox, Message, Outbox};

fn note(w: &World) -> Result<(), Failed> {
    let db = w.connect("desk/notes.db")?;
    db.execute_batch("PRAGMA synchronous = EXTRA; CREATE TABLE note (text)")?;
    db.execute("INSERT INTO note VALUES ('milk')", [])?;
    w.promised("note", "milk");
    Ok(())
}

fn is_there(w: &World) -> Result<(), Failed> {
    for note in w.promises("note") {
        let db = w.connect("desk/notes.db")?;
        db.query_row("SELECT 1 FROM note WHERE text = ?1", [note], |_| Ok(()))?;
    }
    Ok(())
}

#[track_caller]
fn tests_nothing(test: CrashTest, why: &str) {
    match test.run() {
        Verdict::HarnessBroken(said) => assert!(said.contains(why), "{said}"),
        other => panic!("{other}"),
    }
}

#[test]
fn a_test_that_tests_nothing_is_not_green() {
    tests_nothing(CrashTest::new("empty"), "writes nothing");
    tests_nothing(CrashTest::new("fails").scenario(|_| Err("no".into())), "fails by itself: no");
    tests_nothing(CrashTest::new("given").given(|_| panic!("never")), "what is given fails: never");
    let unasked = CrashTest::new("unasked").scenario(note);
    tests_nothing(unasked, "\"note\" is promised, and nobody asks");
    let quiet = CrashTest::new("quiet").scenario(note).invariant("a note is there", is_there);
    tests_nothing(quiet.without_crashes().weather(0..5), "in no weather anything went over");
    let missed = CrashTest::new("missed").scenario(note).must_reach(["the shop"]);
    tests_nothing(missed, "\"the shop\" was not reached");
}

/// A test without `recover` and invariants, of which the database is looked at all the same.
#[test]
fn a_store_that_nobody_opens_again_is_looked_at() {
    let careless = |synchronous: &'static str| {
        CrashTest::new("careless").scenario(move |w| {
            let db = w.connect("desk/notes.db")?;
            db.pragma_update(None, "synchronous", synchronous)?;
            db.execute_batch("CREATE TABLE note (text UNIQUE); INSERT INTO note VALUES ('milk')")?;
            Ok(db.execute_batch("INSERT INTO note VALUES ('bread')")?)
        })
    };
    let _ = careless("OFF").run().assert_lost();
    let _ = careless("EXTRA").run().assert_survived();
    let looks_at_nothing = careless("OFF").without_audit();
    tests_nothing(looks_at_nothing, "nothing is looked at");
}

#[test]
fn threads_while_it_starts_again_are_not_measured() {
    let test = || {
        CrashTest::new("threads").scenario(note).recover(|w| {
            let w = w.clone();
            std::thread::spawn(move || w.connect("desk/notes.db").map(drop)).join().unwrap()?;
            Ok(())
        })
    };
    for test in [test(), test().without_crashes().weather(0..2)] {
        let verdict = test.run();
        let is_it = |why: &String| why.contains("threads");
        assert!(matches!(&verdict, Verdict::NotMeasured(why) if is_it(why)), "{verdict}");
    }
}

/// What `given` lets pass has passed for the scenario, and what that does for those who recover.
#[test]
fn time_goes_on_through_crashes() {
    const HOUR: Duration = Duration::from_secs(3_600);
    let times = Arc::new(Mutex::new(Vec::new()));
    let noted = Arc::clone(&times);
    let now = |w: &World| w.clock_on("desk").now().wall_ms;
    let test = CrashTest::new("time").given(|w| {
        w.pass(HOUR);
        Ok(())
    });
    let test = test.scenario(move |w| {
        w.promised("begin", now(w));
        w.pass(2 * HOUR);
        w.promised("end", now(w));
        note(w)
    });
    let test = test.invariant("it is later", move |w| {
        is_there(w)?;
        let mut times = noted.lock().unwrap();
        for (began, ended) in w.promises("begin").iter().zip(w.promises("end")) {
            times.push((began.parse::<i64>()?, ended.parse::<i64>()?, now(w)));
        }
        Ok(())
    });
    let _ = test.run().assert_survived();
    let times = times.lock().unwrap();
    assert!(!times.is_empty());
    for (began, ended, recovered) in &*times {
        assert_eq!(ended - began, 7_200_000);
        assert!(recovered - ended >= 60_000, "{recovered} after {ended}");
    }
}

#[test]
#[should_panic(expected = "is no machine and file")]
fn a_path_without_a_machine_is_refused() {
    let test = CrashTest::new("path").scenario(|w| {
        w.connect("notes.db")?;
        Ok(())
    });
    let _ = test.run().assert_survived();
}

#[test]
fn one_store_is_looked_into_while_another_is() {
    let test = CrashTest::new("both").scenario(note).invariant("both", |w| {
        w.look("desk/notes.db", |_| w.look("shelf/notes.db", |_| Ok(())))?;
        is_there(w)
    });
    assert!(test.run().assert_survived().states > 10);
}

#[test]
fn threads_that_nobody_orders_are_not_measured() {
    let test = CrashTest::new("threads").scenario(|w| {
        let other = w.clone();
        std::thread::spawn(move || note(&other)).join().unwrap()
    });
    let verdict = test.run();
    assert!(matches!(verdict, Verdict::NotMeasured(_)), "{verdict}");
}

#[test]
fn what_was_reached_and_promised_survives() {
    let test = CrashTest::new("reached").scenario(|w| {
        note(w)?;
        w.reached("the end");
        Ok(())
    });
    let test = test.invariant("a note is there", is_there).must_reach(["the end"]);
    assert!(test.run().assert_survived().states > 10);
}

#[test]
fn a_place_in_the_code_is_one_to_crash_at() {
    let noted = || CrashTest::new("points").invariant("a note is there", is_there);
    let without = noted().scenario(note).run().assert_survived();
    let test = noted().scenario(|w| {
        note(w)?;
        surehand::crash_point!("the note is written");
        Ok(())
    });
    let with = test.must_reach(["the note is written"]).run().assert_survived();
    assert!(with.crashes > without.crashes, "{with} {without}");
    assert_eq!(with.states, without.states, "nobody can tell them apart");
    // Outside of a test it is nothing.
    surehand::crash_point!("nobody looks");
}

/// One message is written, and somebody spoils the store with this.
fn spoilt(sql: &str) -> CrashTest {
    let test = CrashTest::new("audit").given(|w| {
        let outbox = Outbox::open(w.database("desk/notes.db"))?;
        drop(Inbox::open(w.database("desk/notes.db"))?);
        let mut db = w.connect("desk/notes.db")?;
        let tx = db.transaction()?;
        outbox.enqueue(&tx, Message::new("note"))?;
        Ok(tx.commit()?)
    });
    let (test, sql) = (test.scenario(note), sql.to_string());
    let test = test.invariant("a note is there", is_there);
    test.recover(move |w| Ok(w.connect("desk/notes.db")?.execute_batch(&sql)?))
}

#[track_caller]
fn is_seen_unasked(sql: &str, complaint: &str) {
    let verdict = spoilt(sql).run();
    let story = verdict.to_string();
    assert!(story.contains(complaint), "{complaint}: {story}");
    let _ = verdict.assert_lost();
    let _ = spoilt(sql).without_audit().run().assert_survived();
}

#[test]
fn stores_are_looked_at_unasked() {
    let _ = spoilt("").run().assert_survived();
    for (sql, complaint) in [
        (
            "INSERT INTO outbox_delivery (subscription, seq, id, state, updated_at_ms)
            VALUES (1, 1, x'00', 'dead', 0)",
            "an exception has lost its message: at 1 of 1",
        ),
        (
            "INSERT INTO outbox_subscription (name, uuid, topics, settled_to, sent_to)
            VALUES ('a', x'00', '>', 0, 1); UPDATE outbox_store SET pruned_to = 1",
            "the log was emptied beyond what is settled: at 0 of 1",
        ),
        (
            "INSERT INTO outbox_subscription (name, uuid, topics, settled_to, sent_to)
            VALUES ('a', x'00', '>', 1, 7)",
            "more was sent than was ever written: at 7 of 1",
        ),
        (
            "INSERT INTO outbox_subscription (name, uuid, topics, settled_to, sent_to, acked_to)
            VALUES ('a', x'00', '>', 0, 0, 1)",
            "more was acknowledged than was sent: at 1 of 1",
        ),
        (
            "PRAGMA foreign_keys = 0; CREATE TABLE a (b REFERENCES note (rowid));
            CREATE TABLE c (d INTEGER PRIMARY KEY); CREATE TABLE e (f REFERENCES c);
            INSERT INTO e VALUES (7)",
            "a row of e refers to none",
        ),
        (
            "INSERT INTO inbox_settled VALUES (1, 1, 4), (1, 4, 5)",
            "two ranges of what is settled overlap: at 1 of 1",
        ),
        (
            "INSERT INTO inbox_seen VALUES (1, 2, x'00', 0, 0, NULL), (1, 3, x'00', 0, 0, NULL)",
            "one id was applied at two places: at 2 of 1",
        ),
        (
            "INSERT INTO inbox_settled VALUES (1, 2, 4);
            INSERT INTO inbox_seen VALUES (1, 3, x'00', 0, 0, NULL)",
            "what is settled is still remembered: at 3 of 1",
        ),
        (
            "INSERT INTO inbox_source (source, consumer, store, subscription, epoch, nonce, high)
            VALUES (1, 'a', x'00', x'00', 1, 1, 2);
            INSERT INTO inbox_seen VALUES (1, 3, x'00', 0, 0, NULL)",
            "what was applied is beyond what was heard of: at 3 of 1",
        ),
        (
            "INSERT INTO inbox_source (source, consumer, store, subscription, epoch, nonce, high)
            VALUES (1, 'a', x'00', x'00', 1, 1, 2); INSERT INTO inbox_settled VALUES (1, 1, 3)",
            "what is settled is beyond what was heard of: at 2 of 1",
        ),
    ] {
        is_seen_unasked(sql, complaint);
    }
}

/// A subscription that sent and settled so much, and the consumer at its end.
fn both_ends(sent_to: i64, acked_to: i64, high: i64, more: &str) -> String {
    format!(
        "INSERT INTO outbox_subscription (name, uuid, topics, settled_to, sent_to, acked_to, epoch)
        VALUES ('a', x'07', '>', {sent_to}, {sent_to}, {acked_to}, 3);
        INSERT INTO inbox_source (source, consumer, store, subscription, epoch, nonce, high)
        SELECT 1, 'a', uuid, x'07', 3, 1, {high} FROM outbox_store; {more}"
    )
}

#[test]
fn what_one_store_knows_of_another_is_looked_at_unasked() {
    let agrees = both_ends(1, 1, 1, "INSERT INTO inbox_settled VALUES (1, 1, 1)");
    let _ = spoilt(&agrees).run().assert_survived();
    let complaints = [
        (both_ends(0, 0, 1, ""), "the consumer has 1, and only 0 were sent"),
        (
            both_ends(1, 1, 1, "UPDATE inbox_source SET epoch = 4"),
            "the consumer heard epoch 4, and the producer is at 3",
        ),
        (both_ends(1, 1, 0, ""), "1 was acknowledged, and the consumer has not more than 0"),
        (
            both_ends(1, 1, 1, "INSERT INTO inbox_seen VALUES (1, 1, x'00', 0, 0, NULL)"),
            "1 was applied under another id than the log has",
        ),
        (
            both_ends(
                1,
                1,
                1,
                "INSERT INTO inbox_settled VALUES (1, 1, 1);
                INSERT INTO outbox_delivery (subscription, seq, id, state, updated_at_ms)
                SELECT 1, seq, id, 'parked', 0 FROM outbox_message",
            ),
            "the consumer was told 1 is settled; it is parked",
        ),
    ];
    for (sql, complaint) in complaints {
        is_seen_unasked(&sql, complaint);
    }
}

#[test]
fn services_outside_remember_what_they_were_called_for() {
    let test = CrashTest::new("payments").scenario(|w| {
        w.external("payments").call(7);
        note(w)
    });
    let test = test.recover(|w| {
        w.external("payments").call(8);
        Ok(())
    });
    let test = test.invariant("every start calls once, and none is forgotten", |w| {
        let payments = w.external("payments");
        assert!(payments.calls(7) == 1 || w.promises("note").is_empty());
        assert_eq!(payments.calls(8), 1);
        Ok(())
    });
    assert!(test.run().assert_survived().states > 10);
}

#[test]
fn two_runs_are_the_same() {
    let run = || {
        let test = CrashTest::new("same").scenario(note).depth(2);
        test.invariant("a note is there", is_there).run().assert_survived()
    };
    assert_eq!(run(), run());
}

#[test]
fn of_two_machines_one_may_lose_power_alone() {
    let test = CrashTest::new("two").scenario(|w| {
        for machine in ["left", "right"] {
            let db = w.connect(&format!("{machine}/one.db"))?;
            db.execute_batch("PRAGMA synchronous = OFF; CREATE TABLE one (n)")?;
        }
        w.promised("both", "done");
        Ok(())
    });
    let test = test.invariant("they never differ", |w| {
        let tables = |machine: &str| {
            let db = w.connect(&format!("{machine}/one.db"))?;
            db.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get::<_, i64>(0))
        };
        let is_done = !w.promises("both").is_empty();
        assert!(!is_done || tables("left").ok() == tables("right").ok());
        Ok(())
    });
    let verdict = test.run();
    let story = verdict.to_string();
    let _ = verdict.assert_lost();
    assert!(!story.contains("left and right"), "the simplest is a cut at one: {story}");
}
