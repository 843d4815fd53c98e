use super::*;
use crate::wake::tests::{SOON, finishes};
use std::fs::{self, File};
use std::io::Write;
use std::path::PathBuf;
use std::sync::Mutex;
use std::sync::mpsc::{Receiver, RecvTimeoutError, TryRecvError, channel};

/// A file that stands for the WAL, removed again at the end of its test.
struct Wal(PathBuf);

impl Wal {
    fn new(name: &str) -> Self {
        let name = format!("surehand-{}-{name}-wal", std::process::id());
        let path = std::env::temp_dir().join(name);
        File::create(&path).unwrap();
        Wal(path)
    }

    fn watch(&self) -> (WalWatcher, Receiver<()>) {
        let (hint, hints) = channel();
        let watcher = WalWatcher::start(&self.0, move || {
            hint.send(()).ok();
        });
        (watcher.unwrap().expect("Linux can watch"), hints)
    }
}

impl Drop for Wal {
    fn drop(&mut self) {
        fs::remove_file(&self.0).ok();
    }
}

#[test]
fn every_write_is_followed_by_a_hint_and_the_file_is_never_opened() {
    let wal = Wal::new("write");
    let mut writer = File::options().append(true).open(&wal.0).unwrap();
    let spy = inotify::init(CreateFlags::CLOEXEC | CreateFlags::NONBLOCK).unwrap();
    inotify::add_watch(&spy, &wal.0, WatchFlags::OPEN | WatchFlags::CLOSE).unwrap();
    let (watcher, hints) = wal.watch();
    for _ in 0..3 {
        writer.write_all(b"frame").unwrap();
        hints.recv_timeout(SOON).expect("a hint follows the write");
        assert_eq!(hints.try_recv(), Err(TryRecvError::Empty));
    }
    finishes(move || drop(watcher));
    assert_eq!(next_batch(&spy), Err(Errno::AGAIN));
}

#[test]
fn a_missing_wal_is_not_found() {
    let missing = std::env::temp_dir().join("surehand-has-no-such-wal");
    let error = WalWatcher::start(&missing, || ()).unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::NotFound);
}

#[test]
fn a_wal_that_goes_away_gives_one_last_hint() {
    let target = Wal::new("target");
    for moved in [false, true] {
        let wal = Wal::new("gone");
        let (_watcher, hints) = wal.watch();
        if moved {
            fs::rename(&wal.0, &target.0).unwrap();
        } else {
            fs::remove_file(&wal.0).unwrap();
        }
        hints.recv_timeout(SOON).expect("the last hint");
        // The thread has let go of the channel: no hint can follow.
        assert_eq!(hints.recv_timeout(SOON), Err(RecvTimeoutError::Disconnected));
    }
}

#[test]
fn a_drop_on_any_thread_returns_when_the_watching_has_ended() {
    let wal = Wal::new("drop");
    let (watcher, hints) = wal.watch();
    finishes(move || {
        drop(watcher);
        assert_eq!(hints.try_recv(), Err(TryRecvError::Disconnected));
    });
}

#[test]
fn a_hint_may_drop_its_own_watcher() {
    let wal = Wal::new("own");
    let slot = Arc::new(Mutex::new(None));
    let (dropped, drops) = channel();
    let own = Arc::clone(&slot);
    let watcher = WalWatcher::start(&wal.0, move || {
        drop(own.lock().unwrap().take());
        dropped.send(()).ok();
    });
    *slot.lock().unwrap() = watcher.unwrap();
    fs::write(&wal.0, b"frame").unwrap();
    drops.recv_timeout(SOON).expect("the drop returns");
}
