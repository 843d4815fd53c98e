//! Faults that code reacts to: the k-th call of a kind fails, once or from then on.

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// What goes wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[non_exhaustive]
pub enum Fault {
    /// A read fails.
    Read,
    /// A read gets half of what it asked for. Not among [`ALL`](Self::ALL): SQLite takes the rest
    /// for zeroes, as if the file ended there. Its unix layer asks again and never does this.
    ShortRead,
    /// A read gets a flipped bit. Not among [`ALL`](Self::ALL): SQLite's pages have no checksum, so
    /// that a bit that flips in the database itself cannot be noticed.
    BitFlip,
    /// A write fails in the middle.
    Write,
    /// There is room for a part of a write only, this once.
    Full,
    /// There is no room for any write from now on.
    StaysFull,
    /// From this write on no file grows any more: a quota. What is there can be written over.
    Quota,
    /// A truncation fails.
    Truncate,
    /// A sync fails; what it was to sync never reaches the disk, and later syncs say nothing of it.
    /// The cache keeps the new content (ext4).
    SyncKeepsCache,
    /// The same, and the cache goes back to what is on the disk (Btrfs).
    SyncRevertsCache,
    /// A sync fails, and nothing is lost.
    Sync,
    /// A file cannot be opened.
    Open,
    /// A file cannot be deleted.
    Delete,
    /// A file is deleted, and the call fails all the same: the folder could not be synced.
    FolderSync,
    /// A lock is busy.
    Busy,
    /// A lock cannot be asked for.
    Lock,
    /// SQLite gets no memory, this once. Tried at a thousand of its allocations at most.
    Memory,
    /// A future that the test drives is dropped while it is pending, or a relay between two steps:
    /// [`World::drive`](crate::testing::World::drive), [`World::run`](crate::testing::World::run).
    Dropped,
    /// A write reaches another place of its file, and says nothing. Not among [`ALL`](Self::ALL),
    /// for the reason of [`BitFlip`](Self::BitFlip).
    Misdirected,
    /// A write reaches nothing, and says nothing: what is read later is stale. Not among
    /// [`ALL`](Self::ALL) either.
    Stale,
}

impl Fault {
    /// All that a program is told of.
    pub const ALL: [Self; 16] = [
        Self::Read,
        Self::Write,
        Self::Full,
        Self::StaysFull,
        Self::Quota,
        Self::Truncate,
        Self::SyncKeepsCache,
        Self::SyncRevertsCache,
        Self::Sync,
        Self::Open,
        Self::Delete,
        Self::FolderSync,
        Self::Busy,
        Self::Lock,
        Self::Memory,
        Self::Dropped,
    ];

    /// What no program is told of.
    pub const SILENT: [Self; 4] = [Self::ShortRead, Self::BitFlip, Self::Misdirected, Self::Stale];

    pub(crate) fn every() -> impl Iterator<Item = Self> {
        Self::ALL.into_iter().chain(Self::SILENT)
    }

    /// The fault of this name.
    pub(crate) fn named(name: &str) -> Option<Self> {
        Self::every().find(|fault| format!("{fault:?}") == name)
    }

    /// Which calls it may strike.
    pub(crate) fn call(self) -> Call {
        match self {
            Self::Read | Self::ShortRead | Self::BitFlip => Call::Read,
            Self::Write | Self::Full | Self::StaysFull | Self::Quota => Call::Write,
            Self::Misdirected | Self::Stale => Call::Write,
            Self::Truncate => Call::Truncate,
            Self::SyncKeepsCache | Self::SyncRevertsCache | Self::Sync => Call::Sync,
            Self::Open => Call::Open,
            Self::Delete | Self::FolderSync => Call::Delete,
            Self::Busy | Self::Lock => Call::Lock,
            Self::Memory => Call::Memory,
            Self::Dropped => Call::Pending,
        }
    }
}

/// What SQLite may ask for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Call {
    Open,
    Read,
    Write,
    Truncate,
    Sync,
    Delete,
    Lock,
    Memory,
    Pending,
}

/// What a call meets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Met {
    Nothing,
    Fault(Fault),
    /// This bit of what is read, counted in a circle.
    Flip(usize),
}

/// A fault, and the call that it strikes: counted from 0 among those it may strike.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Strike {
    pub(crate) fault: Fault,
    pub(crate) call: u64,
}

/// Which call is struck by what; counts the calls.
#[derive(Clone, Debug, Default)]
pub(crate) struct Plan {
    strike: Option<Strike>,
    calls: BTreeMap<Call, u64>,
}

impl Plan {
    pub(crate) fn new(strike: Option<Strike>) -> Self {
        Self { strike, ..Self::default() }
    }

    pub(crate) fn meet(&mut self, call: Call) -> Met {
        let calls = self.calls.entry(call).or_default();
        let number = *calls;
        *calls += 1;
        let Some(Strike { fault, call: at }) = self.strike else { return Met::Nothing };
        let strikes = number == at || fault == Fault::StaysFull && number > at;
        if fault.call() != call || !strikes {
            return Met::Nothing;
        }
        match fault {
            // Somewhere in it, and not always in the same place.
            Fault::BitFlip => Met::Flip(usize::try_from(at).unwrap_or(0).wrapping_mul(7_919)),
            fault => Met::Fault(fault),
        }
    }

    /// How many calls of this kind there were.
    pub(crate) fn calls(&self, call: Call) -> u64 {
        self.calls.get(&call).copied().unwrap_or(0)
    }
}
