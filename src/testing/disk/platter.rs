//! What is on the disks for certain, and what may be: the part of the record that no sync covers.

use super::put;
use super::record::{FileNumber, Machine, Op, machine_of};
use super::{Bytes, Lost};
use std::collections::BTreeMap;
use std::ops::Range;
use xxhash_rust::xxh3::Xxh3;

/// Disks tear writes at these bounds.
const ATOM: u64 = 512;

/// What is left of all disks after a crash: the files by name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Image(BTreeMap<String, Vec<u8>>);

impl Image {
    pub(crate) fn files(&self) -> impl Iterator<Item = (&String, &Vec<u8>)> {
        self.0.iter()
    }

    /// The same for the same files, and for hardly anything else.
    pub(crate) fn hash(&self) -> u64 {
        let mut hash = Xxh3::new();
        for (name, content) in &self.0 {
            hash.update(name.as_bytes());
            hash.update(&(content.len() as u64).to_le_bytes());
            hash.update(content);
        }
        hash.digest()
    }
}

/// The disks of all machines, as the steps so far left them.
#[derive(Clone, Debug, Default)]
pub(crate) struct Platter {
    files: BTreeMap<FileNumber, Vec<u8>>,
    names: BTreeMap<String, FileNumber>,
    /// In the order of the record.
    pieces: Vec<Piece>,
    renames: Vec<Rename>,
    /// What processes see of the files of which a failed sync has lost a part.
    cached: BTreeMap<FileNumber, (Machine, Vec<u8>)>,
}

/// A part of a write that reaches the disk or does not.
#[derive(Clone, Debug)]
pub(crate) struct Piece {
    machine: Machine,
    file: FileNumber,
    change: Change,
}

#[derive(Clone, Debug)]
enum Change {
    Write { at: u64, bytes: Bytes, part: Range<usize> },
    Truncate { length: u64 },
}

#[derive(Clone, Debug)]
struct Rename {
    machine: Machine,
    name: String,
    /// None: the name goes.
    to: Option<FileNumber>,
}

impl From<&Image> for Platter {
    fn from(image: &Image) -> Self {
        let mut platter = Self::default();
        for (number, (name, content)) in (1..).map(FileNumber).zip(image.files()) {
            platter.names.insert(name.clone(), number);
            platter.files.insert(number, content.clone());
        }
        platter
    }
}

impl Platter {
    pub(crate) fn apply(&mut self, op: &Op) {
        match op {
            Op::Link { machine, name, file } => {
                self.files.insert(*file, Vec::new());
                self.rename(machine, name, Some(*file));
            }
            Op::Unlink { machine, name } => self.rename(machine, name, None),
            Op::SyncDirectory { machine } => self.settle_names(machine),
            Op::Write { machine, file, at, bytes } => self.write(machine, *file, *at, bytes),
            Op::Truncate { machine, file, length } => {
                let change = Change::Truncate { length: *length };
                self.push(Piece { machine: machine.clone(), file: *file, change });
            }
            Op::Sync { file, .. } => self.settle(*file),
            Op::SyncLost { machine, file, keeps_cache } => {
                match (keeps_cache, self.visible().1.remove(file)) {
                    (true, Some(seen)) => drop(self.cached.insert(*file, (machine.clone(), seen))),
                    _ => drop(self.cached.remove(file)),
                }
                self.pieces.retain(|piece| piece.file != *file);
            }
            Op::Event(_) => {}
        }
    }

    fn rename(&mut self, machine: &Machine, name: &str, to: Option<FileNumber>) {
        self.renames.push(Rename { machine: machine.clone(), name: name.to_string(), to });
    }

    fn write(&mut self, machine: &Machine, file: FileNumber, at: u64, bytes: &Bytes) {
        let mut from = 0;
        while from < bytes.len() {
            let place = at + from as u64;
            let room = usize::try_from(ATOM - place % ATOM).unwrap_or(usize::MAX);
            let to = bytes.len().min(from + room);
            let change = Change::Write { at: place, bytes: bytes.clone(), part: from..to };
            self.push(Piece { machine: machine.clone(), file, change });
            from = to;
        }
    }

    fn push(&mut self, piece: Piece) {
        if let Some((_, seen)) = self.cached.get_mut(&piece.file) {
            piece.change.apply(seen);
        }
        self.pieces.push(piece);
    }

    fn settle(&mut self, file: FileNumber) {
        let pieces = std::mem::take(&mut self.pieces);
        let (settled, open) = pieces.into_iter().partition(|piece: &Piece| piece.file == file);
        self.pieces = open;
        let content = self.files.entry(file).or_default();
        settled.iter().for_each(|piece| piece.change.apply(content));
    }

    fn settle_names(&mut self, machine: &Machine) {
        let renames = std::mem::take(&mut self.renames);
        let (settled, open) =
            renames.into_iter().partition(|rename: &Rename| rename.machine == *machine);
        self.renames = open;
        settled.iter().for_each(|rename| rename.apply(&mut self.names));
    }

    /// What of this file is on the disk for certain.
    pub(crate) fn synced(&self, file: FileNumber) -> Option<&[u8]> {
        self.files.get(&file).map(Vec::as_slice)
    }

