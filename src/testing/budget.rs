//! How much time a test has, and which part of its work it does first.

use crate::clock::{Clock, System};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// Work is done in so many parts. Each of them is a sample of all of it, so that those that were
/// done when time is over tell as much as they can.
pub(crate) const PARTS: u64 = 64;

/// The parts that are still to do, and until when.
#[derive(Debug)]
pub(crate) struct Budget {
    deadline: Option<Duration>,
    next: AtomicU64,
    done: AtomicU64,
}

impl Budget {
    /// As long as it takes, unless so much time is given.
    pub(crate) fn new(time: Option<Duration>) -> Self {
        let deadline = time.map(|time| System.now().tick.saturating_add(time));
        Self { deadline, next: AtomicU64::new(0), done: AtomicU64::new(0) }
    }

    /// A part that nobody does yet.
    pub(crate) fn take(&self) -> Option<Part> {
        let part = self.next.fetch_add(1, Ordering::Relaxed);
        (part < PARTS && !self.is_over()).then_some(Part(part))
    }

    /// Notes that a part was done to its end.
    pub(crate) fn done(&self) {
        self.done.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn is_over(&self) -> bool {
        self.deadline.is_some_and(|deadline| System.now().tick >= deadline)
    }

    pub(crate) fn parts_done(&self) -> u64 {
        self.done.load(Ordering::Relaxed)
    }
}

/// A part of the work.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Part(u64);

impl Part {
    /// Whether the piece of work of this number belongs to it. Neighbours are in different parts,
    /// but do not follow a pattern that the work itself may have.
    pub(crate) fn has(self, number: u64) -> bool {
        number.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 32 & (PARTS - 1) == self.0
    }
}

/// `90s`, `2m`, `500ms`: a time as a person writes it.
pub(crate) fn time(text: &str) -> Option<Duration> {
    let digits = text.trim_end_matches(|letter: char| letter.is_ascii_alphabetic());
    let number: u64 = digits.parse().ok()?;
    match &text[digits.len()..] {
        "ms" => Some(Duration::from_millis(number)),
        "s" => Some(Duration::from_secs(number)),
        "m" => Some(Duration::from_secs(number.checked_mul(60)?)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_piece_of_work_is_in_one_part_and_parts_are_alike() {
        let parts: Vec<Part> = (0..PARTS).map(Part).collect();
        let mut sizes = vec![0_u32; parts.len()];
        for number in 0..64_000 {
            let has: Vec<usize> =
                (0..parts.len()).filter(|part| parts[*part].has(number)).collect();
            assert_eq!(has.len(), 1, "{number}");
            sizes[has[0]] += 1;
        }
        assert!(sizes.iter().all(|size| (900..1_100).contains(size)), "{sizes:?}");
    }

    #[test]
    fn times_are_read() {
        assert_eq!(time("20s"), Some(Duration::from_secs(20)));
        assert_eq!(time("2m"), Some(Duration::from_secs(120)));
        assert_eq!(time("500ms"), Some(Duration::from_millis(500)));
        assert_eq!(time("20"), None);
        assert_eq!(time("soon"), None);
        assert_eq!(time(""), None);
    }
}
