//! The library's own scenarios: what each promises holds after every crash and fault of it.

mod counter;
mod dead;
mod enqueue;
mod fan_out;
pub(crate) mod held;
mod keys;
pub(crate) mod programs;
mod relay;
mod restored;
mod time;
mod trouble;
mod upgrade;

use crate::report;
use crate::support::is_long;
use programs::{SHOP, count};
use std::time::Duration;
use surehand::testing::{CrashTest, Fault, Profile};

pub(crate) type Scenario = fn() -> CrashTest;

/// Every scenario, by name.
pub(crate) fn all() -> Vec<(&'static str, Scenario)> {
    vec![
        ("enqueue", enqueue::enqueue),
        ("relay", relay::deliver_two),
        ("counter", counter::counter),
        ("take-over", relay::take_over),
        ("fan-out", fan_out::fan_out),
        ("keys", keys::keys),
        ("dead-letter", dead::dead_letter),
        ("skip", dead::skip),
        ("replace", dead::replace),
        ("scheduled", time::scheduled),
        ("pruning", time::pruning),
        ("arrival", upgrade::arrival),
        ("upgrade", upgrade::upgrade),
        ("producer-restored", restored::producer_restored),
        ("consumer-restored", restored::consumer_restored),
        ("escape", trouble::escape),
        ("outage", trouble::outage),
        ("full-disk", trouble::full_disk),
        ("application-at-normal", trouble::normal),
    ]
}

/// What the runs of a scenario may take: in the short form each is a sample where that is little.
const SHORT: Duration = Duration::from_secs(2);
const TWICE: Duration = Duration::from_secs(3);
const FAULTS: Duration = Duration::from_secs(4);

/// Faults that few calls can meet: a sample of all would leave them out.
const RARE: [Fault; 6] = [
    Fault::Truncate,
    Fault::Delete,
    Fault::Open,
    Fault::Sync,
    Fault::SyncKeepsCache,
    Fault::SyncRevertsCache,
];

/// Runs the scenario of this name; in the long form crashes come twice, everything fails, and
/// sectors are small as well.
#[track_caller]
fn survives(name: &str) {
    let found = all().into_iter().find(|(other, _)| *other == name);
    let (_, scenario) = found.expect("there is a scenario of this name");
    let often = Fault::ALL.into_iter().filter(|fault| !RARE.contains(fault));
    let mut runs = vec![if is_long() { scenario() } else { scenario().budget(SHORT) }];
    if is_long() {
        let faults = || scenario().without_crashes().budget(FAULTS);
        runs.push(scenario().faults([]).depth(2).budget(TWICE));
        runs.push(scenario().faults([]).profile(Profile::Harsh));
        runs.push(faults().faults(often));
        runs.push(faults().faults(RARE));
    }
    let (mut states, mut recovery_states, mut faults, mut violations) = (0, 0, 0, 0);
    let (mut kinds, mut verdicts) = (Vec::new(), Vec::new());
    for run in runs {
        let verdict = run.run();
        let counts = report::counts(&verdict);
        println!("{name}: {counts}");
        states += counts.states;
        recovery_states += counts.recovery_states;
        faults += counts.faults;
        violations += counts.violations;
        kinds.push(counts.fault_kinds);
        verdicts.push(verdict);
    }
    // The rare ones come last, and only there.
    let rare = if is_long() { kinds.pop() } else { None };
    let kinds = kinds.into_iter().max().unwrap_or(0) + rare.unwrap_or(0);
    let counts = serde_json::json!({
        "states": states, "recovery_states": recovery_states, "faults": faults,
        "fault_kinds": kinds, "violations": violations,
    });
    report::write(&format!("scenario-{name}"), &counts);
    for verdict in verdicts {
        let _ = verdict.assert_survived();
    }
    assert!(states > 100, "{states} states");
    assert!(!is_long() || kinds >= 10, "{kinds} kinds of faults");
    assert!(name != "full-disk" || faults > 0, "the disk was never full");
}

#[test]
fn a_sale_and_its_message_are_committed_together_or_not_at_all() {
    survives("enqueue");
}

#[test]
fn what_was_sold_is_sent_once() {
    survives("relay");
}

#[test]
fn what_was_acknowledged_has_been_sent() {
    survives("counter");
}

#[test]
fn a_standby_goes_on_where_a_relay_died() {
    survives("take-over");
}

#[test]
fn each_of_two_destinations_gets_a_message_once() {
    survives("fan-out");
}

#[test]
fn a_message_that_fails_holds_back_its_key_and_no_other() {
    survives("keys");
}

#[test]
fn a_dead_letter_waits_with_its_key_and_is_delivered_when_redriven() {
    survives("dead-letter");
}

#[test]
fn what_was_skipped_has_no_effect_and_its_key_goes_on() {
    survives("skip");
}

#[test]
fn what_was_put_in_the_place_of_a_dead_letter_is_applied_once() {
    survives("replace");
}

#[test]
fn what_is_scheduled_comes_when_it_is_due_and_once() {
    survives("scheduled");
}

#[test]
fn the_log_is_emptied_of_what_is_settled_and_of_nothing_else() {
    survives("pruning");
}

#[test]
fn the_schema_comes_into_a_database_wholly_or_not_at_all() {
    survives("arrival");
}

#[test]
fn an_older_schema_is_upgraded_wholly_or_not_at_all() {
    survives("upgrade");
}

#[test]
fn an_older_copy_of_the_producer_is_noticed_and_nothing_is_swallowed() {
    survives("producer-restored");
}

#[test]
fn an_older_copy_of_the_consumer_is_noticed_and_gets_what_it_lost() {
    survives("consumer-restored");
}

#[test]
fn a_handler_that_escapes_its_transaction_leaves_nothing_behind() {
    survives("escape");
}

#[test]
fn a_destination_that_was_down_gets_everything_once() {
    survives("outage");
}

#[test]
fn on_a_full_disk_nothing_is_lost_or_sent_twice() {
    survives("full-disk");
}

#[test]
fn what_was_sent_is_never_undone_where_the_application_does_not_sync() {
    survives("application-at-normal");
}

/// What the scenario before is about is there to be met.
#[test]
fn where_the_application_does_not_sync_a_sale_that_was_not_sent_is_undone() {
    let stays = "a sale that nobody was told of stays";
    let test = trouble::normal().invariant(stays, |w| {
        let sold = count(w, SHOP, "SELECT count(*) FROM sale WHERE number = 2")?;
        assert!(w.external("till").calls(2) == 0 || sold == 1);
        Ok(())
    });
    let verdict = test.budget(SHORT).run();
    let story = verdict.to_string();
    assert!(story.contains(stays), "{story}");
    let _ = verdict.assert_lost();
}

/// There SQLite writes the commit twice, to keep what an interrupted write may spoil away from it.
/// If the second one finds no room, it takes back what a crash brings again: no error of ours can
/// be more certain than that.
#[test]
fn a_full_disk_may_hide_a_commit_only_where_a_write_may_spoil_what_lies_beside_it() {
    let full = |profile| enqueue::enqueue().profile(profile).faults([Fault::Full]);
    let full = |profile| full(profile).without_crashes().run();
    let counts = full(Profile::Unix).assert_survived();
    assert!(counts.failed_runs > 10, "{counts}");
    let verdict = full(Profile::Harsh);
    let story = verdict.to_string();
    assert!(story.contains("was told to be undone"), "{story}");
    let _ = verdict.assert_lost();
}