    /// What every process sees: all that was written, synced or not.
    pub(crate) fn visible(&self) -> (BTreeMap<String, FileNumber>, BTreeMap<FileNumber, Vec<u8>>) {
        let (mut names, mut files) = (self.names.clone(), self.files.clone());
        self.renames.iter().for_each(|rename| rename.apply(&mut names));
        for piece in &self.pieces {
            piece.change.apply(files.entry(piece.file).or_default());
        }
        files.extend(self.cached.iter().map(|(file, (_, seen))| (*file, seen.clone())));
        (names, files)
    }

    /// How many pieces and names a power cut at these machines may lose.
    pub(crate) fn at_stake(&self, is_cut: impl Fn(&str) -> bool) -> (usize, usize) {
        let pieces = self.pieces.iter().filter(|piece| is_cut(&piece.machine)).count();
        let names = self.renames.iter().filter(|rename| is_cut(&rename.machine)).count();
        (pieces, names)
    }

    /// What tells two disks apart that look the same to processes: how much a power cut may still
    /// lose, and what is on the disk of the files of which a failed sync has lost a part.
    pub(crate) fn unsynced(&self) -> (usize, usize, u64) {
        let (pieces, names) = self.at_stake(|_| true);
        let mut hash = Xxh3::new();
        for file in self.cached.keys() {
            hash.update(self.synced(*file).unwrap_or_default());
        }
        (pieces, names, hash.digest())
    }

    /// What a power cut at these machines leaves, when so much of what was at stake is lost.
    pub(crate) fn after(&self, is_cut: impl Fn(&str) -> bool, lost: &Lost) -> Image {
        let (mut names, mut files) = (self.names.clone(), self.files.clone());
        let mut at_stake = 0;
        for rename in &self.renames {
            // Names reach the disk in order: a part of them from the beginning.
            if is_cut(&rename.machine) {
                at_stake += 1;
                if at_stake > lost.names_kept {
                    continue;
                }
            }
            rename.apply(&mut names);
        }
        let mut number = 0;
        for piece in &self.pieces {
            if is_cut(&piece.machine) {
                number += 1;
                if lost.is_lost(number - 1) {
                    continue;
                }
            }
            piece.change.apply(files.entry(piece.file).or_default());
        }
        for (file, (machine, seen)) in &self.cached {
            if !is_cut(machine) {
                files.insert(*file, seen.clone());
            }
        }
        let content = |file: &FileNumber| files.get(file).cloned().unwrap_or_default();
        Image(names.iter().map(|(name, file)| (name.clone(), content(file))).collect())
    }

    /// The machines that have a file.
    pub(crate) fn machines(&self) -> Vec<Machine> {
        let renamed = self.renames.iter().map(|rename| &rename.name);
        let mut machines: Vec<_> =
            self.names.keys().chain(renamed).map(|name| machine_of(name)).collect();
        machines.sort();
        machines.dedup();
        machines
    }

    /// The name of a file and where in it, for each piece at stake.
    pub(crate) fn describe(&self, is_cut: impl Fn(&str) -> bool) -> Vec<(String, Range<u64>)> {
        let cut = self.pieces.iter().filter(|piece| is_cut(&piece.machine));
        cut.map(|piece| (self.name(piece.file), piece.change.range())).collect()
    }

    /// The names at stake, in the order in which they reach the disk.
    pub(crate) fn names_at_stake(&self, is_cut: impl Fn(&str) -> bool) -> Vec<&str> {
        let cut = self.renames.iter().filter(|rename| is_cut(&rename.machine));
        cut.map(|rename| rename.name.as_str()).collect()
    }

    /// A step in words.
    pub(crate) fn tell(&self, op: &Op) -> String {
        match op {
            Op::Link { name, .. } => format!("make    {name}"),
            Op::Unlink { name, .. } => format!("delete  {name}"),
            Op::SyncDirectory { machine } => format!("sync    the folder of {machine}"),
            Op::Write { file, at, bytes, .. } => {
                format!("write   {} {at}..{}", self.name(*file), at + bytes.len() as u64)
            }
            Op::Truncate { file, length, .. } => {
                format!("cut     {} to {length}", self.name(*file))
            }
            Op::Sync { file, .. } => format!("sync    {}", self.name(*file)),
            Op::SyncLost { file, .. } => format!("sync    {} fails", self.name(*file)),
            Op::Event(event) => event.to_string(),
        }
    }

    fn name(&self, file: FileNumber) -> String {
        let (names, _) = self.visible();
        let found = names.into_iter().find(|(_, named)| *named == file);
        found.map_or_else(|| "(deleted)".into(), |(name, _)| name)
    }
}

impl Change {
    fn apply(&self, content: &mut Vec<u8>) {
        match self {
            Self::Write { at, bytes, part } => put(content, *at, &bytes[part.clone()]),
            Self::Truncate { length } => {
                content.resize(usize::try_from(*length).unwrap_or(usize::MAX), 0);
            }
        }
    }

    fn range(&self) -> Range<u64> {
        match self {
            Self::Write { at, part, .. } => *at..*at + part.len() as u64,
            Self::Truncate { length } => *length..u64::MAX,
        }
    }
}

impl Rename {
    fn apply(&self, names: &mut BTreeMap<String, FileNumber>) {
        match self.to {
            Some(file) => drop(names.insert(self.name.clone(), file)),
            None => drop(names.remove(&self.name)),
        }
    }
}
