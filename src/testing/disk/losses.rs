//! Which of the pieces at stake a power cut loses: all combinations where they are few, and where
//! they are many those that tell something.

use crate::testing::dice::Dice;
use std::collections::BTreeSet;

/// So few combinations of pieces and names are all tried.
const FEW: usize = 64;
/// Of a loss that leaves its file as long as it was to be, so many at the most.
const GROWN: usize = 8;
/// So many pieces at the most are lost or kept one by one; of more, some all over.
const ONE_BY_ONE: usize = 48;
/// Beside the telling subsets of many pieces, so many drawn at random.
const DRAWN: usize = 8;

/// What of the pieces and names at stake a power cut loses.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Lost {
    /// The places of the lost pieces.
    pub(crate) pieces: BTreeSet<usize>,
    /// Names reach the disk in order, those of several machines as well: so many did.
    pub(crate) names_kept: usize,
    /// The files are as long as they were to be, with zeroes in the place of what is lost.
    pub(crate) grown: bool,
    /// The piece that was being written, on a disk that spoils all of the sector then.
    pub(crate) spoilt: Option<usize>,
}

impl Lost {
    pub(crate) const ALL_NAMES: usize = usize::MAX;

    pub(crate) fn nothing() -> Self {
        Self::of(BTreeSet::new())
    }

    fn of(pieces: BTreeSet<usize>) -> Self {
        Self { pieces, names_kept: Self::ALL_NAMES, grown: false, spoilt: None }
    }

    /// How much that is, for comparing.
    pub(crate) fn size(&self) -> usize {
        let named = usize::from(self.names_kept != Self::ALL_NAMES);
        self.pieces.len() + named + usize::from(self.grown) + usize::from(self.spoilt.is_some())
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
    /// Whether a sector that was being written may be spoilt.
    pub(crate) spoils: bool,
}

impl Losses {
    /// Whether every combination is tried.
    pub(crate) fn is_exhaustive(self) -> bool {
        self.has_few() && !self.spoils
    }

    fn has_few(self) -> bool {
        let room = FEW.checked_shr(u32::try_from(self.pieces).unwrap_or(u32::MAX)).unwrap_or(0);
        self.names < room
    }

    /// Nothing of it, and all.
    pub(crate) fn extremes(self) -> [Lost; 2] {
        [Lost::nothing(), Lost { names_kept: 0, ..Lost::of(self.all()) }]
    }

    /// How many losses there are to try. Some may be the same.
    pub(crate) fn count(self) -> usize {
        let spoilt = if self.spoils { 2 * self.singles() } else { 0 };
        self.subsets() + self.named() + self.grown() + spoilt
    }

    /// One of them; the same for the same seed.
    pub(crate) fn nth(self, number: usize, seed: u64) -> Lost {
        let Some(number) = number.checked_sub(self.subsets()) else {
            return Lost::of(self.subset(number, seed));
        };
        let Some(number) = number.checked_sub(self.named()) else {
            return self.nth_named(number);
        };
        let Some(number) = number.checked_sub(self.grown()) else {
            let first = number * self.pieces / self.grown();
            return Lost { grown: true, ..Lost::of((first..self.pieces).collect()) };
        };
        // Beside it nothing is lost, or all.
        let one = self.single(number / 2);
        let mut pieces = if number % 2 == 0 { BTreeSet::new() } else { self.all() };
        pieces.remove(&one);
        Lost { spoilt: Some(one), ..Lost::of(pieces) }
    }

    /// How many losses of names there are to try.
    fn named(self) -> usize {
        if self.has_few() { self.names << self.pieces } else { 2 * self.names }
    }

    /// With each subset, or with all of the pieces and with none, one name more or less.
    fn nth_named(self, number: usize) -> Lost {
        let (names_kept, subset) = (number % self.names, number / self.names);
        let pieces = match (self.has_few(), subset) {
            (true, subset) => self.subset(subset, 0),
            (false, 0) => BTreeSet::new(),
            (false, _) => self.all(),
        };
        Lost { names_kept, ..Lost::of(pieces) }
    }

    /// How many losses there are to try that leave files as long as they were to be.
    fn grown(self) -> usize {
        self.pieces.min(GROWN)
    }

    fn all(self) -> BTreeSet<usize> {
        (0..self.pieces).collect()
    }

