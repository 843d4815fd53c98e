//! A consumer that does not remember what it applied is found out, by weather alone.

use surehand::testing::{CrashTest, Failed, Trouble, Verdict, World};
use surehand::{Envelope, Failure, Message, Outbox, Relay};

/// No inbox: whatever arrives is applied.
fn forgetful(w: &World, envelope: &Envelope) -> Result<(), Failure> {
    let db = w.connect("depot/depot.db")?;
    db.execute("INSERT INTO parcel (sale) VALUES (?1)", [envelope.seq()])?;
    Ok(())
}

fn deliver(w: &World) -> Result<(), Failed> {
    let depot = w.function("depot", forgetful);
    let open =
        |w: &World| Ok(Relay::open(w.database("shop/shop.db"))?.deliver_to(depot.link("shop")));
    w.together().relay(open).run()
}

fn test() -> CrashTest {
    let test = CrashTest::new("forgetful").given(|w| {
        Outbox::open(w.database("shop/shop.db"))?;
        let db = w.connect("depot/depot.db")?;
        Ok(db.execute_batch("PRAGMA journal_mode = WAL; CREATE TABLE parcel (sale INTEGER)")?)
    });
    let test = test.scenario(|w| {
        let outbox = Outbox::open(w.database("shop/shop.db"))?;
        let mut db = w.connect("shop/shop.db")?;
        let tx = db.transaction()?;
        for sale in 1..=5 {
            outbox.enqueue(&tx, Message::new("sale.made").json(&sale)?)?;
        }
        tx.commit()?;
        deliver(w)
    });
    let test = test.recover(deliver).without_crashes();
    test.invariant("each sale has one parcel", |w| {
        let db = w.connect("depot/depot.db")?;
        let count = |sql| db.query_row(sql, [], |row| row.get::<_, i64>(0));
        assert_eq!(count("SELECT count(DISTINCT sale) FROM parcel")?, 5, "one is missing");
        assert_eq!(count("SELECT count(*) FROM parcel")?, 5, "one comes twice");
        Ok(())
    })
}

fn in_weather_of(troubles: &[Trouble]) -> Verdict {
    test().weather(0..40).troubles(troubles.iter().copied()).run()
}

#[test]
fn in_calm_weather_a_forgetful_consumer_is_not_found_out() {
    let counts = in_weather_of(&[]).assert_survived();
    assert_eq!(counts.network_seeds, 40);
    assert!(counts.network_events > 40 * 5, "{counts}");
    assert!(Trouble::ALL.iter().all(|trouble| counts.troubles.of(*trouble) == 0));
}

#[test]
fn each_trouble_that_doubles_something_finds_it_out() {
    use Trouble::{Doubled, KilledRelay, LateAnswer, LostAnswer, OneWay, Reset};
    for trouble in [Doubled, LostAnswer, LateAnswer, OneWay, Reset, KilledRelay] {
        let verdict = in_weather_of(&[trouble]);
        let story = verdict.to_string();
        assert!(story.contains("one comes twice"), "{trouble:?}: {story}");
        assert!(verdict.assert_lost().violations > 0);
    }
}

#[test]
fn a_loss_names_its_seed_and_the_seed_plays_it_again() {
    let Verdict::Lost(story, _) = in_weather_of(&Trouble::ALL) else { panic!() };
    assert!(story.case().starts_with("weather "), "{story}");
    assert!(story.to_string().contains(&format!(": {}' cargo test", story.case())), "{story}");
    let Verdict::Lost(again, _) = test().replay(story.case()).run() else { panic!() };
    assert_eq!(again.to_string(), story.to_string());
}

#[test]
fn weather_without_seeds_tests_nothing() {
    let verdict = test().weather(7..7).run();
    assert!(matches!(verdict, Verdict::HarnessBroken(_)), "{verdict}");
}
