//! What SQLite sees of a disk now, and what every change of it leaves in the record.

use super::fault::{Call, Fault, Met, Plan};
use super::locks::{FileLocks, Level};
use super::record::{FileNumber, Machine, Op, folder_of, machine_of};
use super::{ATOM, Content, HandleNumber, Platter, Profile, Refusal, Reply};
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::thread::ThreadId;

#[derive(Debug)]
pub(super) struct Now {
    pub(super) profile: Profile,
    pub(super) names: BTreeMap<String, FileNumber>,
    pub(super) files: BTreeMap<FileNumber, Content>,
    pub(super) base: Platter,
    pub(super) handles: HashMap<HandleNumber, Handle>,
    pub(super) locks: HashMap<FileNumber, FileLocks>,
    pub(super) next: u64,
    pub(super) record: Vec<Op>,
    pub(super) plan: Plan,
    /// How long the record was when the fault struck.
    pub(super) struck_at: Option<usize>,
    pub(super) is_over_quota: bool,
    pub(super) home: ThreadId,
    pub(super) strangers: bool,
    /// Whoever calls is being killed.
    pub(super) dying: bool,
}

/// What becomes of a write.
#[derive(Debug)]
pub(super) struct Aimed {
    pub(super) at: u64,
    pub(super) length: usize,
    pub(super) reply: Reply<()>,
}

#[derive(Debug)]
pub(super) struct Handle {
    pub(super) file: FileNumber,
    pub(super) name: Option<String>,
    pub(super) level: Level,
    pub(super) delete_on_close: bool,
    pub(super) sync_directory: bool,
}

impl Now {
    pub(super) fn number(&mut self) -> FileNumber {
        self.next += 1;
        FileNumber(self.next)
    }

    /// Whoever is being killed changes nothing any more.
    pub(super) fn is_heard(&self) -> Reply<()> {
        if self.dying { Err(Refusal::NotFound) } else { Ok(()) }
    }

    pub(super) fn strike(&mut self, call: Call) -> Reply<()> {
        match self.meet(call) {
            Met::Fault(fault) => Err(Refusal::Fault(fault)),
            Met::Nothing | Met::Flip(_) => Ok(()),
        }
    }

    pub(super) fn meet(&mut self, call: Call) -> Met {
        let met = self.plan.meet(call);
        if met != Met::Nothing {
            self.struck_at.get_or_insert(self.record.len());
        }
        met
    }

    /// Where a write of this length really goes, how much of it gets there, and what is said then.
    pub(super) fn aim(&mut self, file: FileNumber, at: u64, length: usize) -> Aimed {
        let end = usize::try_from(at).unwrap_or(usize::MAX).saturating_add(length);
        let is_growing = self.files.get(&file).is_none_or(|content| content.len() < end);
        let refused = |fault, length| Aimed { at, length, reply: Err(Refusal::Fault(fault)) };
        match self.meet(Call::Write) {
            Met::Fault(Fault::Quota) => self.is_over_quota = true,
            Met::Fault(Fault::Stale) => return Aimed { at, length: 0, reply: Ok(()) },
            Met::Fault(Fault::Misdirected) => {
                return Aimed { at: at + u64::from(ATOM), length, reply: Ok(()) };
            }
            // The system's calls write a part, and fail at the rest.
            Met::Fault(fault) => return refused(fault, length / 2),
            Met::Nothing | Met::Flip(_) => {}
        }
        if self.is_over_quota && is_growing {
            return refused(Fault::Quota, 0);
        }
        Aimed { at, length, reply: Ok(()) }
    }

    /// A file without a name is nobody's: it is gone with the process.
    pub(super) fn push(&mut self, machine: Option<Machine>, op: impl FnOnce(Machine) -> Op) {
        if let Some(machine) = machine {
            self.record.push(op(machine));
        }
    }

    pub(super) fn place(&self, handle: HandleNumber) -> Option<(FileNumber, Option<Machine>)> {
        let opened = self.handles.get(&handle)?;
        Some((opened.file, opened.name.as_deref().map(machine_of)))
    }

    pub(super) fn content(&self, handle: HandleNumber) -> &[u8] {
        let file = self.handles.get(&handle).map(|opened| opened.file);
        file.and_then(|file| self.files.get(&file)).map_or(&[], |content| content.as_slice())
    }

    pub(super) fn create(&mut self, name: Option<&str>) -> FileNumber {
        let file = self.number();
        self.files.insert(file, Content::default());
        if let Some(name) = name {
            self.names.insert(name.to_string(), file);
            self.record.push(Op::Link { machine: machine_of(name), name: name.to_string(), file });
        }
        file
    }

    pub(super) fn unlink(&mut self, name: &str) -> Option<FileNumber> {
        let file = self.names.remove(name)?;
        self.record.push(Op::Unlink { machine: machine_of(name), name: name.to_string() });
        Some(file)
    }

    pub(super) fn forget_unnamed(&mut self, file: FileNumber) {
        let is_named = self.names.values().any(|named| *named == file);
        let is_open = self.handles.values().any(|opened| opened.file == file);
        if !is_named && !is_open {
            self.files.remove(&file);
            self.locks.remove(&file);
        }
    }

    /// Syncs the folder in which this file lies, and no other.
    pub(super) fn sync_directory(&mut self, name: &str) {
        if self.profile != Profile::Lying {
            let (machine, folder) = (machine_of(name), folder_of(name).to_string());
            self.record.push(Op::SyncDirectory { machine, folder });
        }
    }

    /// A sync failed: what was waiting for it never reaches the disk, though later syncs succeed.
    pub(super) fn lose_unsynced(
        &mut self,
        file: FileNumber,
        machine: Option<Machine>,
        fault: Fault,
    ) {
        let Some(machine) = machine else { return };
        if matches!(fault, Fault::SyncKeepsCache | Fault::SyncRevertsCache) {
            let cached = fault == Fault::SyncKeepsCache;
            self.record.push(Op::SyncLost { machine, file, cached });
        }
        if fault == Fault::SyncRevertsCache {
            let mut platter = self.base.clone();
            self.record.iter().for_each(|op| platter.apply(op));
            if let Some(content) = platter.synced(file) {
                self.files.insert(file, Arc::new(content.to_vec()));
            }
        }
    }

    pub(super) fn unlock(&mut self, handle: HandleNumber, level: Level) {
        let Some(opened) = self.handles.get_mut(&handle) else { return };
        if opened.level <= level {
            return;
        }
        opened.level = level;
        let file = opened.file;
        if let Some(locks) = self.locks.get_mut(&file) {
            locks.lower(handle, level);
        }
    }
}
