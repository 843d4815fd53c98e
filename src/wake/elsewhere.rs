//! The [`WalWatcher`] of systems without inotify.
//!
//! It never starts, so the caller relies on its polling alone. It never fails either: a slower
//! wake-up is no reason to refuse work.

use std::io;
use std::path::Path;

/// Hints that another process wrote to the database; not available on this system.
#[derive(Debug)]
pub(crate) enum WalWatcher {}

impl WalWatcher {
    /// Returns `Ok(None)`: on this system the caller polls.
    ///
    /// # Errors
    ///
    /// None on this system.
    pub(crate) fn start(
        _wal_path: &Path,
        _on_hint: impl Fn() + Send + 'static,
    ) -> io::Result<Option<WalWatcher>> {
        Ok(None)
    }

    /// Whether there will be no more hints.
    pub(crate) fn has_ended(&self) -> bool {
        match *self {}
    }
}
