//! Beside a program that commits back to back the lock is free for microseconds only.

use super::stage::{PATIENCE, Shop, main_line, plain, scripted};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Instant;
use surehand::rusqlite::Connection;

/// A host that commits without a pause, until it is dropped.
struct Host {
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Host {
    fn start(path: &Path) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let (path, told) = (PathBuf::from(path), Arc::clone(&stop));
        let commit = move || {
            let db = Connection::open(path).unwrap();
            db.execute_batch("CREATE TABLE visit (number INTEGER)").unwrap();
            while !told.load(Ordering::Relaxed) {
                db.execute("INSERT INTO visit (number) VALUES (1)", []).unwrap();
            }
        };
        Self { stop, thread: Some(std::thread::spawn(commit)) }
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

#[test]
fn a_host_that_commits_back_to_back_does_not_keep_the_relay_out() {
    let mut shop = Shop::open();
    shop.put((0..50).map(plain));
    let _host = Host::start(&shop.path());
    let (script, mut mail) = scripted();
    let began = Instant::now();
    // Each message takes the write lock for itself: the next one goes when this one is answered.
    let relay = shop.serve(main_line().batch(1).window(1), script);
    for _ in 0..50 {
        mail.next().ack();
    }
    let time = began.elapsed();
    assert!(time < PATIENCE / 2, "50 messages took {time:?}");
    relay.stop();
}
