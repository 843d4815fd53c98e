//! A disk that remembers: what SQLite sees now, and every step that led there.
//!
//! Files are inodes, and names are a list of their own, because a crash may keep the one and lose
//! the other. Nothing here decides what a crash leaves over: that is worked out from the record
//! (`platter`), as often as wanted, without running anything again.

mod fault;
mod journal;
mod locks;
mod losses;
mod now;
mod platter;
mod record;
mod region;
#[cfg(test)]
mod tests;
mod wal;

pub use fault::Fault;
pub(crate) use fault::{Call, Met, Plan, Strike};
pub(crate) use locks::{Level, WalLocks};
pub(crate) use losses::{Losses, Lost};
pub(crate) use platter::Platter;
pub(crate) use record::{FileNumber, Machine, Op, machine_of};

use now::{Aimed, Handle, Now};
use serde::{Deserialize, Serialize};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// What a disk promises about writes that a crash interrupts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Profile {
    /// What SQLite's own unix layer says of every disk: sectors of 4 KiB, and a write never changes
    /// bytes beside its own.
    #[default]
    Unix,
    /// Says to SQLite that sectors have 512 bytes and that an interrupted write may spoil all of
    /// one, so that it takes more care; and does so, to one write at a time.
    Harsh,
    /// Says that it has synced, and has not. Everything must be lost on it: a test of the kit, not
    /// of what runs on it.
    Lying,
}

impl Profile {
    pub(crate) fn sector_size(self) -> usize {
        if self == Self::Harsh { 512 } else { 4096 }
    }
}

/// Numbers one opening of a file.
pub(crate) type HandleNumber = u64;

/// What went wrong with a call, as SQLite is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refusal {
    NotFound,
    Busy,
    ShortRead,
    /// By a fault that was asked for.
    Fault(Fault),
}

type Reply<T> = Result<T, Refusal>;

/// How a file is to be opened.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Mode {
    pub(crate) create: bool,
    pub(crate) exclusive: bool,
    pub(crate) delete_on_close: bool,
    /// A journal or a WAL: its first sync after each opening that may make it is followed by one of
    /// the directory, as SQLite's unix layer does it.
    pub(crate) journal: bool,
}

/// The disks of all machines of a world.
#[derive(Debug)]
pub(crate) struct Disk(Mutex<Now>);

impl Disk {
    /// Disks as they were left, on which nothing has happened since.
    pub(crate) fn new(profile: Profile, base: Platter, plan: Plan) -> Self {
        let (names, files) = base.visible();
        Self(Mutex::new(Now {
            profile,
            next: files.keys().next_back().map_or(0, |last| last.0),
            names,
            files,
            base,
            handles: HashMap::new(),
            locks: HashMap::new(),
            record: Vec::new(),
            plan,
            struck_at: None,
            is_over_quota: false,
            home: std::thread::current().id(),
            strangers: false,
            dying: false,
        }))
    }

