//! Mistakes that systems of this kind have made, each made in the library on purpose: which way of
//! testing finds it out.

mod extra;
mod table;

use crate::promises::is_long;
use crate::{network, report, scenarios};
use std::time::Duration;
use surehand::testing::Mistake::{self, *};
use surehand::testing::{CrashTest, Fault, Layer, Verdict};
use table::Row;

/// Ways to test, and what they are called.
const LAYERS: [(Layer, &str); 5] = [
    (Layer::Plain, "plain test"),
    (Layer::Kill, "SIGKILL"),
    (Layer::PowerCut, "power cut"),
    (Layer::Fault, "failing call"),
    (Layer::Network, "network"),
];

/// Calls that fail in turn.
const FAULTS: [Fault; 6] =
    [Fault::Full, Fault::Write, Fault::Sync, Fault::SyncKeepsCache, Fault::Busy, Fault::Dropped];

/// Each cell of the table has so much time at the most for each scenario.
const CELL: Duration = Duration::from_secs(30);
/// Seeds of weather for each mistake.
const SEEDS: u64 = 120;

/// A mistake, and the scenarios in which it is made.
struct Made {
    mistake: Mistake,
    scenarios: &'static [&'static str],
}

const fn made(mistake: Mistake, scenarios: &'static [&'static str]) -> Made {
    Made { mistake, scenarios }
}

const ALL: [Made; 30] = [
    made(MessageApart, &["enqueue"]),
    made(KeyApart, &["enqueue"]),
    made(CommitErrorSwallowed, &["relay"]),
    made(GroupAnsweredEarly, &["async"]),
    made(RelayNormal, &["relay"]),
    made(OpeningNotDurable, &["relay", "take-over"]),
    made(SettledWhenSent, &["relay", "keys"]),
    made(FailureSettled, &["keys"]),
    made(SilenceIsSuccess, &["outage"]),
    made(LateRefusalCounts, &["keys"]),
    made(ExceptionsInMemory, &["keys", "dead-letter"]),
    made(AttemptsForgotten, &["poison"]),
    made(RetryOvertaken, &["keys"]),
    made(RedriveOvertaken, &["dead-letter"]),
    made(EpochUnchecked, &["redriven"]),
    made(WakeUpLost, &["meanwhile"]),
    made(ExceptionPruned, &["keys", "dead-letter"]),
    made(StatementTooEarly, &["relay"]),
    made(SkipForgotten, &["skip"]),
    made(RestoreUnnoticed, &["producer-restored"]),
    made(ConsumerNormal, &["relay"]),
    made(AnswerBeforeCommit, &["relay"]),
    made(NoMemory, &["relay"]),
    made(MemoryBeforeEffect, &["relay"]),
    made(MemoryAfterEffect, &["relay"]),
    made(FailureRemembered, &["keys"]),
    made(MemoryEndsWithEpoch, &["relay"]),
    made(HorizonOffByOne, &["relay", "fan-out"]),
    made(EscapeUnnoticed, &["escape"]),
    made(ChecksumUnchecked, &["altered"]),
];

fn scenario(name: &str) -> CrashTest {
    let all = scenarios::all().into_iter().chain(extra::all());
    let found = all.into_iter().find(|(other, _)| *other == name);
    let (_, scenario) = found.unwrap_or_else(|| panic!("there is no scenario {name}"));
    scenario()
}

/// Whether this way of testing finds the mistake out.
fn finds(layer: Layer, made: &Made) -> bool {
    let run = |test: CrashTest| {
        let verdict = test.mistake(made.mistake).only(layer).budget(CELL).run();
        !matches!(verdict, Verdict::Survived(_))
    };
    if layer == Layer::Network {
        let tests = network::systems().into_iter().chain([extra::late()]);
        return tests.into_iter().any(|test| run(test.weather(0..SEEDS)));
    }
    made.scenarios.iter().any(|name| run(scenario(name).faults(FAULTS)))
}

fn row(made: &Made) -> Row {
    let found = LAYERS.iter().map(|(layer, _)| finds(*layer, made)).collect();
    Row { mistake: format!("{:?}", made.mistake), found }
}

/// In the long form in every way, and the page must say the same; else in the first way that finds
/// it, as the page says.
#[test]
fn every_mistake_is_found_out() {
    let names: Vec<String> = ALL.iter().map(|made| format!("{:?}", made.mistake)).collect();
    let listed: Vec<String> = table::sentences().into_iter().map(|(name, _)| name).collect();
    assert_eq!(names, listed, "each mistake is made, in the order of the list");
    let missed: Vec<String> = if is_long() { in_every_way() } else { in_one_way() };
    let killed = ALL.len() - missed.len();
    let counts = serde_json::json!({ "mutants": { "total": ALL.len(), "killed": killed } });
    report::write("mistakes", &counts);
    assert!(missed.is_empty(), "nothing finds {missed:?}");
}

fn in_every_way() -> Vec<String> {
    let rows: Vec<Row> = ALL.iter().map(row).collect();
    let layers: Vec<&str> = LAYERS.iter().map(|(_, name)| *name).collect();
    table::hold(&table::write(&rows, &layers));
    rows.into_iter().filter(|row| !row.found.contains(&true)).map(|row| row.mistake).collect()
}

fn in_one_way() -> Vec<String> {
    let rows = table::read();
    let is_missed = |made: &&Made| {
        let name = format!("{:?}", made.mistake);
        let row = rows.iter().find(|row| row.mistake == name);
        let first = row.and_then(|row| row.found.iter().position(|found| *found));
        !first.is_some_and(|first| finds(LAYERS[first].0, made))
    };
    ALL.iter().filter(is_missed).map(|made| format!("{:?}", made.mistake)).collect()
}
