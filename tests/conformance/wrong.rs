//! The suite's teeth: each way to be wrong is found by the check that promises the contrary, and
//! what only looks odd is not found. What only the crate itself can get wrong, it tests by itself.

use crate::courier::{self, Courier};
use crate::runner::{self, Hoarder, Runner};
use std::sync::Mutex;
use std::time::Duration;
use surehand::testing::conformance::{Conformance, Consumer, Finding, Report};
use surehand::transport;

const DROPPABLE: &str = "it is made, and can be dropped";
const HELLO: &str = "a hello is answered";
const TICKETS: &str = "each message is answered by its own ticket";
const RETURNS: &str = "deliver and hello return at once";
const EFFECTS: &str = "an answer follows its effect";
const LATE: &str = "what is slow is answered late";
const MANY: &str = "many requests are under way at once";
const ORDER: &str = "messages of a key arrive in order";
const REQUESTED: &str = "a request is applied in its order";
const BEHIND: &str = "behind a failure its key waits";
const RETRIED: &str = "a failure comes back with its text and delay";
const PERMANENT: &str = "a failure for good comes back as one";
const PANIC: &str = "a panic is a failure of its message";
const ALONE: &str = "a failure is its own message's alone";
const PREPARED: &str = "a prepare step is its own message's";
const PAYLOADS: &str = "payloads arrive unchanged";
const HEADERS: &str = "headers arrive unchanged";
const NAMES: &str = "topics, keys and content types arrive unchanged";
const PLACES: &str = "places, attempts and times arrive unchanged";
const LARGEST: &str = "the largest request arrives whole";
const TOPICS: &str = "topics() is what the consumer takes";
const HONEST: &str = "remembers() is true to what it says";
const DUPLICATES: &str = "a duplicate is answered, and has no effect";
const STATEMENTS: &str = "a statement is merged, and lets the consumer forget";
const VERDICTS: &str = "what an inbox says comes back as it is";
const FENCED: &str = "who is not registered is fenced";
const REWOUND: &str = "a store that went back in time is noticed";
const CONSUMER: &str = "no settler outlives a consumer that is gone";
const RUNTIME: &str = "no settler outlives its runtime";
const DROPPED: &str = "dropped with requests under way, it neither hangs nor lies";

/// What is waited for in vain is waited for so long.
const PATIENCE: Duration = Duration::from_secs(2);

/// Into an inbox: what is wrong, and exactly the checks that find it.
const INBOX: &[(courier::Fault, &[&str])] = &[
    (courier::Fault::NamesAnotherAttempt, &[TICKETS]),
    (courier::Fault::CountsByItself, &[TICKETS]),
    (courier::Fault::MixesSettlers, &[TICKETS]),
    (courier::Fault::AnswersTwice, &[TICKETS]),
    (courier::Fault::SwapsOutcomes, &[EFFECTS, BEHIND, RETRIED, PERMANENT, PANIC, ALONE]),
    (courier::Fault::Reverses, &[ORDER, REQUESTED, BEHIND]),
    (courier::Fault::ForgetsForGood, &[RETRIED, PERMANENT]),
    (courier::Fault::LosesTexts, &[RETRIED, PERMANENT, PANIC, VERDICTS]),
    (courier::Fault::KeepsStatements, &[STATEMENTS]),
    (courier::Fault::TruncatesRequests, &[LARGEST]),
    (courier::Fault::TakesEverything, &[TOPICS]),
    (courier::Fault::TakesOneTopic, &[TOPICS]),
    (courier::Fault::IsModest, &[HONEST]),
    (courier::Fault::IsDeafToFences, &[FENCED]),
    (courier::Fault::HidesRewinding, &[REWOUND]),
    (courier::Fault::Blames, &[CONSUMER]),
];

/// Into an inbox: what is wrong with everything, or found by waiting, and a check that finds it.
const AT_LENGTH: &[(courier::Fault, &str)] = &[
    (courier::Fault::HangsWhenDropped, DROPPABLE),
    (courier::Fault::NeverGreets, HELLO),
    (courier::Fault::Blocks, RETURNS),
    (courier::Fault::AnswersFirst, EFFECTS),
    (courier::Fault::AnswersFirst, LATE),
    (courier::Fault::KeepsSettlers, CONSUMER),
    (courier::Fault::KeepsGreeters, CONSUMER),
    (courier::Fault::LiesWhenDropped, DROPPED),
];

/// Into a function: what is wrong, and exactly the checks that find it.
const FUNCTION: &[(runner::Fault, &[&str])] = &[
    (runner::Fault::DropsAHeader, &[HEADERS]),
    (runner::Fault::CarriesTexts, &[PAYLOADS]),
    (runner::Fault::LowersKeys, &[NAMES]),
    (runner::Fault::ClaimsAMemory, &[LATE, HONEST, DUPLICATES]),
    (runner::Fault::DiesOfPanics, &[PANIC]),
    (runner::Fault::GoesOn, &[BEHIND]),
    (runner::Fault::HasAShortQueue, &[MANY]),
];

fn into_inbox(fault: courier::Fault) -> Conformance {
    Conformance::with_inbox(&format!("{fault:?}"), move |inbox| Courier::start(inbox, fault))
}

fn into_function(fault: runner::Fault) -> Conformance {
    let make = move |consumer| Runner::start(consumer, fault);
    Conformance::with_function(&format!("{fault:?}"), make)
}

fn hoarder(consumer: Consumer) -> Hoarder {
    let function = transport::function(move |envelope| {
        let consumer = consumer.clone();
        async move { consumer.take(envelope).await }
    });
    Hoarder { function, kept: Mutex::default() }
}

#[track_caller]
fn finds(report: &Report, checks: &[&str]) {
    let broken: Vec<&str> = report.broken().collect();
    assert_eq!(broken, checks, "{report}");
}

#[test]
fn what_is_wrong_on_the_way_to_an_inbox_is_found() {
    for (fault, checks) in INBOX {
        finds(&into_inbox(*fault).run(), checks);
    }
}

#[test]
fn what_is_wrong_for_ever_is_found() {
    for (fault, check) in AT_LENGTH {
        finds(&into_inbox(*fault).only(check).patience(PATIENCE).run(), &[check]);
    }
    let hoarder = Conformance::with_function("hoarder", hoarder);
    finds(&hoarder.only(RUNTIME).patience(PATIENCE).run(), &[RUNTIME]);
}

#[test]
fn what_is_wrong_on_the_way_to_a_function_is_found() {
    for (fault, checks) in FUNCTION {
        finds(&into_function(*fault).run(), checks);
    }
}

#[test]
fn what_only_looks_odd_is_not_found() {
    into_inbox(courier::Fault::None).run().assert();
    into_inbox(courier::Fault::Scatters).run().assert();
    let report = into_function(runner::Fault::None).run();
    report.assert();
    let skipped = Finding::Skipped("what arrives has no place".into());
    assert_eq!(report.finding(PLACES), Some(&skipped));
}

#[test]
fn every_check_has_found_something() {
    // The crate's own tests get the first two wrong, and the hoarder the third.
    let mut bitten = vec![PREPARED, PLACES, RUNTIME];
    bitten.extend(INBOX.iter().flat_map(|(_, checks)| *checks));
    bitten.extend(FUNCTION.iter().flat_map(|(_, checks)| *checks));
    bitten.extend(AT_LENGTH.iter().map(|(_, check)| check));
    let toothless: Vec<&str> =
        Conformance::checks().filter(|name| !bitten.contains(name)).collect();
    assert_eq!(toothless, [""; 0]);
}
