//! Systems of programs, each in the weather of many seeds.

use super::shop::{System, test};
use crate::report;
use crate::support::either;
use std::ops::Range;
use surehand::testing::{Counts, CrashTest, Trouble};

/// The long form: `SUREHAND_CRASH=full cargo test --release --test crash network`.
fn seeds(few: u64, many: u64) -> Range<u64> {
    0..either(many, few)
}

#[track_caller]
fn survives(part: &str, test: CrashTest, seeds: Range<u64>) -> Counts {
    let many = seeds.end - seeds.start;
    let verdict = test.weather(seeds).without_crashes().run();
    let counts = report::survived(&format!("network-{part}"), verdict);
    println!("{counts}\n  {}", counts.troubles);
    assert_eq!(counts.network_seeds, many);
    assert!(counts.network_events > 20 * many, "{counts}");
    counts
}

#[test]
fn a_shop_and_a_depot_come_through_any_weather() {
    // The long form has many seeds, and fewer sales in each.
    let system = System { depots: &["east"], relays: 1, sales: either(4, 8) };
    survives("one-depot", test("one depot", system), seeds(120, 41_000));
}

#[test]
fn a_standby_and_two_depots_come_through_any_weather() {
    let system = System { depots: &["east", "west"], relays: 2, sales: 12 };
    let counts = survives("two-depots", test("two depots", system), seeds(120, 4_000));
    for trouble in Trouble::ALL {
        assert!(counts.troubles.of(trouble) > 0, "no {trouble:?}: {}", counts.troubles);
    }
}

#[test]
fn clocks_that_jump_lose_nothing() {
    let system = System { depots: &["east"], relays: 2, sales: 8 };
    let clocks = [Trouble::Skew, Trouble::ClockJump];
    let counts = survives("clocks", test("clocks", system).troubles(clocks), seeds(60, 5_000));
    assert!(counts.troubles.of(Trouble::Skew) > 10 && counts.troubles.of(Trouble::ClockJump) > 10);
    assert_eq!(counts.troubles.of(Trouble::Lost), 0);
}
