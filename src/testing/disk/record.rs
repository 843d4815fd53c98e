//! What happened, in order: writes, syncs, names, and what the outside world saw.

use super::Bytes;
use crate::testing::events::Event;
use std::sync::Arc;
use std::time::Duration;

/// A file, whatever its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct FileNumber(pub(crate) u64);

/// What loses power as one: the first folder of a path.
pub(crate) type Machine = Arc<str>;

/// The machine a file lies on.
pub(crate) fn machine_of(name: &str) -> Machine {
    name.trim_start_matches('/').split('/').next().unwrap_or_default().into()
}

/// The folder a file lies in.
pub(crate) fn folder_of(name: &str) -> &str {
    name.rsplit_once('/').map_or("", |(folder, _)| folder)
}

/// One step.
#[derive(Clone, Debug)]
pub(crate) enum Op {
    Link {
        machine: Machine,
        name: String,
        file: FileNumber,
    },
    Unlink {
        machine: Machine,
        name: String,
    },
    SyncDirectory {
        machine: Machine,
        folder: String,
    },
    Write {
        machine: Machine,
        file: FileNumber,
        at: u64,
        bytes: Bytes,
    },
    Truncate {
        machine: Machine,
        file: FileNumber,
        length: u64,
    },
    Sync {
        machine: Machine,
        file: FileNumber,
    },
    /// A sync failed, and what was waiting for it never reaches the disk; processes still see it
    /// where the cache keeps it.
    SyncLost {
        machine: Machine,
        file: FileNumber,
        cached: bool,
    },
    Event(Event),
    /// So much time has passed since the world began.
    Clock(Duration),
}

impl Op {
    /// What was seen outside, if it is that.
    pub(crate) fn event(&self) -> Option<&Event> {
        if let Self::Event(event) = self { Some(event) } else { None }
    }

    /// Whether a place of this name was passed.
    pub(crate) fn reaches(&self, name: &str) -> bool {
        matches!(self, Self::Event(Event::Reached(reached)) if reached == name)
    }

    /// On whose disk it happened; none for what happened elsewhere.
    pub(crate) fn machine(&self) -> Option<&Machine> {
        match self {
            Self::Link { machine, .. }
            | Self::Unlink { machine, .. }
            | Self::SyncDirectory { machine, .. }
            | Self::Write { machine, .. }
            | Self::Truncate { machine, .. }
            | Self::Sync { machine, .. }
            | Self::SyncLost { machine, .. } => Some(machine),
            Self::Event(_) | Self::Clock(_) => None,
        }
    }

    /// Whether a crash after it is one like before it.
    pub(crate) fn changes_nothing(&self) -> bool {
        matches!(self, Self::Clock(_))
    }
}
