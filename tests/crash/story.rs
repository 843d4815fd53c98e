//! A loss is told on one page, in its simplest form, and can be seen again; what was tried is
//! written down.

use std::time::Duration;
use surehand::testing::{Certificate, CrashTest, Failed, Fault, Verdict, World};

/// The second of two notes is promised before it is committed.
fn hasty() -> CrashTest {
    let test = CrashTest::new("hasty").given(|w| {
        let db = w.connect("desk/notes.db")?;
        db.execute_batch("PRAGMA journal_mode = WAL; CREATE TABLE note (text)")?;
        Ok(())
    });
    let test = test.scenario(|w| {
        let mut db = w.connect("desk/notes.db")?;
        db.execute_batch("PRAGMA synchronous = FULL")?;
        for note in ["milk", "bread"] {
            let tx = db.transaction()?;
            tx.execute("INSERT INTO note VALUES (?1)", [note])?;
            if note == "milk" {
                tx.commit()?;
                w.promised("note", note);
            } else {
                w.promised("note", note);
                tx.commit()?;
            }
        }
        Ok(())
    });
    test.invariant("every note is there", all_are_there)
}

fn all_are_there(w: &World) -> Result<(), Failed> {
    let db = w.connect("desk/notes.db")?;
    for note in w.promises("note") {
        db.query_row("SELECT 1 FROM note WHERE text = ?1", [note], |_| Ok(()))?;
    }
    Ok(())
}

fn lost(verdict: Verdict) -> (String, String) {
    match verdict {
        Verdict::Lost(story, _) => (story.case().to_string(), story.to_string()),
        other => panic!("{other}"),
    }
}

#[test]
fn a_loss_is_told_in_its_simplest_form() {
    let (case, story) = lost(hasty().faults([Fault::Sync, Fault::Write]).depth(2).run());
    assert!(case.ends_with("kill") && case.split('@').count() == 2, "{case}");
    for part in [
        "LOST in hasty: every note is there",
        "Query returned no rows",
        "promised: note bread",
        "CRASH: all processes are killed",
        "and it starts again:",
        &format!("SUREHAND_REPLAY='hasty: {case}' cargo test story::a_loss_is_told"),
    ] {
        assert!(story.contains(part), "{part:?} in {story}");
    }
    assert!(story.lines().count() < 50, "one page: {story}");
}

#[test]
fn a_lost_piece_is_told_with_its_place() {
    let test = hasty().scenario(|w| {
        let db = w.connect("desk/notes.db")?;
        db.execute_batch("PRAGMA synchronous = NORMAL; INSERT INTO note VALUES ('milk')")?;
        w.promised("note", "milk");
        Ok(())
    });
    let (case, story) = lost(test.run());
    assert!(case.contains("cut desk") && story.contains("CRASH: power cut at desk"), "{story}");
    let told = ["lost: notes.db-wal", "with page 2, a commit", "the folder does not know that"];
    assert!(told.iter().any(|part| story.contains(part)), "{story}");
}

#[test]
fn a_case_is_seen_again_and_no_other() {
    let (case, story) = lost(hasty().run());
    let verdict = hasty().replay(&case).run();
    assert_eq!(lost(verdict), (case, story));
    let survived = hasty().replay("@0 kill").run().assert_survived();
    assert_eq!(survived.states, 1);
}

#[test]
fn a_case_that_cannot_be_is_refused() {
    for case in ["@5 melt", "@100000 kill"] {
        let verdict = hasty().replay(case).run();
        assert!(matches!(&verdict, Verdict::HarnessBroken(_)), "{verdict}");
    }
}

#[test]
fn what_is_lost_by_a_fault_alone_names_it() {
    let test = CrashTest::new("careless").given(|w| {
        w.connect("desk/notes.db")?.execute_batch("CREATE TABLE note (text)")?;
        Ok(())
    });
    let test = test.scenario(|w| {
        let db = w.connect("desk/notes.db")?;
        // Whether it worked is nobody's matter.
        let _ = db.execute("INSERT INTO note VALUES ('milk')", []);
        w.promised("note", "milk");
        Ok(())
    });
    let test = test.invariant("every note is there", all_are_there).faults([Fault::Full]);
    let replay = |case: &str| {
        let (_, story) = lost(hasty().replay(case).run());
        story
    };
    let (case, story) = lost(test.run());
    // DELETE mode at FULL: a power cut alone does it as well, and is the simpler case.
    assert!(!case.contains('#') && story.contains("CRASH: power cut"), "{story}");
    assert!(replay("Sync#2 @9 kill").contains("Sync at call 2 of those it may strike"));
}

/// Nothing is promised before it is safe.
fn careful() -> CrashTest {
    hasty().scenario(|w| {
        let db = w.connect("desk/notes.db")?;
        db.execute_batch("PRAGMA synchronous = FULL; INSERT INTO note VALUES ('milk')")?;
        w.promised("note", "milk");
        Ok(())
    })
}

#[test]
fn with_little_time_it_is_a_sample_and_says_so() {
    let much = careful().scenario(|w| {
        let db = w.connect("desk/notes.db")?;
        for note in 0..50 {
            db.execute("INSERT INTO note VALUES (?1)", [note])?;
        }
        Ok(())
    });
    let all_of_it = much.faults(Fault::ALL).depth(4);
    let verdict = all_of_it.budget(Duration::from_millis(50)).run();
    let Verdict::Survived(made) = verdict else { panic!("{verdict}") };
    assert!(made.counts.is_sample() && made.counts.states > 0, "{made:?}");
    let parts = format!("a sample: {} of 64 parts", made.counts.parts_done);
    assert!(made.to_string().contains(&parts), "{made}");
}

#[test]
fn without_time_it_tests_nothing_and_says_so() {
    let verdict = careful().budget(Duration::ZERO).run();
    let Verdict::HarnessBroken(why) = verdict else { panic!("{verdict}") };
    assert!(why.contains("nothing was tried"), "{why}");
}

#[test]
fn a_certificate_holds_a_test_to_what_it_tried() -> Result<(), Failed> {
    let folder = tempfile::tempdir()?;
    let path = folder.path().join("notes.json");
    let Verdict::Survived(made) = careful().depth(2).run() else { panic!() };
    made.write(&path)?;
    let read: Certificate = serde_json::from_slice(&std::fs::read(&path)?)?;
    assert_eq!(read, *made);
    assert_eq!(careful().depth(2).run().assert_holds(&path), made.counts);

    let Verdict::Survived(less) = careful().run() else { panic!() };
    let says = less.less_than(&path)?.unwrap_or_default();
    assert!(says.contains("states, and there were"), "{says}");
    Ok(())
}
