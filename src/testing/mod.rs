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
//! does it. `tests/crash/calibration` holds it against what SQLite documents of each journal mode.

mod audit;
mod budget;
mod case;
mod certificate;
pub mod conformance;
mod crash_test;
mod dice;
mod disk;
mod drive;
mod events;
mod explore;
mod external;
mod memory;
mod network;
mod opened;
mod points;
mod progress;
mod quiet;
mod retrace;
mod script;
mod shrink;
mod states;
mod story;
mod ticker;
mod time;
mod timeline;
mod verdict;
mod vfs;
mod world;

#[doc(hidden)]
pub use crate::mistake::Mistake;
pub use certificate::Certificate;
pub use crash_test::CrashTest;
pub use disk::{Fault, Profile};
#[doc(hidden)]
pub use explore::Layer;
pub use external::External;
pub use network::{Consumer, Link, Together, Trouble, Troubles};
pub use points::passed;
pub use script::Failed;
pub use story::Story;
pub use verdict::{Counts, Verdict};
pub use world::World;
