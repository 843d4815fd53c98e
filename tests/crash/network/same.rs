//! Nothing but the seed decides what happens.

use super::shop::{System, test};
use std::collections::BTreeSet;
use std::ops::Range;
use surehand::testing::Counts;

fn runs(seeds: Range<u64>) -> Counts {
    let system = System { depots: &["east", "west"], relays: 2, sales: 12 };
    test("same", system).weather(seeds).without_crashes().run().assert_survived()
}

#[test]
fn the_same_seeds_are_the_same_runs() {
    let seeds = 900..930;
    assert_eq!(runs(seeds.clone()), runs(seeds));
}

#[test]
fn other_seeds_are_other_runs() {
    let seeds = 900..912;
    let traces: BTreeSet<u64> = seeds.clone().map(|seed| runs(seed..seed + 1).trace).collect();
    assert_eq!(traces.len(), seeds.count());
}
