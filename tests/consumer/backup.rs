//! Backups of a database that nobody has open, and putting them back.

use std::fs;
use std::path::{Path, PathBuf};

fn beside(path: &Path, ending: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(ending);
    name.into()
}

/// Copies the file while nothing runs.
#[track_caller]
pub(crate) fn back_up(path: &Path) -> PathBuf {
    let backup = beside(path, ".backup");
    assert!(!beside(path, "-wal").exists(), "somebody has {} open", path.display());
    fs::copy(path, &backup).unwrap();
    backup
}

/// Copies the backup back, over whatever is there.
#[track_caller]
pub(crate) fn restore(path: &Path) {
    assert!(!beside(path, "-wal").exists(), "somebody has {} open", path.display());
    fs::copy(beside(path, ".backup"), path).unwrap();
}

/// Puts the backup in place of the file while it is open: another file under the same name.
#[track_caller]
pub(crate) fn exchange(path: &Path) {
    delete(path);
    fs::rename(beside(path, ".backup"), path).unwrap();
}

/// Deletes the file with all that belongs to it.
#[track_caller]
pub(crate) fn delete(path: &Path) {
    fs::remove_file(path).unwrap();
    for ending in ["-wal", "-shm"] {
        // A connection that is idle may have taken them along.
        let _ = fs::remove_file(beside(path, ending));
    }
}
