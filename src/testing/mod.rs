//! The crash kit: what survives when power goes between any two steps, for handlers of yours too.
//!
//! A [`CrashTest`] plays a scenario in a [`World`]: machines with disks that remember every write,
//! a network, a clock that stands still, and services outside that remember what they were called
//! for. SQLite itself runs on those disks, through the same code that opens connections otherwise.
//! Then the test takes the record apart: after each step power goes, at one machine or at all, and
//! of what no sync covers any part is lost, in any order. What is left is started again, and has to
//! hold what was promised.
//!
//! With [`CrashTest::weather`] the scenario also runs in a network that loses, delays, doubles and
//! reorders, with programs that are killed and clocks that are set: from a seed, and nothing else
//! decides. Whole systems run in one thread, a step at a time ([`World::together`]).
//!
//! Where the model comes from: files are inodes and names are a list of their own, which reaches
//! the disk in order; writes are torn at 512 bytes; the folder is synced where SQLite's unix layer
//! does it. `tests/crash/sqlite.rs` holds it against what SQLite documents of each journal mode.

mod crash_test;
mod dice;
mod disk;
mod events;
mod external;
mod network;
mod opened;
mod progress;
mod quiet;
mod states;
mod time;
mod verdict;
mod vfs;
mod world;

pub use crash_test::{CrashTest, Failed};
pub use disk::{Fault, Profile};
pub use external::External;
pub use network::{Consumer, Link, Together, Trouble, Troubles};
pub use verdict::{Counts, Story, Verdict};
pub use world::World;
