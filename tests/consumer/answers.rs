//! What becomes of an attempt: as the other side hears it, as it is counted, and as a person finds
//! it in quarantine.

use crate::world::{
    Answers, World, capture, deliver, deliver_over, eager, insert, number, place, process, words,
};
use std::time::Duration;
use surehand::rusqlite::Connection;
use surehand::transport::Outcome;
use surehand::{Effect, Failure, Inbox, Json, Message, Operator, SourceStats};

#[track_caller]
fn stats(inbox: &mut Inbox) -> SourceStats {
    let mut sources = inbox.stats().unwrap();
    assert_eq!(sources.len(), 1);
    sources.remove(0)
}

/// What is kept for a person: reason, place and how often, in the order of arrival.
fn quarantine(world: &World) -> Vec<(String, i64, i64)> {
    let store = Connection::open(world.store()).unwrap();
    let kept = "SELECT reason, seq, times FROM inbox_quarantine ORDER BY number";
    let mut statement = store.prepare(kept).unwrap();
    let rows = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?))).unwrap();
    rows.map(Result::unwrap).collect()
}

fn replies(answers: &Answers) -> Vec<Option<String>> {
    let text = |bytes: &Vec<u8>| String::from_utf8(bytes.clone()).unwrap();
    let reply = |outcome: &Outcome| match outcome {
        Outcome::Applied(applied) => applied.reply.as_ref().map(text),
        other => panic!("{other:?}"),
    };
    answers.iter().map(|(_, outcome)| reply(outcome)).collect()
}

/// Doubles, and has nothing to say about zero.
fn doubling(world: &World) -> Inbox {
    Inbox::open(world.store()).unwrap().on("n", |effect: &Effect, n: Json<i64>| {
        insert(effect, Json(*n))?;
        Ok((*n != 0).then_some(*n * 2))
    })
}

#[test]
fn a_reply_is_given_again_to_every_duplicate_as_long_as_the_message_is_remembered() {
    let world = World::new();
    let captured = world.captured([3, 0, 4]);
    let expected = [Some("6".to_string()), None, Some("8".into())];
    let mut inbox = doubling(&world);
    captured.greet(&mut inbox);
    assert_eq!(replies(&process(&mut inbox, &captured.all())), expected);
    let mut inbox = doubling(&world); // After a restart, too.
    for _ in 0..2 {
        let answers = process(&mut inbox, &captured.all());
        assert_eq!(words(&answers), ["duplicate"; 3]);
        assert_eq!(replies(&answers), expected);
    }
    assert_eq!(stats(&mut inbox).duplicates, 6);
    // Settled is forgotten, the reply with it.
    let stated = captured.source.stating(&[(1, 1)], &captured.envelopes);
    let answers = process(&mut inbox, &stated);
    assert_eq!(replies(&answers), [None, None, Some("8".into())]);
    assert_eq!(stats(&mut inbox).remembered, 2);
    assert_eq!(world.effects(), [0, 3, 4]);
}

#[test]
fn a_failure_is_answered_with_its_cause_its_delay_and_whether_it_is_for_good() {
    let world = World::new();
    let captured = world.captured(1..=4);
    let hour = Duration::from_secs(3_600);
    let mut inbox =
        Inbox::open(world.store()).unwrap().on("n", move |effect: &Effect, n: Json<i64>| {
            insert(effect, Json(*n))?;
            match *n {
                1 => Err(Failure::retry("out of stock")),
                2 => Err(Failure::retry("closed").after(hour)),
                3 => Err(Failure::permanent("no such thing")),
                4 => panic!("of all things"),
                _ => Ok(()),
            }
        });
    captured.greet(&mut inbox);
    let answers = process(&mut inbox, &captured.all());
    let told = |(_, outcome): &(_, Outcome)| match outcome {
        Outcome::Failed(failure) => (failure.to_string(), failure.delay(), failure.is_permanent()),
        other => panic!("{other:?}"),
    };
    let told: Vec<_> = answers.iter().map(told).collect();
    assert_eq!(told[0], ("out of stock".into(), None, false));
    assert_eq!(told[1], ("closed".into(), Some(hour), false));
    assert_eq!(told[2], ("no such thing".into(), None, true));
    assert_eq!(told[3], ("the handler panicked: of all things".into(), None, false));
    assert_eq!(world.effects(), [0_i64; 0]);
    assert_eq!(stats(&mut inbox).failed, 4);
    assert_eq!(quarantine(&world), [], "a failure is the relay's to tell");
}

/// Two messages under one id, from a program that names its ids, and names one twice.
fn place_one_id_twice(world: &World) {
    world.place([1]);
    let shop = Connection::open(world.shop()).unwrap();
    let twice = "INSERT INTO outbox_message (id, topic, payload) \
        SELECT id, topic, '2' FROM outbox_message";
    shop.execute(twice, []).unwrap();
}

#[test]
fn another_content_under_an_applied_id_is_a_conflict_and_goes_into_quarantine() {
    let world = World::new();
    place_one_id_twice(&world);
    let captured = capture(&world.shop(), 2);
    let mut inbox = world.warehouse();
    captured.greet(&mut inbox);
    let answers = process(&mut inbox, &captured.all());
    assert_eq!(words(&answers), ["applied", "refused: conflict"]);
    let Outcome::Refused { detail, .. } = &answers[1].1 else { unreachable!() };
    assert_eq!(detail, "its id was applied with other content, at place 1");
    process(&mut inbox, &captured.all());
    assert_eq!(stats(&mut inbox).conflicts, 2);
    assert_eq!(quarantine(&world), [("conflict".into(), 2, 2)], "once, with a count");
    assert_eq!(world.effects(), [1]);
}

