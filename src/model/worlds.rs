//! Worlds in which every rule holds: nothing may go wrong in any of them.

use super::explore::explore;
use super::scope::{Faults, Scope};
use crate::relay::lane::Pace;

/// A name, and what may happen.
type World = (&'static str, Scope);

const NONE: Faults = Faults::NONE;

/// More moments than the last possible one at which a cycle may run, and a retry that waits.
fn unhurried() -> Scope {
    Scope { paces: &[Pace::Soon, Pace::Late], max_failures: 2, ..Scope::default() }
}

/// A hello may be late or lost, and an inbox commits message by message.
fn distant() -> Scope {
    Scope { hello_at_once: false, inbox_batch: 1, ..Scope::default() }
}

fn three() -> Scope {
    Scope { messages: 3, ..Scope::default() }
}

/// The second of three messages has another key.
fn between() -> Scope {
    Scope { keys: [1, 2, 1, 0], ..three() }
}

/// The last of three messages has another key.
fn behind() -> Scope {
    Scope { keys: [1, 1, 2, 0], ..three() }
}

fn with(faults: Faults, scope: Scope) -> Scope {
    Scope { faults, ..scope }
}

/// Two messages of one key: seconds.
fn one_key() -> Vec<World> {
    let pair = Scope::default;
    let network = Faults { duplicate: 1, loss: 1, failure: 1, skip: 1, ..NONE };
    let doubled = Faults { duplicate: 1, failure: 1, skip: 1, ..NONE };
    let impatient = Faults { impatience: 1, failure: 1, redrive: 1, ..NONE };
    let outage = Faults { unreachable: 1, loss: 1, ..NONE };
    let closed = Faults { kill_relay: 1, close_relay: 1, failure: 1, ..NONE };
    let power = Faults { cut_producer: 1, kill_relay: 1, failure: 1, skip: 1, ..NONE };
    let filtered = Faults { cut_producer: 1, failure: 1, skip: 1, ..NONE };
    let consumer = Faults { kill_consumer: 1, cut_consumer: 1, duplicate: 1, ..NONE };
    let both = Faults { kill_consumer: 1, cut_consumer: 1, kill_relay: 1, ..NONE };
    let zombie = Faults { zombie: 1, failure: 1, skip: 1, ..NONE };
    let replace = Faults { kill_relay: 1, failure: 2, replace: 1, ..NONE };
    vec![
        ("network", with(network, pair())),
        ("network, unhurried", with(doubled, unhurried())),
        ("impatience, unhurried", with(impatient, unhurried())),
        ("outage", with(outage, pair())),
        ("close", with(closed, pair())),
        ("power", with(power, pair())),
        ("power, filtered", with(filtered, Scope { filtered: &[2], ..three() })),
        ("consumer", with(consumer, distant())),
        ("consumer and relay", with(both, distant())),
        ("zombie", with(zombie, distant())),
        ("replace", with(replace, pair())),
        ("restore", with(Faults { restore: 1, loss: 1, ..NONE }, distant())),
    ]
}

/// Three messages, two keys, and what bounds a lane: seconds.
fn several_keys() -> Vec<World> {
    let kill = Faults { kill_relay: 1, failure: 1, ..NONE };
    let lost = Faults { kill_relay: 2, loss: 1, ..NONE };
    let window = Faults { loss: 2, failure: 1, ..NONE };
    let failures = Faults { failure: 3, ..NONE };
    let skip = Faults { failure: 1, skip: 1, ..NONE };
    let bounded = Scope { keys: [2, 1, 1, 0], max_exceptions: 1, max_failures: 2, ..three() };
    vec![
        ("a key between", with(kill, between())),
        ("a key behind", with(Faults { loss: 1, failure: 1, ..NONE }, behind())),
        ("doubt", with(Faults { kill_relay: 1, loss: 2, ..NONE }, Scope::default())),
        ("crash loop", with(lost, Scope { crash_limit: 1, ..Scope::default() })),
        ("window of one", with(window, Scope { window: 1, ..three() })),
        ("bound of exceptions", with(failures, bounded)),
        ("three of a key, skip", with(skip, three())),
        ("three of a key, kill", with(Faults { kill_relay: 1, ..NONE }, three())),
    ]
}

/// Minutes, in a release build.
fn large() -> Vec<World> {
    let pair = Scope::default;
    let network = Faults { duplicate: 2, loss: 1, failure: 1, skip: 1, redrive: 1, ..NONE };
    let impatient = Faults { duplicate: 1, impatience: 1, failure: 1, redrive: 1, ..NONE };
    let power =
        Faults { cut_producer: 1, kill_relay: 1, duplicate: 1, failure: 1, skip: 1, ..NONE };
    let cuts = Faults { kill_consumer: 1, cut_consumer: 1, kill_relay: 1, cut_producer: 1, ..NONE };
    let lossy = Faults { kill_consumer: 1, cut_consumer: 1, cut_producer: 1, loss: 1, ..NONE };
    let zombie = Faults { zombie: 1, duplicate: 1, failure: 1, skip: 1, ..NONE };
    let replace = Faults { kill_relay: 1, duplicate: 1, failure: 2, replace: 1, ..NONE };
    let restore = Faults { restore: 1, duplicate: 1, loss: 1, ..NONE };
    let kill_skip = Faults { kill_relay: 1, failure: 1, skip: 1, ..NONE };
    let outage = Faults { unreachable: 1, failure: 1, loss: 1, ..NONE };
    let redrive = Faults { kill_relay: 1, failure: 1, redrive: 1, ..NONE };
    let singly = Faults { kill_relay: 1, loss: 1, failure: 1, ..NONE };
    let dead = Faults { kill_relay: 1, loss: 1, skip: 1, ..NONE };
    let failing = Faults { kill_relay: 1, failure: 2, ..NONE };
    let loose = Faults { kill_relay: 1, duplicate: 1, loss: 1, failure: 1, ..NONE };
    let bounded = Scope { keys: [2, 1, 1, 0], max_exceptions: 1, max_failures: 2, ..three() };
    vec![
        ("network", with(network, pair())),
        ("impatience", with(impatient, pair())),
        ("power", with(power, pair())),
        ("power on both sides", with(cuts, distant())),
        ("power on both sides, loss", with(lossy, pair())),
        ("zombie", with(zombie, distant())),
        ("replace", with(replace, pair())),
        ("restore", with(restore, distant())),
        ("a key between, skip", with(kill_skip, between())),
        ("a key between, outage", with(outage, between())),
        ("a key between, one by one", with(singly, Scope { batch: 1, ..between() })),
        ("a key behind, kill", with(Faults { kill_relay: 1, loss: 1, ..NONE }, behind())),
        ("a key behind, loss", with(Faults { loss: 2, ..NONE }, behind())),
        ("a key behind, crash loop", with(dead, Scope { crash_limit: 1, ..behind() })),
        ("three of a key, redrive", with(redrive, three())),
        ("three of a key, kill", with(Faults { kill_relay: 2, ..NONE }, three())),
        ("bound of exceptions", with(failing, bounded)),
        ("no keys", with(loose, Scope { keys: [0; 4], ..pair() })),
    ]
}

#[track_caller]
fn nothing_is_wrong_in(worlds: Vec<World>) {
    for (name, scope) in worlds {
        let report = explore(&scope, usize::MAX);
        println!("{name}: {report}");
        assert!(report.wrong.is_none(), "{name}: {report}");
    }
}

#[test]
fn nothing_goes_wrong_with_one_key() {
    nothing_is_wrong_in(one_key());
}

#[test]
fn nothing_goes_wrong_with_several_keys() {
    nothing_is_wrong_in(several_keys());
}

#[test]
fn nothing_goes_wrong_in_larger_worlds() {
    if std::env::var("SUREHAND_MODEL").is_ok_and(|size| size == "full") {
        nothing_is_wrong_in(large());
    }
}
