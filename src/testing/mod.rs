//! The crash kit: what survives when power goes between any two steps, for handlers of yours too.
//!
//! A [`CrashTest`] plays a scenario in a [`World`]: machines with disks that remember every write,
//! a network, a clock that stands still, and services outside that remember what they were called
//! for. SQLite itself runs on those disks, through the same code that opens connections otherwise.
//! Then the test takes the record apart: after each step all processes are killed, or power goes,
//! at one machine or at all, and of what no sync covers a part is lost: each combination where few
//! pieces are in flight, a sample where many are. What is left is started again, and has to hold
//! what was promised. `docs/testing.md` is the guide.
//!
//! What else may go wrong, where a test asks for it: each call to the disk fails, in every way of
//! [`Fault`]; it crashes again while it starts again ([`CrashTest::depth`]); the network, the
//! programs and the clocks have the weather of a seed ([`CrashTest::weather`], [`Together`]);
//! futures are dropped while they are pending ([`World::drive`]). [`passed`] is what
//! [`crash_point!`](crate::crash_point) calls.
//!
//! What it says is a [`Verdict`]: with a [`Certificate`] of what was tried, or with the [`Story`]
//! of the simplest case in which a promise was broken, and the line that replays it. Where there is
//! too much to try, or too little time, it says that it took a sample.
//!
//! A transport of your own is held to its promises by [`conformance`].
//!
//! Where the model comes from: files are inodes and names are a list of their own, which reaches
//! the disk in order; writes are torn at 512 bytes; the folder is synced where SQLite's unix layer
//! does it. `tests/crash/calibration` holds it against what SQLite documents of each journal mode
//! and each `synchronous`, and `docs/guarantees.md` is what came of that.

/// The guide's code compiles.
#[cfg(doctest)]
#[doc = include_str!("../../docs/testing.md")]
struct Guide;

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
#[cfg(all(feature = "http", feature = "http-server"))]
#[cfg_attr(docsrs, doc(cfg(all(feature = "http", feature = "http-server"))))]
pub mod wire;
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
