//! Relays as processes and futures: killed, taken over, shut down, dropped, and what they meet
//! while they run: clocks that jump, files that are exchanged, locks that others hold.
//!
//! Where another process is needed, the test binary starts itself again to run one of its tests
//! as that process's program.
#![allow(
    clippy::disallowed_methods,
    reason = "tests wait for other threads and processes, and measure them, by the real clock"
)]
#![allow(dead_code, reason = "the stage is shared with tests/relay")]

mod child;
mod clock;
mod crash_loop;
mod dropped;
mod good_order;
mod halted;
mod locked;
mod panics;
mod replaced;
mod shutdown;
#[path = "../relay/stage/mod.rs"]
mod stage;
mod takeover;
