//! Ours beside the floor.

use super::Scale;
use super::build::{Group, Side, floor, group, ours, pair};

pub fn groups(scale: Scale) -> Vec<Group> {
    let mut groups = vec![end_to_end(scale)];
    for group in &mut groups {
        if group.runs == 0 {
            group.runs = scale.runs();
        }
    }
    groups
}

/// Enqueue, relay, dedup and effect, acknowledge, prune; 200 bytes.
fn end_to_end(scale: Scale) -> Group {
    let count = scale.pick(200_000, 60_000);
    let sides = [1024, 256, 64].into_iter().flat_map(|batch| {
        let arguments = format!("--batch {batch} --count {count}");
        pair(&batch.to_string(), "end-to-end", &arguments)
    });
    group("end-to-end", "End to end, by batch", &["rate"], sides.collect()).note(
        "A producer commits batches while a relay delivers them into an inbox, which inserts \
               a row for each; until the log is empty.",
    )
}
