//! A lane against a store, a network and a consumer that do what they like, from a seed; then all
//! heals, and nothing may be missing.

mod world;

use super::State;
use world::World;

const SEEDS: std::ops::Range<u64> = 0..5_000;
const STEPS: usize = 120;

#[test]
fn whatever_happens_everything_arrives_once_it_heals() {
    for seed in SEEDS {
        let run = std::panic::catch_unwind(|| storm(seed));
        assert!(run.is_ok(), "seed {seed}");
    }
}

fn storm(seed: u64) {
    let mut world = World::new(seed);
    for _ in 0..STEPS {
        world.something_happens();
        check_counts(&world);
    }
    world.heal();
    check_counts(&world);
    world.check_what_is_missing();
    world.redrive_everything();
    world.heal();
    check_counts(&world);
    world.check_that_nothing_is_missing();
}

fn check_counts(world: &World) {
    let lane = &world.lane;
    let window = lane.window.values().map(|one| (one.state, one.bytes));
    let exceptions = lane.exceptions.values().map(|one| (one.state, one.bytes));
    let flying: Vec<u32> = window
        .chain(exceptions)
        .filter(|(state, _)| matches!(state, State::Flying { .. }))
        .map(|(_, bytes)| bytes)
        .collect();
    assert_eq!(lane.flying, flying.len());
    assert_eq!(lane.flying_bytes, flying.iter().map(|bytes| *bytes as usize).sum::<usize>());
    let in_window: usize = lane.window.values().map(|one| one.bytes as usize).sum();
    assert_eq!(lane.window_bytes, in_window);
    assert!(lane.flying <= lane.settings.window.max(1), "{} under way", lane.flying);
    for (due, seq) in &lane.due {
        assert_eq!(lane.exceptions.get(seq).map(|one| one.due), Some(*due), "due {seq}");
    }
    for seq in &lane.again {
        let state = lane.window.get(*seq).map(|one| one.state);
        assert!(matches!(state, Some(State::Idle { .. })), "again {seq}: {state:?}");
    }
    assert!(lane.deadlines.len() <= 2 * lane.flying + 1_024 + lane.settings.batch * 64);
}
