//! The [`WalWatcher`] of Linux, on inotify.
//!
//! Every commit in WAL mode is a write to the WAL file, by whichever process, and inotify reports
//! it. One thread sleeps in the kernel until there is a report; it never spins.
//! It never opens the WAL: closing a database file drops all POSIX locks that this process holds
//! on it, so the file is watched by its path only.

use rustix::event::{EventfdFlags, PollFd, PollFlags, Timespec, eventfd, poll};
use rustix::fd::OwnedFd;
use rustix::fs::inotify::{self, CreateFlags, ReadFlags, Reader, WatchFlags};
use rustix::io::{Errno, retry_on_intr};
use std::io;
use std::mem::MaybeUninit;
use std::path::Path;
use std::sync::Arc;
use std::thread::{self, JoinHandle};

/// The reports after which the path no longer leads to the watched file.
///
/// Deletion ends the watch itself, and the end of a watch is reported without being asked for.
const GONE: ReadFlags = ReadFlags::MOVE_SELF.union(ReadFlags::IGNORED);

/// Between two hints. Beside a busy writer there is a report for every write, and whoever was told
/// a moment ago is looking anyway.
const REST: Timespec = Timespec { tv_sec: 0, tv_nsec: 1_000_000 };

/// Hints that some process, perhaps this one, wrote to the database.
///
/// Dropping it ends its thread and waits for a hint in progress.
#[derive(Debug)]
pub(crate) struct WalWatcher {
    stop: Arc<OwnedFd>,
    thread: Option<JoinHandle<()>>,
}

impl WalWatcher {
    /// Calls `on_hint`, on a thread of its own, after writes to the WAL at `wal_path`.
    ///
    /// Every write after this returns is followed by a hint; writes close together may share one.
    /// A hint can be too early: with `synchronous=FULL` SQLite syncs between the write and the
    /// moment the commit can be read, so a caller that finds nothing looks again shortly after.
    ///
    /// When the file is deleted or moved away there is one last hint, and a panic in `on_hint`
    /// ends the hints at once. Returns `Ok(None)` on systems that cannot watch.
    ///
    /// # Errors
    ///
    /// `NotFound` when there is no WAL yet, or the system's own error when it has no watch or
    /// thread to give. The caller then polls.
    pub(crate) fn start(
        wal_path: &Path,
        on_hint: impl Fn() + Send + 'static,
    ) -> io::Result<Option<WalWatcher>> {
        let events = inotify::init(CreateFlags::CLOEXEC | CreateFlags::NONBLOCK)?;
        let flags = WatchFlags::MODIFY | WatchFlags::MOVE_SELF;
        inotify::add_watch(&events, wal_path, flags)?;
        let stop = Arc::new(eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?);
        let stopped = Arc::clone(&stop);
        let thread = thread::Builder::new()
            .name("surehand-wal".into())
            .spawn(move || watch(&events, &stopped, on_hint))?;
        Ok(Some(WalWatcher { stop, thread: Some(thread) }))
    }

    /// Whether there will be no more hints: the file is gone, or cannot be watched any more.
    pub(crate) fn has_ended(&self) -> bool {
        self.thread.as_ref().is_none_or(JoinHandle::is_finished)
    }
}

impl Drop for WalWatcher {
    fn drop(&mut self) {
        // A full counter, the only way this fails, is a stop signal already.
        rustix::io::write(&self.stop, &1_u64.to_ne_bytes()).ok();
        if let Some(thread) = self.thread.take() {
            // The hint itself may drop the watcher, and a thread cannot wait for its own end.
            if thread.thread().id() != thread::current().id() {
                thread.join().ok();
            }
        }
    }
}

fn watch(events: &OwnedFd, stop: &OwnedFd, on_hint: impl Fn()) {
    loop {
        let mut ready = [PollFd::new(stop, PollFlags::IN), PollFd::new(events, PollFlags::IN)];
        let polled = retry_on_intr(|| poll(&mut ready, None));
        if !ready[0].revents().is_empty() {
            return;
        }
        let last = match polled.and_then(|_| next_batch(events)) {
            Ok(seen) => seen.intersects(GONE),
            Err(Errno::AGAIN | Errno::INTR) => continue,
            // Blind from here on: one hint more, and the caller's polling takes over.
            Err(_) => true,
        };
        on_hint();
        if last || is_stopped_within(stop, &REST) {
            return;
        }
    }
}

fn is_stopped_within(stop: &OwnedFd, time: &Timespec) -> bool {
    let mut ready = [PollFd::new(stop, PollFlags::IN)];
    // Cut short by a signal, the rest is a shorter one.
    let _ = poll(&mut ready, Some(time));
    !ready[0].revents().is_empty()
}

/// Everything reported by one read, which is one hint's worth.
///
/// Reading on until nothing is left could keep a hint back for as long as a writer is busy.
fn next_batch(events: &OwnedFd) -> rustix::io::Result<ReadFlags> {
    let mut buffer = [MaybeUninit::uninit(); 512];
    let mut reader = Reader::new(events, &mut buffer);
    let mut seen = reader.next()?.events();
    while !reader.is_buffer_empty() {
        seen |= reader.next()?.events();
    }
    Ok(seen)
}

#[cfg(test)]
mod tests;
