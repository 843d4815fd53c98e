//! What is on the disks for certain, and what may be: the part of the record that no sync covers.

use super::put;
use super::record::{FileNumber, Machine, Op, folder_of, machine_of};
use super::region::region;
use super::{ATOM, Bytes, Content, Lost, journal, wal};
use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;
use xxhash_rust::xxh3::Xxh3;

/// What processes see of all disks: the files by name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Image(BTreeMap<String, Content>);

impl Image {
    pub(crate) fn files(&self) -> impl Iterator<Item = (&String, &Content)> {
        self.0.iter()
    }

    /// The same for files that mean the same, and for hardly anything else.
    pub(crate) fn hash(&self) -> u64 {
        let mut hash = Xxh3::new();
        for (name, content) in &self.0 {
            hash.update(name.as_bytes());
            digest(name, content, &mut hash);
        }
        hash.digest()
    }
}

/// Adds what a file says, without the chance in it.
fn digest(name: &str, content: &[u8], hash: &mut Xxh3) {
    hash.update(&(content.len() as u64).to_le_bytes());
    match name {
        _ if name.ends_with("-wal") => wal::digest(content, hash),
        _ if name.ends_with("-journal") => journal::digest(content, hash),
        _ => hash.update(content),
    }
}

/// The disks of all machines, as the steps so far left them.
#[derive(Clone, Debug, Default)]
pub(crate) struct Platter {
    files: BTreeMap<FileNumber, Content>,
    names: BTreeMap<String, FileNumber>,
    /// What processes see of files whose sync failed: more than will ever be on the disk.
    cached: BTreeMap<FileNumber, Content>,
    /// In the order of the record.
    pieces: Vec<Piece>,
    renames: Vec<Rename>,
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
                self.files.insert(*file, Content::default());
                self.rename(machine, name, Some(*file));
            }
            Op::Unlink { machine, name } => self.rename(machine, name, None),
            Op::SyncDirectory { folder, .. } => self.settle_names(folder),
            Op::Write { machine, file, at, bytes } => self.write(machine, *file, *at, bytes),
            Op::Truncate { machine, file, length } => {
                self.change(machine, *file, Change::Truncate { length: *length });
            }
            Op::Sync { file, .. } => self.settle(*file),
            Op::SyncLost { file, cached, .. } => self.lose(*file, *cached),
            Op::Event(_) | Op::Clock(_) => {}
        }
    }

    fn rename(&mut self, machine: &Machine, name: &str, to: Option<FileNumber>) {
        self.renames.push(Rename { machine: machine.clone(), name: name.to_string(), to });
    }

    fn write(&mut self, machine: &Machine, file: FileNumber, at: u64, bytes: &Bytes) {
        let mut from = 0;
        while from < bytes.len() {
            let place = at + from as u64;
            let room =
                usize::try_from(u64::from(ATOM) - place % u64::from(ATOM)).unwrap_or(usize::MAX);
            let to = bytes.len().min(from + room);
            let change = Change::Write { at: place, bytes: bytes.clone(), part: from..to };
            self.change(machine, file, change);
            from = to;
        }
    }

    fn change(&mut self, machine: &Machine, file: FileNumber, change: Change) {
        if let Some(cached) = self.cached.get_mut(&file) {
            change.apply(Arc::make_mut(cached));
        }
        self.pieces.push(Piece { machine: machine.clone(), file, change });
    }

    /// What waits for a sync of this file never reaches the disk.
    fn lose(&mut self, file: FileNumber, cached: bool) {
        if cached {
            let content = self.seen(file);
            self.cached.insert(file, content);
        } else {
            self.cached.remove(&file);
        }
        self.pieces.retain(|piece| piece.file != file);
    }

    /// What every process sees of a file.
    fn seen(&self, file: FileNumber) -> Content {
        if let Some(cached) = self.cached.get(&file) {
            return Content::clone(cached);
        }
        let mut content = self.files.get(&file).cloned().unwrap_or_default();
        for piece in self.pieces.iter().filter(|piece| piece.file == file) {
            piece.change.apply(Arc::make_mut(&mut content));
        }
        content
    }

    fn settle(&mut self, file: FileNumber) {
        let pieces = std::mem::take(&mut self.pieces);
        let (settled, open) = pieces.into_iter().partition(|piece: &Piece| piece.file == file);
        self.pieces = open;
        let content = self.files.entry(file).or_default();
        settled.iter().for_each(|piece| piece.change.apply(Arc::make_mut(content)));
    }

    fn settle_names(&mut self, folder: &str) {
        let renames = std::mem::take(&mut self.renames);
        let (settled, open) =
            renames.into_iter().partition(|rename: &Rename| folder_of(&rename.name) == folder);
        self.renames = open;
        settled.iter().for_each(|rename| rename.apply(&mut self.names));
    }

    /// What of this file is on the disk for certain.
    pub(crate) fn synced(&self, file: FileNumber) -> Option<&[u8]> {
        self.files.get(&file).map(|content| content.as_slice())
    }

    /// What every process sees: all that was written, synced or not.
    pub(crate) fn visible(&self) -> (BTreeMap<String, FileNumber>, BTreeMap<FileNumber, Content>) {
        let mut names = self.names.clone();
        self.renames.iter().for_each(|rename| rename.apply(&mut names));
        let files = self.files.keys().map(|file| (*file, self.seen(*file))).collect();
        (names, files)
    }

    /// How many pieces and names a power cut at these machines may lose.
    pub(crate) fn at_stake(&self, is_cut: impl Fn(&str) -> bool) -> (usize, usize) {
        let pieces = self.pieces.iter().filter(|piece| is_cut(&piece.machine)).count();
        let names = self.renames.iter().filter(|rename| is_cut(&rename.machine)).count();
        (pieces, names)
    }

    /// A hash of what tells two disks apart that look the same to processes: what is on them for
    /// certain of the files that wait for a sync or have lost a part to a failed one, which parts
    /// wait, and which names.
    pub(crate) fn unsynced(&self) -> u64 {
        let mut hash = Xxh3::new();
        let (names, _) = self.visible();
        for (name, file) in &names {
            let waits = |piece: &&Piece| piece.file == *file;
            if self.cached.contains_key(file) || self.pieces.iter().any(|it| waits(&it)) {
                hash.update(name.as_bytes());
                digest(name, self.synced(*file).unwrap_or_default(), &mut hash);
            }
            for piece in self.pieces.iter().filter(waits) {
                hash.update(&piece.change.place().to_le_bytes());
            }
        }
        for rename in &self.renames {
            hash.update(rename.name.as_bytes());
            hash.update(&[u8::from(rename.to.is_some())]);
        }
        hash.digest()
    }

    /// The disks after a power cut at these machines that loses so much of what was at stake. What
    /// other machines have not synced they may still lose later.
    pub(crate) fn cut(&self, is_cut: impl Fn(&str) -> bool, lost: &Lost) -> Self {
        let Self { mut names, mut files, mut cached, .. } = self.clone();
        let (fallen, renames) =
            self.renames.iter().cloned().partition::<Vec<_>, _>(|rename| is_cut(&rename.machine));
        // Names reach the disk in order: a part of them from the beginning.
        fallen.iter().take(lost.names_kept).for_each(|rename| rename.apply(&mut names));
        let (fallen, pieces) =
            self.pieces.iter().cloned().partition::<Vec<_>, _>(|piece| is_cut(&piece.machine));
        for (number, piece) in fallen.iter().enumerate() {
            let content = Arc::make_mut(files.entry(piece.file).or_default());
            match (lost.is_lost(number), lost.grown) {
                (false, _) => piece.change.apply(content),
                (true, true) => piece.change.grow(content),
                (true, false) => {}
            }
            if lost.spoilt == Some(number) {
                piece.change.spoil(content);
            }
        }
        for (name, file) in self.visible().0.iter().chain(&names) {
            if is_cut(&machine_of(name)) {
                cached.remove(file);
            }
        }
        Self { files, names, cached, pieces, renames }
    }

    /// What every process sees, by name.
    pub(crate) fn kept(&self) -> Image {
        let (names, _) = self.visible();
        Image(names.into_iter().map(|(name, file)| (name, self.seen(file))).collect())
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

    /// What is at stake, in words: each piece with its file and place.
    pub(crate) fn describe(&self, is_cut: impl Fn(&str) -> bool) -> Vec<String> {
        let cut = self.pieces.iter().filter(|piece| is_cut(&piece.machine));
        cut.map(|piece| self.describe_piece(piece)).collect()
    }

    fn describe_piece(&self, piece: &Piece) -> String {
        let name = self.name(piece.file);
        match &piece.change {
            Change::Truncate { length } => format!("{name} cut to {length}"),
            Change::Write { at, part, .. } => {
                let place = region(&name, &self.seen(piece.file), *at);
                let place = if place.is_empty() { place } else { format!(" ({place})") };
                format!("{name} {at}..{}{place}", at + part.len() as u64)
            }
        }
    }

    /// The names at stake, in the order in which they reach the disk.
    pub(crate) fn names_at_stake(&self, is_cut: impl Fn(&str) -> bool) -> Vec<String> {
        let cut = self.renames.iter().filter(|rename| is_cut(&rename.machine));
        let verb = |rename: &Rename| if rename.to.is_some() { "made" } else { "deleted" };
        cut.map(|rename| format!("{} was {}", local(&rename.name), verb(rename))).collect()
    }

    /// A step in words: what was done to what, and where.
    pub(crate) fn tell(&self, op: &Op) -> [String; 3] {
        let (verb, file, place) = match op {
            Op::Link { name, .. } => ("make", local(name), String::new()),
            Op::Unlink { name, .. } => ("delete", local(name), String::new()),
            Op::SyncDirectory { .. } => ("sync", "the folder".into(), String::new()),
            Op::Write { file, at, bytes, .. } => {
                ("write", self.name(*file), format!("{at}..{}", at + bytes.len() as u64))
            }
            Op::Truncate { file, length, .. } => ("cut", self.name(*file), format!("to {length}")),
            Op::Sync { file, .. } => ("sync", self.name(*file), String::new()),
            Op::SyncLost { file, .. } => ("sync", self.name(*file), "fails".into()),
            Op::Event(event) => ("", event.to_string(), String::new()),
            Op::Clock(passed) => ("", format!("{passed:?} have passed"), String::new()),
        };
        [verb.into(), file, place]
    }

    /// The name of a file on its machine.
    fn name(&self, file: FileNumber) -> String {
        let mut names = self.names.clone();
        self.renames.iter().for_each(|rename| rename.apply(&mut names));
        let found = names.into_iter().find(|(_, named)| *named == file);
        found.map_or_else(|| "(deleted)".into(), |(name, _)| local(&name))
    }
}

/// A name without its machine.
fn local(name: &str) -> String {
    let name = name.trim_start_matches('/');
    name.split_once('/').map_or(name, |(_, name)| name).into()
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

    /// The file's new length reaches the disk, and what was written does not.
    fn grow(&self, content: &mut Vec<u8>) {
        let Self::Write { at, part, .. } = self else { return };
        let end = usize::try_from(*at).unwrap_or(usize::MAX).saturating_add(part.len());
        content.resize(content.len().max(end), 0);
    }

    /// Where in its file it begins.
    fn place(&self) -> u64 {
        match self {
            Self::Write { at, .. } => *at,
            Self::Truncate { length } => *length,
        }
    }
}

/// What stands in a sector that was being written when power went.
const SPOILT: u8 = 0xa5;

impl Change {
    /// Power goes while this is written, on a disk that does not keep what is beside it.
    fn spoil(&self, content: &mut [u8]) {
        let Self::Write { at, .. } = self else { return };
        let sector = at - at % u64::from(ATOM);
        let start = usize::try_from(sector).unwrap_or(usize::MAX).min(content.len());
        let end = content.len().min(start + usize::from(ATOM));
        content[start..end].fill(SPOILT);
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