    /// Ends programs by ending what they hold, as a kill does it: their last wishes are not heard,
    /// but their locks are free.
    pub(crate) fn while_dying(&self, end: impl FnOnce()) {
        struct Dying<'a>(&'a Disk);
        impl Drop for Dying<'_> {
            fn drop(&mut self) {
                self.0.now().dying = false;
            }
        }
        self.now().dying = true;
        let _dying = Dying(self);
        end();
    }

    fn now(&self) -> MutexGuard<'_, Now> {
        let mut now = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if std::thread::current().id() != now.home {
            now.strangers = true;
        }
        now
    }

    /// Notes something that is no matter of the disk, in order with what is.
    pub(crate) fn note(&self, op: Op) {
        self.now().record.push(op);
    }

    /// All that happened since it was made.
    pub(crate) fn record(&self) -> Vec<Op> {
        self.now().record.clone()
    }

    /// Whether a thread used it that is not the one that made it: then the order of the record is
    /// an accident.
    pub(crate) fn has_strangers(&self) -> bool {
        self.now().strangers
    }

    /// How long the record was when the planned fault struck, if it did.
    pub(crate) fn struck_at(&self) -> Option<usize> {
        self.now().struck_at
    }

    /// What a call meets that is none of the disk's.
    pub(crate) fn meet(&self, call: Call) -> Met {
        self.now().meet(call)
    }

    /// How many calls of this kind there were.
    pub(crate) fn calls(&self, call: Call) -> u64 {
        self.now().plan.calls(call)
    }

    pub(crate) fn profile(&self) -> Profile {
        self.now().profile
    }

    pub(crate) fn open(&self, name: Option<&str>, mode: Mode) -> Reply<HandleNumber> {
        let mut now = self.now();
        now.is_heard()?;
        now.strike(Call::Open)?;
        let found = name.and_then(|name| now.names.get(name).copied());
        let file = match found {
            Some(_) if mode.exclusive => return Err(Refusal::NotFound),
            Some(file) => file,
            None if mode.create || name.is_none() => now.create(name),
            None => return Err(Refusal::NotFound),
        };
        let sync_directory = mode.journal && mode.create && name.is_some();
        let number = now.number().0;
        let handle = Handle {
            file,
            name: name.map(str::to_string),
            level: Level::None,
            delete_on_close: mode.delete_on_close,
            sync_directory,
        };
        now.handles.insert(number, handle);
        Ok(number)
    }

    /// Closes a handle; the WAL index of the file belongs to the caller.
    pub(crate) fn close(&self, handle: HandleNumber) {
        let mut now = self.now();
        now.unlock(handle, Level::None);
        let Some(closed) = now.handles.remove(&handle) else { return };
        if let (true, Some(name)) = (closed.delete_on_close, &closed.name) {
            now.unlink(name);
        }
        now.forget_unnamed(closed.file);
    }

    pub(crate) fn delete(&self, name: &str, sync_directory: bool) -> Reply<()> {
        let mut now = self.now();
        now.is_heard()?;
        let met = now.meet(Call::Delete);
        if let Met::Fault(fault) = met
            && fault != Fault::FolderSync
        {
            return Err(Refusal::Fault(fault));
        }
        let Some(file) = now.unlink(name) else { return Err(Refusal::NotFound) };
        now.forget_unnamed(file);
        match met {
            Met::Fault(fault) if sync_directory => return Err(Refusal::Fault(fault)),
            _ if sync_directory => now.sync_directory(name),
            _ => {}
        }
        Ok(())
    }

    /// Whether there is a file of this name that is not empty: what SQLite's unix layer asks.
    pub(crate) fn exists(&self, name: &str) -> bool {
        let now = self.now();
        let file = now.names.get(name).and_then(|file| now.files.get(file));
        file.is_some_and(|content| !content.is_empty())
    }

    /// Reads; what lies beyond the end is zeroes, and a short read.
    pub(crate) fn read(&self, handle: HandleNumber, at: u64, buffer: &mut [u8]) -> Reply<()> {
        let mut now = self.now();
        let met = now.meet(Call::Read);
        let content = now.content(handle);
        let at = usize::try_from(at).unwrap_or(usize::MAX).min(content.len());
        let there = buffer.len().min(content.len() - at);
        buffer[..there].copy_from_slice(&content[at..at + there]);
        buffer[there..].fill(0);
        match met {
            Met::Nothing => {}
            Met::Flip(bit) if !buffer.is_empty() => {
                let place = bit % (buffer.len() * 8);
                buffer[place / 8] ^= 1 << (place % 8);
            }
            Met::Flip(_) => {}
            Met::Fault(Fault::ShortRead) => {
                let half = buffer.len() / 2;
                buffer[half..].fill(0);
                return Err(Refusal::ShortRead);
            }
            Met::Fault(fault) => return Err(Refusal::Fault(fault)),
        }
        if there < buffer.len() { Err(Refusal::ShortRead) } else { Ok(()) }
    }

    pub(crate) fn write(&self, handle: HandleNumber, at: u64, bytes: &[u8]) -> Reply<()> {
        let mut now = self.now();
        now.is_heard()?;
        let Some((file, machine)) = now.place(handle) else { return Err(Refusal::NotFound) };
        let Aimed { at, length, reply } = now.aim(file, at, bytes.len());
        if length > 0 {
            let bytes = &bytes[..length];
            let content = now.files.entry(file).or_default();
            put(Arc::make_mut(content), at, bytes);
            now.push(machine, |machine| Op::Write { machine, file, at, bytes: bytes.into() });
        }
        reply
    }

    pub(crate) fn truncate(&self, handle: HandleNumber, length: u64) -> Reply<()> {
        let mut now = self.now();
        now.is_heard()?;
        now.strike(Call::Truncate)?;
        let Some((file, machine)) = now.place(handle) else { return Err(Refusal::NotFound) };
        let content = now.files.entry(file).or_default();
        Arc::make_mut(content).resize(usize::try_from(length).unwrap_or(usize::MAX), 0);
        now.push(machine, |machine| Op::Truncate { machine, file, length });
        Ok(())
    }

    pub(crate) fn size(&self, handle: HandleNumber) -> u64 {
        self.now().content(handle).len() as u64
    }

    pub(crate) fn sync(&self, handle: HandleNumber) -> Reply<()> {
        let mut now = self.now();
        now.is_heard()?;
        let Some((file, machine)) = now.place(handle) else { return Err(Refusal::NotFound) };
        if let Met::Fault(fault) = now.meet(Call::Sync) {
            now.lose_unsynced(file, machine, fault);
            return Err(Refusal::Fault(fault));
        }
        if now.profile == Profile::Lying {
            return Ok(());
        }
        now.push(machine, |machine| Op::Sync { machine, file });
        let Some(opened) = now.handles.get_mut(&handle) else { return Ok(()) };
        let is_first = std::mem::take(&mut opened.sync_directory);
        if let Some(name) = opened.name.clone().filter(|_| is_first) {
            now.sync_directory(&name);
        }
        Ok(())
    }

    pub(crate) fn lock(&self, handle: HandleNumber, level: Level) -> Reply<()> {
        let mut now = self.now();
        now.strike(Call::Lock)?;
        let Some(opened) = now.handles.get(&handle) else { return Err(Refusal::NotFound) };
        let (file, held) = (opened.file, opened.level);
        if held >= level {
            return Ok(());
        }
        let (reached, result) = now.locks.entry(file).or_default().raise(handle, held, level);
        if let Some(opened) = now.handles.get_mut(&handle) {
            opened.level = reached;
        }
        result
    }

    pub(crate) fn unlock(&self, handle: HandleNumber, level: Level) {
        self.now().unlock(handle, level);
    }

    /// Whether somebody means to write, the caller too.
    pub(crate) fn is_reserved(&self, handle: HandleNumber) -> bool {
        let now = self.now();
        let Some(opened) = now.handles.get(&handle) else { return false };
        now.locks.get(&opened.file).is_some_and(|locks| locks.is_reserved())
    }

    /// A lock of the WAL is asked for: may it be given?
    pub(crate) fn may_lock_wal(&self) -> Reply<()> {
        self.now().strike(Call::Lock)
    }

    /// Which file a handle leads to.
    pub(crate) fn file(&self, handle: HandleNumber) -> Option<FileNumber> {
        self.now().handles.get(&handle).map(|opened| opened.file)
    }
}

/// Writes into a content, which grows as needed.
fn put(content: &mut Vec<u8>, at: u64, bytes: &[u8]) {
    let at = usize::try_from(at).unwrap_or(usize::MAX);
    let end = at.saturating_add(bytes.len());
    if content.len() < end {
        content.resize(end, 0);
    }
    content[at..end].copy_from_slice(bytes);
}

/// Disks tear writes at these bounds.
const ATOM: u16 = 512;

/// What a file holds: the same for all images until one of them changes it.
pub(crate) type Content = Arc<Vec<u8>>;

/// What an operation carries.
pub(crate) type Bytes = Arc<[u8]>;
