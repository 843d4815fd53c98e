//! What the measurements share: payloads, settings read back, sizes, and the clock.

use crate::Outcome;
use crate::reading::Pragmas;
use rusqlite::Connection;
use std::path::Path;
use std::time::{Duration, Instant};

/// What a message carries, unless the measurement is about that.
pub const PAYLOAD: usize = 200;

pub fn payload(bytes: usize) -> Vec<u8> {
    (0..bytes).map(|index| (index % 251) as u8).collect()
}

pub fn now() -> Instant {
    #[allow(clippy::disallowed_methods, reason = "it measures")]
    Instant::now()
}

pub fn sleep(time: Duration) {
    #[allow(clippy::disallowed_methods, reason = "it measures")]
    std::thread::sleep(time);
}

pub fn pragmas(name: &str, connection: &Connection) -> Outcome<Pragmas> {
    let number = |pragma: &str| connection.pragma_query_value(None, pragma, |row| row.get(0));
    Ok(Pragmas {
        connection: name.into(),
        journal_mode: connection.pragma_query_value(None, "journal_mode", |row| row.get(0))?,
        synchronous: Some(number("synchronous")?),
        cache_size: Some(number("cache_size")?),
        page_size: Some(number("page_size")?),
        wal_autocheckpoint: Some(number("wal_autocheckpoint")?),
    })
}

/// The most memory this process had in use.
pub fn peak_bytes() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let number = line.and_then(|line| line.trim().split(' ').next()?.parse::<u64>().ok());
    number.unwrap_or(0) * 1024
}

pub fn bytes_of(directory: &Path) -> u64 {
    let files = std::fs::read_dir(directory).into_iter().flatten().flatten();
    files.filter_map(|file| file.metadata().ok()).map(|file| file.len()).sum()
}
