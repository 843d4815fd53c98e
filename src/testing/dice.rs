//! Chance, the same from the same seed.

use xxhash_rust::xxh3::xxh3_64_with_seed;

/// Numbers that look like chance.
#[derive(Clone, Debug)]
pub(crate) struct Dice {
    seed: u64,
    rolled: u64,
}

impl Dice {
    pub(crate) fn new(seed: u64) -> Self {
        Self { seed, rolled: 0 }
    }

    pub(crate) fn next(&mut self) -> u64 {
        self.rolled += 1;
        xxh3_64_with_seed(&self.rolled.to_le_bytes(), self.seed)
    }

    /// A number below this one.
    pub(crate) fn roll(&mut self, below: u64) -> u64 {
        self.next() % below.max(1)
    }

    /// A place in a row of so many.
    pub(crate) fn below(&mut self, count: usize) -> usize {
        usize::try_from(self.roll(count as u64)).unwrap_or(0)
    }

    /// One of these.
    pub(crate) fn pick<T: Copy, const N: usize>(&mut self, of: [T; N]) -> T {
        of[self.below(N)]
    }
}
