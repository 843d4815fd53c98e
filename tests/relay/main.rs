//! The relay as its users see it: what it delivers, when again, what it gives up, and what it
//! survives.
//!
//! Everything runs against real database files. A scripted transport lets a test answer each
//! attempt as it likes; where a child process is killed, the test binary starts itself again.
#![allow(
    clippy::disallowed_methods,
    reason = "tests wait for other threads and processes, and measure them, by the real clock"
)]
#![allow(dead_code, reason = "the stage is shared with tests/processes")]

mod acknowledgements;
mod crowd;
mod destination;
mod failures;
mod fan_out;
mod faults;
mod greetings;
mod idle;
mod notes;
mod order;
mod paused;
mod redrive;
mod replace;
mod retention;
mod scheduled;
mod skip;
mod stage;
mod stats;
mod tampered;
