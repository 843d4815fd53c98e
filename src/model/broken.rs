//! One rule broken at a time: each must show, or it is not needed.

use super::explore::explore;
use super::scope::{Faults, Full, Rules, Scope, Stated};

const NONE: Faults = Faults::NONE;
const RULES: Rules = Rules::ALL;
/// Every counterexample below is found long before.
const ENOUGH: usize = 400_000;

/// A broken protocol, the world that shows it, and what goes wrong there.
struct Broken {
    rule: &'static str,
    rules: Rules,
    faults: Faults,
    scope: Scope,
    shows: &'static str,
}

fn broken(
    rule: &'static str,
    rules: Rules,
    faults: Faults,
    scope: Scope,
    shows: &'static str,
) -> Broken {
    Broken { rule, rules, faults, scope, shows }
}

/// What the producer's side must do.
fn producer() -> Vec<Broken> {
    let pair = Scope::default;
    let power = Faults { cut_producer: 1, kill_relay: 1, ..NONE };
    let zombie = Faults { zombie: 1, failure: 1, ..NONE };
    let redrive = Faults { failure: 1, redrive: 1, ..NONE };
    let restore = Faults { restore: 1, ..NONE };
    let loose = Scope { keys: [0; 4], ..pair() };
    let distant = Scope { hello_at_once: false, ..pair() };
    // A zombie that is asked a second time hears what it was told the first time.
    let stale = Faults { zombie: 1, duplicate: 1, ..NONE };
    vec![
        broken("1: AUTOINCREMENT", Rules { autoincrement: false, ..RULES }, NONE, loose, "LOST"),
        broken(
            "1, 19: acknowledgements name the id (with 4)",
            Rules { match_ids: false, compare_high: false, ..RULES },
            restore,
            pair(),
            "LOST",
        ),
        broken(
            "2: an opening is durable",
            Rules { open_full: false, ..RULES },
            power,
            pair(),
            "HALT",
        ),
        broken(
            "3: only the answer to this hello",
            Rules { tell_greetings_apart: false, ..RULES },
            stale,
            distant,
            "HALT",
        ),
        broken("4: high", Rules { compare_high: false, ..RULES }, restore, pair(), "LOST"),
        broken(
            "6: durable before it is sent",
            Rules { cycle: Full::Never, ..RULES },
            power,
            pair(),
            "GHOST",
        ),
        broken("8: the epoch is checked", Rules { guard: false, ..RULES }, zombie, pair(), "SENT"),
        broken(
            "9: a redrive bumps the epoch",
            Rules { bump: false, ..RULES },
            redrive,
            pair(),
            "STUCK",
        ),
        broken(
            "10: a dead message is not settled",
            Rules { stated: Stated::Dead, ..RULES },
            redrive,
            pair(),
            "ACK",
        ),
        broken(
            "11: a statement has holes",
            Rules { stated: Stated::NoHoles, ..RULES },
            redrive,
            Scope { max_failures: 2, ..pair() },
            "ACK",
        ),
        broken(
            "12: a statement has the skips (with 5)",
            Rules { stated: Stated::NoSkips, check_incarnation: false, ..RULES },
            Faults { duplicate: 1, failure: 1, skip: 1, ..NONE },
            pair(),
            "ORDER",
        ),
        broken(
            "23: the row of an exception is kept",
            Rules { keep_exceptions: false, ..RULES },
            redrive,
            pair(),
            "LOST",
        ),
    ]
}

