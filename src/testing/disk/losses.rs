//! Which of the pieces at stake a power cut loses: all subsets where they are few, and where they
//! are many those that tell something.

use crate::testing::dice::Dice;
use std::collections::BTreeSet;

/// So many pieces have so few subsets that all are tried.
const FEW: usize = 6;
/// Beside the telling subsets of many pieces, so many drawn at random.
const DRAWN: usize = 8;

/// What of the pieces and names at stake a power cut loses.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Lost {
    /// The places of the lost pieces.
    pub(crate) pieces: BTreeSet<usize>,
    /// Names reach the disk in order: so many did.
    pub(crate) names_kept: usize,
}

impl Lost {
    pub(crate) fn nothing(names: usize) -> Self {
        Self { pieces: BTreeSet::new(), names_kept: names }
    }

    pub(crate) fn is_lost(&self, piece: usize) -> bool {
        self.pieces.contains(&piece)
    }
}

/// What may be lost of so many pieces and names.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Losses {
    pub(crate) pieces: usize,
    pub(crate) names: usize,
}

impl Losses {
    /// Whether every subset is tried.
    pub(crate) fn is_exhaustive(self) -> bool {
        self.pieces <= FEW
    }

    /// The subsets to try; the same for the same seed.
    pub(crate) fn all(self, seed: u64) -> Vec<Lost> {
        let subsets = if self.is_exhaustive() { self.every() } else { self.telling(seed) };
        let mut all = Vec::with_capacity(subsets.len() + 2 * self.names);
        for pieces in subsets {
            all.push(Lost { pieces, names_kept: self.names });
        }
        // Each name more or less, with all of the pieces and with none.
        for names_kept in 0..self.names {
            all.push(Lost { pieces: BTreeSet::new(), names_kept });
            all.push(Lost { pieces: (0..self.pieces).collect(), names_kept });
        }
        all
    }

    fn every(self) -> Vec<BTreeSet<usize>> {
        let subset = |bits: usize| (0..self.pieces).filter(move |piece| bits >> piece & 1 == 1);
        (0..1 << self.pieces).map(|bits| subset(bits).collect()).collect()
    }

    /// None, all, all up to one, all from one on, one alone, all but one; and some by chance.
    fn telling(self, seed: u64) -> Vec<BTreeSet<usize>> {
        let all = || 0..self.pieces;
        let mut subsets: BTreeSet<BTreeSet<usize>> = BTreeSet::new();
        subsets.insert(BTreeSet::new());
        for piece in all() {
            subsets.insert((0..=piece).collect());
            subsets.insert((piece..self.pieces).collect());
            subsets.insert([piece].into());
            subsets.insert(all().filter(|other| *other != piece).collect());
        }
        let mut dice = Dice::new(seed);
        for _ in 0..DRAWN {
            subsets.insert(all().filter(|_| dice.roll(2) == 0).collect());
        }
        subsets.into_iter().collect()
    }
}
