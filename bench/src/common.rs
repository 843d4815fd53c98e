//! What the measurements share: payloads, settings read back, sizes, and the clock.

use crate::Outcome;
use crate::measure::Work;
use crate::reading::{Pragmas, Reading};
use rusqlite::Connection;
use std::path::Path;
use std::time::{Duration, Instant};

/// What a message carries, unless the measurement is about that.
pub const PAYLOAD: usize = 200;

/// Messages in a commit where only the outcome counts.
pub const FILL_BATCH: u64 = 4096;

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

/// A connection of the host's own, as `rusqlite` opens it: FULL.
pub fn host(path: &Path) -> Outcome<Connection> {
    let db = Connection::open(path)?;
    db.pragma_update(None, "synchronous", "FULL")?;
    Ok(db)
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

/// A time that is not to be passed; 0 seconds are no limit.
pub struct Limit {
    began: Instant,
    seconds: f64,
}

impl Limit {
    pub fn of(seconds: f64) -> Self {
        Self { began: now(), seconds }
    }

    pub fn is_over(&self) -> bool {
        self.seconds > 0.0 && self.elapsed() >= self.seconds
    }

    pub fn elapsed(&self) -> f64 {
        self.began.elapsed().as_secs_f64()
    }
}

/// Looks often enough for a measurement, and seldom enough to leave the processor to others.
pub fn wait(done: impl Fn() -> bool) {
    while !done() {
        sleep(Duration::from_micros(200));
    }
}

/// Drains a backlog that comes with one commit, again and again for as long as the work says; the
/// reading is of the median.
pub fn drain_again(
    reading: &mut Reading,
    work: &Work,
    handled: &dyn Fn() -> u64,
    produce: &mut dyn FnMut() -> Outcome<()>,
) -> Outcome<()> {
    let (limit, mut times) = (Limit::of(work.seconds), Vec::new());
    while times.len() < 3 || !limit.is_over() {
        let before = handled();
        produce()?;
        let began = now();
        let stuck = Limit::of(60.0);
        wait(|| handled() >= before + work.backlog || stuck.is_over());
        if stuck.is_over() {
            return Err("a backlog is not drained".into());
        }
        times.push(began.elapsed().as_secs_f64());
        // Acknowledgements are written, and what is settled leaves the log.
        sleep(Duration::from_millis(50));
    }
    times.sort_by(f64::total_cmp);
    (reading.count, reading.seconds) = (work.backlog, times[times.len() / 2]);
    Ok(())
}

/// Nanoseconds of the clock that all processes share.
pub fn nanos() -> u64 {
    let now = rustix::time::clock_gettime(rustix::time::ClockId::Monotonic);
    now.tv_sec.cast_unsigned() * 1_000_000_000 + now.tv_nsec.cast_unsigned()
}

/// Seconds that all threads of this process have run.
pub fn processor_seconds() -> f64 {
    let threads = std::fs::read_dir("/proc/self/task").into_iter().flatten().flatten();
    let nanos = threads.filter_map(|thread| {
        let text = std::fs::read_to_string(thread.path().join("schedstat")).ok()?;
        text.split(' ').next()?.parse::<u64>().ok()
    });
    nanos.sum::<u64>() as f64 / 1e9
}