/// What the consumer's side must do.
fn consumer() -> Vec<Broken> {
    let pair = Scope::default;
    let cut = Faults { cut_consumer: 1, ..NONE };
    let kill_and_cut = Faults { kill_consumer: 1, cut_consumer: 1, ..NONE };
    let zombie = Faults { zombie: 1, ..NONE };
    let distant = Scope { hello_at_once: false, ..pair() };
    let filtered = Scope { messages: 3, filtered: &[1], ..pair() };
    vec![
        broken(
            "3: a lower hello is refused",
            Rules { refuse_lower_hello: false, ..RULES },
            zombie,
            distant,
            "HALT",
        ),
        broken(
            "5: only the registered incarnation",
            Rules { check_incarnation: false, ..RULES },
            Faults { restore: 1, loss: 1, ..NONE },
            filtered,
            "LOST",
        ),
        broken(
            "13: merge by union",
            Rules { union: false, ..RULES },
            Faults { duplicate: 1, ..NONE },
            pair(),
            "DOUBLE",
        ),
        broken(
            "13: ids of settled places are pruned",
            Rules { prune_ids: false, ..RULES },
            NONE,
            pair(),
            "UNBOUNDED",
        ),
        broken(
            "14: memory survives epochs",
            Rules { memory_survives: false, ..RULES },
            Faults { kill_relay: 1, ..NONE },
            pair(),
            "DOUBLE",
        ),
        broken(
            "15, 17: `after`, over several requests",
            Rules { after: false, ..RULES },
            NONE,
            pair(),
            "ORDER",
        ),
        broken(
            "17: an earlier failure in the request (with 15)",
            Rules { after: false, key_failed: false, ..RULES },
            Faults { failure: 1, ..NONE },
            pair(),
            "ORDER",
        ),
        broken(
            "18: an inbox opens durably (with: duplicates write)",
            Rules { inbox_open_full: false, count_all: false, ..RULES },
            kill_and_cut,
            pair(),
            "ACK",
        ),
        broken(
            "18: answers after the sync",
            Rules { answer_after_sync: false, ..RULES },
            cut,
            pair(),
            "ACK",
        ),
    ]
}

/// Rules that others stand in for: in these worlds nothing goes wrong without them.
fn shielded() -> Vec<Broken> {
    let pair = Scope::default;
    let skip = Faults { duplicate: 1, failure: 1, skip: 1, ..NONE };
    let cut = Faults { cut_producer: 1, failure: 1, skip: 1, ..NONE };
    let crash = Faults { kill_consumer: 1, cut_consumer: 1, loss: 1, ..NONE };
    let restore = Faults { restore: 1, ..NONE };
    let late = Faults { impatience: 1, failure: 2, ..NONE };
    vec![
        broken("5, by 12", Rules { check_incarnation: false, ..RULES }, skip, pair(), ""),
        broken("12, by 5 and 9", Rules { stated: Stated::NoSkips, ..RULES }, skip, pair(), ""),
        // What only settles moves nothing that anybody was told.
        broken("7, by 2", Rules { cycle: Full::Sending, ..RULES }, cut, pair(), ""),
        // Every opening is durable, and everything a statement says was sent or passed.
        broken("6, by 2", Rules { cycle: Full::SentToMoves, ..RULES }, cut, pair(), ""),
        broken("17, by 15", Rules { key_failed: false, ..RULES }, skip, pair(), ""),
        broken("20, by 16", Rules { fence_refusals: false, ..RULES }, late, pair(), ""),
        broken("18, by itself", Rules { inbox_open_full: false, ..RULES }, crash, pair(), ""),
        broken("18, by its half", Rules { count_all: false, ..RULES }, crash, pair(), ""),
        // Another message at a known place is noticed by `high` before.
        broken("4, by itself", Rules { notice_rewound: false, ..RULES }, restore, pair(), ""),
    ]
}

#[track_caller]
fn each_shows(list: Vec<Broken>) {
    for Broken { rule, rules, faults, scope, shows } in list {
        let whole = Scope { faults, ..scope };
        let world = Scope { rules, ..whole.clone() };
        let report = explore(&world, ENOUGH);
        println!("without {rule}: {report}");
        let what = report.wrong.as_ref().map_or("", |wrong| wrong.what);
        assert!(!report.cut_short && what.starts_with(shows), "without {rule}: {report}");
        assert_eq!(what.is_empty(), shows.is_empty(), "without {rule}: {report}");
        // It is this rule that was missing, not another that the world needs.
        let control = explore(&whole, ENOUGH / 4);
        assert!(control.wrong.is_none(), "with {rule}: {control}");
    }
}

#[test]
fn every_rule_of_the_producer_is_needed() {
    each_shows(producer());
}

#[test]
fn every_rule_of_the_consumer_is_needed() {
    each_shows(consumer());
}

#[test]
fn some_rules_stand_in_for_each_other() {
    each_shows(shielded());
}
