//! What a suite says: a table for people, JSON for programs, and no more than it looked at.

use crate::courier::{Courier, Fault};
use surehand::Inbox;
use surehand::testing::conformance::{Conformance, Finding, Report};
use surehand::transport::Local;

const TOPICS: &str = "topics() is what the consumer takes";
const HELLO: &str = "a hello is answered";

fn takes_everything(inbox: Inbox) -> Courier {
    Courier::start(inbox, Fault::TakesEverything)
}

#[test]
fn a_report_names_what_is_broken_and_why() {
    let report = Conformance::with_inbox("all", takes_everything).only(TOPICS).run();
    let why = "topics() says \"conformance.nobody\", which has no handler";
    assert_eq!(report.finding(TOPICS), Some(&Finding::Broken(why.into())));
    let table = report.to_string();
    let skips = Conformance::checks().count() - 4;
    assert!(table.starts_with(&format!("all: 3 held, 1 broken, {skips} skipped, in ")), "{table}");
    assert!(table.contains(&format!("\n  BROKEN   {TOPICS}: {why}\n")), "{table}");
    assert!(table.contains(&format!("\n  held     {HELLO}\n")), "{table}");
    let asserted = std::panic::catch_unwind(|| report.assert());
    assert!(asserted.is_err(), "what is broken is not green");
}

#[test]
fn a_report_is_json_as_well() {
    let report = Conformance::with_inbox("all", takes_everything).only(TOPICS).run();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("report.json");
    report.write(&path).unwrap();
    let text = std::fs::read(&path).unwrap();
    assert_eq!(serde_json::from_slice::<Report>(&text).unwrap(), report);
    let value: serde_json::Value = serde_json::from_slice(&text).unwrap();
    let checks = value["checks"].as_array().unwrap();
    let find = |name: &str| checks.iter().find(|check| check["name"] == name).unwrap();
    assert_eq!(find(HELLO)["finding"], "held");
    assert_eq!(find(TOPICS)["finding"], "broken");
    assert!(find(TOPICS)["why"].as_str().unwrap().contains("conformance.nobody"));
}

#[test]
fn what_a_transport_does_not_promise_is_skipped_with_the_reason() {
    let suite = Conformance::with_inbox("all", takes_everything).only(TOPICS);
    let report = suite.except(TOPICS, "it is for tests").run();
    report.assert();
    assert_eq!(report.finding(TOPICS), Some(&Finding::Skipped("it is for tests".into())));
}

#[test]
fn what_others_build_on_comes_first() {
    let hangs = |inbox| Courier::start(inbox, Fault::HangsWhenDropped);
    let patience = std::time::Duration::from_millis(100);
    let report = Conformance::with_inbox("hangs", hangs).patience(patience).run();
    let broken: Vec<&str> = report.broken().collect();
    assert_eq!(broken, ["it is made, and can be dropped"]);
    let why = "\"it is made, and can be dropped\" does not hold";
    assert_eq!(report.finding(HELLO), Some(&Finding::Skipped(why.into())));
}

#[test]
fn a_transport_that_cannot_be_made_is_broken() {
    let make = |_: Inbox| -> Local { panic!("no port is free") };
    let report = Conformance::with_inbox("none", make).run();
    let why = Finding::Broken("a panic: no port is free".into());
    assert_eq!(report.checks[0].finding, why);
}

#[test]
#[should_panic(expected = "there is no check \"none of them\"")]
fn a_check_that_is_not_there_cannot_be_excepted() {
    let _ = Conformance::with_inbox("local", Local::new).except("none of them", "it is not there");
}
