use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use crate::Arguments;

/// The time that a case may take, from now on.
#[derive(Clone, Copy, Debug)]
pub struct Deadline {
    begin: Instant,
    time: Duration,
}

impl Deadline {
    pub fn after(time: Duration) -> Self {
        Self { begin: Instant::now(), time }
    }

    pub fn has_passed(&self) -> bool {
        self.begin.elapsed() >= self.time
    }

    pub fn elapsed(&self) -> Duration {
        self.begin.elapsed()
    }

    pub fn remaining(&self) -> Duration {
        self.time.saturating_sub(self.begin.elapsed())
    }
}

/// The messages of a case, given out to the callers as they come for the next batch.
#[derive(Debug)]
pub struct Share {
    deadline: Deadline,
    count: u64,
    batch: u64,
    given: AtomicU64,
}

impl Share {
    pub fn new(arguments: &Arguments) -> Self {
        Self {
            deadline: Deadline::after(arguments.time),
            count: arguments.count,
            batch: arguments.batch as u64,
            given: AtomicU64::new(0),
        }
    }

    /// Messages to write without a limit of time, in large batches: what `fill` needs.
    pub fn to_fill(arguments: &Arguments, batch: u64) -> Self {
        let deadline = Deadline::after(Duration::MAX);
        Self { deadline, count: arguments.count, batch, given: AtomicU64::new(0) }
    }

    /// The numbers of the next batch, or nothing when all are given out or the time is over. A
    /// caller writes what it was given, so what was given is what was done.
    pub fn next(&self) -> Option<std::ops::Range<u64>> {
        if self.deadline.has_passed() {
            return None;
        }
        let take = |given: u64| (given < self.count).then(|| self.count.min(given + self.batch));
        let begin = self.given.fetch_update(Ordering::Relaxed, Ordering::Relaxed, take).ok()?;
        Some(begin..self.count.min(begin + self.batch))
    }

    /// How much of the time is left.
    pub fn remaining(&self) -> Duration {
        self.deadline.remaining()
    }

    /// How many messages were given out.
    pub fn done(&self) -> u64 {
        self.given.load(Ordering::Relaxed)
    }

    pub fn elapsed(&self) -> Duration {
        self.deadline.elapsed()
    }
}
