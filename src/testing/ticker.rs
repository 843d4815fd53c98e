//! Tells on the terminal how far a long test is.

use super::budget::{Budget, PARTS};
use super::progress::Progress;
use crate::clock::{Clock, System};
use std::io::{IsTerminal, Write, stderr};
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::Duration;

/// So often on a terminal, which shows one line.
const ON_TERMINAL: Duration = Duration::from_millis(500);
/// So often where every line stays.
const IN_LOG: Duration = Duration::from_secs(15);

/// Tells until the other end of the channel is gone.
pub(crate) fn tell(name: &str, progress: &Progress, budget: &Budget, gone: &Receiver<()>) {
    let is_terminal = stderr().is_terminal();
    let pause = if is_terminal { ON_TERMINAL } else { IN_LOG };
    let (started, mut told) = (System.now().tick, false);
    while gone.recv_timeout(pause) == Err(RecvTimeoutError::Timeout) {
        let counts = progress.counts();
        let passed = System.now().tick.saturating_sub(started);
        let rate = u128::from(counts.states) * 1_000 / passed.as_millis().max(1);
        let line = format!(
            "{name}: {} states, {rate} a second, {} faults, {} violations, {} of {PARTS} parts",
            counts.states,
            counts.faults,
            counts.violations,
            budget.parts_done(),
        );
        // Nobody misses a line that cannot be written.
        let _ = match is_terminal {
            true => write!(stderr(), "\r\x1b[K{line}"),
            false => writeln!(stderr(), "{line}"),
        };
        told = true;
    }
    if told && is_terminal {
        let _ = write!(stderr(), "\r\x1b[K");
    }
}
