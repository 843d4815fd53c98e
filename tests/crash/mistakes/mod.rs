//! Mistakes that systems of this kind have made, each made in the library on purpose: which way of
//! testing finds it out.

mod extra;
mod list;
mod operated;
mod table;

use crate::scenarios::held::promise::STARTS;
use crate::support::is_long;
use crate::{network, report, scenarios};
use list::{ALL, MADE_ELSEWHERE, Made};
use std::time::Duration;
use surehand::testing::{CrashTest, Fault, Layer, Mistake, Verdict};
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
/// What each of their own scenarios may take without a mistake.
const ALONE: Duration = Duration::from_secs(2);
/// Seeds of weather for each mistake.
const SEEDS: u64 = 120;

fn scenario(name: &str) -> CrashTest {
    let all = scenarios::all().into_iter().chain(extra::all()).chain(operated::all());
    let found = all.into_iter().find(|(other, _)| *other == name);
    let (_, scenario) = found.unwrap_or_else(|| panic!("there is no scenario {name}"));
    scenario()
}

/// What has weather of its own.
fn weathered() -> impl Iterator<Item = CrashTest> {
    network::systems().into_iter().chain([extra::late()])
}

/// A promise that was broken, and why.
struct Broken {
    promise: String,
    why: String,
}

impl Broken {
    /// Whether the mistake is to break this. A relay that does not start again has to say that
    /// somebody went back in time: so it ends where it notices what the mistake has done.
    fn is_expected_of(&self, made: &Made, layer: Layer) -> bool {
        let Self { promise, why } = self;
        let in_weather = layer == Layer::Network && promise == network::PROMISE;
        let breaks = in_weather || made.breaks.contains(&promise.as_str());
        breaks && (promise != STARTS || why.contains("went back in time"))
    }
}

/// What the mistake breaks, if this way of testing sees anything broken. Every other verdict but
/// that all held is none: it would prove nothing.
fn broken(test: CrashTest, layer: Layer, made: &Made) -> Option<Broken> {
    let story = match test.mistake(made.mistake).only(layer).budget(CELL).run() {
        Verdict::Survived(_) => return None,
        Verdict::Lost(story, _) => story.to_string(),
        other => panic!("{:?}, {layer:?}: {other}", made.mistake),
    };
    let mut lines = story.lines();
    let mut line = || lines.next().expect("a story says what was lost");
    let (_, promise) = line().split_once(": ").expect("and in which test");
    Some(Broken { promise: promise.into(), why: line().trim().into() })
}

/// Whether this way of testing finds the mistake out, and by a promise that it should break.
#[track_caller]
fn finds(layer: Layer, made: &Made) -> bool {
    let tests: Vec<CrashTest> = match layer {
        Layer::Network => weathered().map(|test| test.weather(0..SEEDS)).collect(),
        _ => made.scenarios.iter().map(|name| scenario(name).faults(FAULTS)).collect(),
    };
    let Some(broken) = tests.into_iter().find_map(|test| broken(test, layer, made)) else {
        return false;
    };
    let Broken { promise, why } = &broken;
    let late = [Mistake::GroupAnsweredEarly, Mistake::AnswerBeforeCommit];
    if late.contains(&made.mistake) && why.contains("database is locked") {
        // What is committed late holds the lock meanwhile: that is how the mistake is made, and
        // not what it breaks.
        return false;
    }
    let what = format!("{:?}, {layer:?}: {promise}: {why}", made.mistake);
    assert!(broken.is_expected_of(made, layer), "not what it should break: {what}");
    true
}

fn row(made: &Made) -> Row {
    let found = LAYERS.iter().map(|(layer, _)| finds(*layer, made)).collect();
    Row { mistake: format!("{:?}", made.mistake), found }
}

/// In the long form in every way, and the page must say the same; else in the first way that finds
/// it, as the page says.
#[test]
fn every_mistake_is_found_out() {
    let made = ALL.iter().map(|made| made.mistake).chain(MADE_ELSEWHERE);
    let names: Vec<String> = made.map(|mistake| format!("{mistake:?}")).collect();
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

/// Each write of it fails once, also the one of the commit that gives the message up: `Write#77`
/// let it be sent as often again.
#[test]
fn what_takes_processes_down_is_given_up_though_a_write_fails() {
    let test = scenario("crash-loop").faults([Fault::Write]).only(Layer::Fault);
    let counts = test.run().assert_survived();
    assert!(counts.faults > 50, "{counts}");
}

/// What is found out by a scenario says nothing, unless correct code comes through it.
#[test]
fn without_a_mistake_every_scenario_of_theirs_survives() {
    for (name, scenario) in extra::all().into_iter().chain(operated::all()) {
        let counts = scenario().faults(FAULTS).budget(ALONE).run().assert_survived();
        println!("{name}: {counts}");
        assert!(counts.states > 20 && counts.faults > 0, "{name}: {counts}");
    }
    let counts = extra::late().weather(0..SEEDS).without_crashes().run().assert_survived();
    assert_eq!(counts.network_seeds, SEEDS);
}
