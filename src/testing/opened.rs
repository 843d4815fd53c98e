//! A file that a connection has open: its disk, its locks, and the WAL index it shares.

use super::disk::{Disk, Fault, FileNumber, HandleNumber, Level, Refusal, WalLocks};
use super::memory::Region;
use crate::clock::Clock;
use rusqlite::ffi;
use std::collections::HashMap;
use std::ffi::{c_int, c_void};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// What a VFS shows: a disk, and the memory that the processes on it share.
pub(super) struct Shown {
    pub(super) disk: Arc<Disk>,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) indexes: Mutex<HashMap<FileNumber, WalIndex>>,
}

#[derive(Default)]
pub(super) struct WalIndex {
    locks: WalLocks,
    regions: Vec<Region>,
}

/// A file that a connection has open.
pub(super) struct Opened {
    pub(super) shown: Arc<Shown>,
    pub(super) handle: HandleNumber,
}

impl Opened {
    fn index<T>(&self, change: impl FnOnce(&mut WalIndex) -> T) -> Option<T> {
        let file = self.shown.disk.file(self.handle)?;
        Some(change(lock(&self.shown.indexes).entry(file).or_default()))
    }

    /// Where a region lies; none when there is none yet and none is to be made.
    pub(super) fn map(&self, region: usize, extend: bool) -> Option<*mut c_void> {
        self.index(|index| {
            index.locks.join(self.handle);
            if extend {
                while index.regions.len() <= region {
                    index.regions.push(Region::new());
                }
            }
            index.regions.get(region).map(|region| region.pointer())
        })?
    }

    pub(super) fn lock_index(&self, slots: u8, flags: c_int) -> Result<(), Refusal> {
        let shared = flags & ffi::SQLITE_SHM_SHARED != 0;
        if flags & ffi::SQLITE_SHM_UNLOCK != 0 {
            self.index(|index| index.locks.release(self.handle, slots));
            return Ok(());
        }
        self.shown.disk.may_lock_wal()?;
        let taken = self.index(|index| match shared {
            true => index.locks.share(self.handle, slots),
            false => index.locks.exclude(self.handle, slots),
        });
        taken.unwrap_or(Err(Refusal::NotFound))
    }

    pub(super) fn unmap(&self) {
        let Some(file) = self.shown.disk.file(self.handle) else { return };
        let mut indexes = lock(&self.shown.indexes);
        if let Some(index) = indexes.get_mut(&file)
            && index.locks.leave(self.handle)
        {
            indexes.remove(&file);
        }
    }
}

/// What SQLite is told.
pub(super) fn code(reply: Result<(), Refusal>, otherwise: c_int) -> c_int {
    match reply {
        Ok(()) => ffi::SQLITE_OK,
        Err(Refusal::Busy | Refusal::Fault(Fault::Busy)) => ffi::SQLITE_BUSY,
        Err(Refusal::Fault(Fault::Full | Fault::StaysFull | Fault::Quota)) => ffi::SQLITE_FULL,
        Err(Refusal::Fault(Fault::FolderSync)) => ffi::SQLITE_IOERR_DIR_FSYNC,
        Err(Refusal::ShortRead) => ffi::SQLITE_IOERR_SHORT_READ,
        Err(Refusal::NotFound | Refusal::Fault(_)) => otherwise,
    }
}

pub(super) fn level(level: c_int) -> Level {
    match level {
        ffi::SQLITE_LOCK_SHARED => Level::Shared,
        ffi::SQLITE_LOCK_RESERVED => Level::Reserved,
        ffi::SQLITE_LOCK_PENDING => Level::Pending,
        ffi::SQLITE_LOCK_EXCLUSIVE => Level::Exclusive,
        _ => Level::None,
    }
}

pub(super) fn place(at: i64) -> u64 {
    u64::try_from(at).unwrap_or(0)
}

pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