    fn subsets(self) -> usize {
        if self.has_few() { 1 << self.pieces } else { 1 + 4 * self.singles() + DRAWN }
    }

    fn singles(self) -> usize {
        self.pieces.min(ONE_BY_ONE)
    }

    /// One of the pieces that are looked at one by one.
    fn single(self, number: usize) -> usize {
        (number + 1) * self.pieces / self.singles().max(1) - 1
    }

    /// Where there are few, all; else none, all up to one, all from one on, one alone, all but one,
    /// and some by chance.
    fn subset(self, number: usize, seed: u64) -> BTreeSet<usize> {
        let of =
            |is_lost: &dyn Fn(usize) -> bool| (0..self.pieces).filter(|it| is_lost(*it)).collect();
        if self.has_few() {
            return of(&|piece| number >> piece & 1 == 1);
        }
        let Some(number) = number.checked_sub(1) else { return BTreeSet::new() };
        if number / 4 >= self.singles() {
            let mut dice = Dice::new(seed ^ (number as u64) << 32);
            return (0..self.pieces).filter(|_| dice.roll(2) == 0).collect();
        }
        let one = self.single(number / 4);
        match number % 4 {
            0 => (0..=one).collect(),
            1 => (one..self.pieces).collect(),
            2 => [one].into(),
            _ => of(&|piece| piece != one),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(pieces: usize, names: usize) -> BTreeSet<Lost> {
        let losses = Losses { pieces, names, spoils: false };
        (0..losses.count()).map(|number| losses.nth(number, 7)).collect()
    }

    #[test]
    fn of_few_pieces_every_subset_is_lost_once() {
        let all = all(5, 0);
        assert_eq!(all.iter().filter(|lost| !lost.grown).count(), 32);
        assert_eq!(all.iter().filter(|lost| lost.grown).count(), 5);
        assert_eq!(Losses { pieces: 5, names: 0, spoils: false }.count(), 32 + 5);
    }

    #[test]
    fn few_names_are_lost_with_every_subset() {
        let all = all(3, 2);
        for kept in [0, 1, Lost::ALL_NAMES] {
            let so = |lost: &&Lost| lost.names_kept == kept && !lost.grown;
            assert_eq!(all.iter().filter(so).count(), 8, "{kept}");
        }
    }

    #[test]
    fn of_many_each_is_lost_alone_and_kept_alone() {
        let all = all(20, 0);
        let alone = |piece: &usize| all.iter().any(|lost| lost.pieces == [*piece].into());
        assert!((0..20).all(|piece| alone(&piece)));
        let kept = |piece: usize| {
            move |lost: &Lost| (lost.pieces.len(), lost.is_lost(piece)) == (19, false)
        };
        assert!((0..20).all(|piece| all.iter().any(kept(piece))));
        assert!(all.iter().any(|lost| lost.pieces.len() == 20));
        assert!(all.iter().any(|lost| lost.pieces.is_empty()));
        assert!(all.iter().all(|lost| lost.pieces.iter().all(|piece| *piece < 20)));
    }

    #[test]
    fn of_very_many_all_and_some_are_lost() {
        let all = all(1_000, 0);
        assert!(all.len() <= 1 + 4 * ONE_BY_ONE + DRAWN + GROWN);
        let sizes: BTreeSet<usize> = all.iter().map(|lost| lost.pieces.len()).collect();
        assert!([0, 1, 999, 1_000].iter().all(|size| sizes.contains(size)), "{sizes:?}");
    }

    #[test]
    fn each_piece_is_spoilt_beside_all_and_beside_nothing() {
        let losses = Losses { pieces: 3, names: 1, spoils: true };
        let all: BTreeSet<Lost> = (0..losses.count()).map(|it| losses.nth(it, 7)).collect();
        for piece in 0..3 {
            let spoilt = |lost: &&Lost| lost.spoilt == Some(piece);
            let sizes: Vec<usize> = all.iter().filter(spoilt).map(|it| it.pieces.len()).collect();
            assert_eq!(sizes, [0, 2]);
        }
        assert_eq!(all.iter().filter(|lost| lost.spoilt.is_none()).count(), 2 * 8 + 3);
    }

    #[test]
    fn names_are_lost_from_the_last_one_on() {
        let kept: BTreeSet<usize> = all(1, 3).iter().map(|lost| lost.names_kept).collect();
        assert_eq!(kept, [0, 1, 2, Lost::ALL_NAMES].into());
    }
}
