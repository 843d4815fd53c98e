//! Faults that code reacts to: the k-th call of a kind fails, once or from then on.

/// What goes wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Fault {
    /// A read fails.
    Read,
    /// A read gets less than it asked for.
    ShortRead,
    /// A read gets a flipped bit. Not among [`ALL`](Self::ALL): SQLite's pages have no checksum, so
    /// that a bit that flips in the database itself cannot be noticed.
    BitFlip,
    /// A write fails.
    Write,
    /// There is no room for a write, this once.
    Full,
    /// There is no room for any write from now on.
    StaysFull,
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
    /// A lock is busy.
    Busy,
    /// A lock cannot be asked for.
    Lock,
}

impl Fault {
    /// All that a program is told of.
    pub const ALL: [Self; 13] = [
        Self::Read,
        Self::ShortRead,
        Self::Write,
        Self::Full,
        Self::StaysFull,
        Self::Truncate,
        Self::SyncKeepsCache,
        Self::SyncRevertsCache,
        Self::Sync,
        Self::Open,
        Self::Delete,
        Self::Busy,
        Self::Lock,
    ];

    fn call(self) -> Call {
        match self {
            Self::Read | Self::ShortRead | Self::BitFlip => Call::Read,
            Self::Write | Self::Full | Self::StaysFull => Call::Write,
            Self::Truncate => Call::Truncate,
            Self::SyncKeepsCache | Self::SyncRevertsCache | Self::Sync => Call::Sync,
            Self::Open => Call::Open,
            Self::Delete => Call::Delete,
            Self::Busy | Self::Lock => Call::Lock,
        }
    }
}

/// What SQLite may ask a disk for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Call {
    Open,
    Read,
    Write,
    Truncate,
    Sync,
    Delete,
    Lock,
}

/// What a call meets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Strike {
    Not,
    Refuse(Fault),
    /// This bit of what is read, counted in a circle.
    Flip(usize),
}

/// Which call is struck by what.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Plan {
    fault: Option<(Fault, u64)>,
    calls: u64,
    struck: bool,
}

impl Plan {
    /// The call of this number, counted from 0 among those the fault may strike.
    pub(crate) fn strike_at(fault: Fault, call: u64) -> Self {
        Self { fault: Some((fault, call)), ..Self::default() }
    }

    pub(crate) fn strike(&mut self, call: Call) -> Strike {
        let Some((fault, at)) = self.fault else { return Strike::Not };
        if fault.call() != call {
            return Strike::Not;
        }
        self.calls += 1;
        let number = self.calls - 1;
        let strikes = number == at || fault == Fault::StaysFull && number > at;
        if !strikes {
            return Strike::Not;
        }
        self.struck = true;
        match fault {
            // Somewhere in it, and not always in the same place.
            Fault::BitFlip => Strike::Flip(usize::try_from(at).unwrap_or(0).wrapping_mul(7_919)),
            fault => Strike::Refuse(fault),
        }
    }

    pub(crate) fn has_struck(&self) -> bool {
        self.struck
    }
}