#[tokio::test]
async fn a_conflict_becomes_a_dead_letter_with_that_reason() {
    let world = World::new();
    place_one_id_twice(&world);
    deliver(&world.shop(), world.warehouse()).await;
    assert_eq!(dead(&world), [(2, "conflict".to_string())]);
    assert_eq!(world.effects(), [1]);
}

/// The dead letters: place and reason.
fn dead(world: &World) -> Vec<(i64, String)> {
    let mut operator = Operator::open(world.shop()).unwrap();
    let letters = operator.dead_letters("default").unwrap().list(0, 100).unwrap();
    letters.into_iter().map(|letter| (letter.seq, letter.reason)).collect()
}

#[tokio::test]
async fn a_bit_that_flips_in_the_producers_file_is_found_before_delivery() {
    let world = World::new();
    world.place([1, 2]);
    // One bit of the digit; the checksum stays what it was.
    let shop = Connection::open(world.shop()).unwrap();
    shop.execute("UPDATE outbox_message SET payload = CAST('3' AS BLOB) WHERE seq = 1", [])
        .unwrap();
    drop(shop);
    let mut inbox = world.warehouse();
    deliver(&world.shop(), world.warehouse()).await;
    assert_eq!(dead(&world), [(1, "malformed".to_string())]);
    assert_eq!(world.effects(), [2]);
    let stats = stats(&mut inbox);
    assert_eq!((stats.applied, stats.corrupt, stats.failed), (1, 0, 0), "it was not sent");
}

#[test]
fn a_topic_without_a_handler_and_a_payload_that_does_not_decode_are_refused_at_once() {
    let world = World::new();
    let messages = [Message::new("other").payload("1"), Message::new("n").payload("one")];
    place(&world.shop(), messages);
    let captured = capture(&world.shop(), 2);
    let mut inbox = world.warehouse();
    captured.greet(&mut inbox);
    let answers = process(&mut inbox, &captured.all());
    assert_eq!(words(&answers), ["refused: unhandled", "failed for good"]);
    let Outcome::Refused { detail, .. } = &answers[0].1 else { unreachable!() };
    assert_eq!(detail, "no handler for topic \"other\"");
    let Outcome::Failed(failure) = &answers[1].1 else { unreachable!() };
    let said = failure.to_string();
    assert!(said.starts_with("the payload does not decode as JSON: expected value"), "{said}");
    let stats = stats(&mut inbox);
    assert_eq!((stats.unhandled, stats.failed, stats.applied), (1, 1, 0));
    assert_eq!(quarantine(&world), [("unhandled".into(), 1, 1)]);
}

#[tokio::test]
async fn a_local_inbox_is_sent_the_topics_it_handles_and_no_others() {
    let world = World::new();
    place(&world.shop(), [Message::new("other"), number(1), Message::new("n.too"), number(2)]);
    deliver(&world.shop(), world.warehouse()).await;
    assert_eq!(world.effects(), [1, 2]);
    assert_eq!(dead(&world), []);
    assert_eq!(quarantine(&world), []);
}

#[tokio::test]
async fn what_comes_for_a_topic_without_a_handler_waits_for_the_handler_as_a_dead_letter() {
    let world = World::new();
    place(&world.shop(), [Message::new("new.topic").payload("7"), number(1)]);
    let everything = eager().topics([">"]);
    deliver_over(&world.shop(), everything.clone(), world.warehouse()).await;
    assert_eq!(dead(&world), [(1, "unhandled".to_string())]);
    assert_eq!(quarantine(&world), [("unhandled".into(), 1, 1)]);
    assert_eq!(world.effects(), [1]);
    let mut operator = Operator::open(world.shop()).unwrap();
    operator.dead_letters("default").unwrap().redrive_all().unwrap();
    deliver_over(&world.shop(), everything, world.warehouse().on("new.topic", insert)).await;
    assert_eq!(world.effects(), [1, 7]);
    assert_eq!(dead(&world), []);
}

/// The first copy is still on its way when the message is replaced, and the second is applied.
#[test]
fn a_copy_of_a_revision_that_was_replaced_is_answered_with_the_one_that_was_applied() {
    let world = World::new();
    world.place([1]);
    let old = capture(&world.shop(), 1);
    let mut inbox = world.warehouse();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let refusing = Inbox::open(world.directory.path().join("refusing.db")).unwrap();
    let refusing =
        refusing.on("n", |_: &Effect, _: Vec<u8>| Err::<(), _>(Failure::permanent("no")));
    runtime.block_on(deliver(&world.shop(), refusing));
    let mut operator = Operator::open(world.shop()).unwrap();
    let mut letters = operator.dead_letters("default").unwrap();
    let letter = letters.list(0, 1).unwrap().remove(0);
    letters.replace(&letter, number(2)).unwrap();

    let new = capture(&world.shop(), 1);
    new.greet(&mut inbox);
    assert_eq!(words(&process(&mut inbox, &new.all())), ["applied"]);
    let answers = process(&mut inbox, &new.source.request(&old.envelopes));
    let Outcome::Applied(applied) = &answers[0].1 else { panic!("{answers:?}") };
    assert_eq!((applied.revision, applied.duplicate), (Some(1), true));
    assert_eq!(world.effects(), [2]);
    let stats = stats(&mut inbox);
    assert_eq!((stats.superseded, stats.duplicates, stats.conflicts), (1, 0, 0));
}

/// It would subscribe to all of them, and every one would die.
#[test]
#[should_panic(expected = "`order.*` is a pattern")]
fn a_handler_of_a_pattern_is_refused() {
    let world = World::new();
    let _ = Inbox::open(world.store()).unwrap().on("order.*", insert);
}
