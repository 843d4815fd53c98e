//! Which of the pieces at stake a power cut loses: all subsets where they are few, and where they
//! are many those that tell something.

use crate::testing::dice::Dice;
use std::collections::BTreeSet;

/// So many pieces have so few subsets that all are tried.
const FEW: usize = 6;
/// So many pieces at the most are lost or kept one by one; of more, some all over.
const ONE_BY_ONE: usize = 48;
/// Beside the telling subsets of many pieces, so many drawn at random.
const DRAWN: usize = 8;

/// What of the pieces and names at stake a power cut loses.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Lost {
    /// The places of the lost pieces.
    pub(crate) pieces: BTreeSet<usize>,
    /// Names reach the disk in order: so many did.
    pub(crate) names_kept: usize,
    /// The piece that was being written, on a disk that spoils all of the sector then.
    pub(crate) spoilt: Option<usize>,
}

impl Lost {
    pub(crate) const ALL_NAMES: usize = usize::MAX;

    pub(crate) fn nothing() -> Self {
        Self::of(BTreeSet::new())
    }

    fn of(pieces: BTreeSet<usize>) -> Self {
        Self { pieces, names_kept: Self::ALL_NAMES, spoilt: None }
    }

    /// How much that is, for comparing.
    pub(crate) fn size(&self) -> usize {
        let named = usize::from(self.names_kept != Self::ALL_NAMES);
        self.pieces.len() + named + usize::from(self.spoilt.is_some())
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
    /// Whether every subset is tried.
    pub(crate) fn is_exhaustive(self) -> bool {
        self.pieces <= FEW
    }

    /// Nothing of it, and all.
    pub(crate) fn extremes(self) -> [Lost; 2] {
        [Lost::nothing(), Lost { names_kept: 0, ..Lost::of(self.all()) }]
    }

    /// How many losses there are to try. Some may be the same.
    pub(crate) fn count(self) -> usize {
        let spoilt = if self.spoils { 2 * self.singles() } else { 0 };
        self.subsets() + 2 * self.names + spoilt
    }

    /// One of them; the same for the same seed.
    pub(crate) fn nth(self, number: usize, seed: u64) -> Lost {
        let Some(named) = number.checked_sub(self.subsets()) else {
            return Lost::of(self.subset(number, seed));
        };
        if let Some(spoilt) = named.checked_sub(2 * self.names) {
            // Beside it nothing is lost, or all.
            let one = self.single(spoilt / 2);
            let mut pieces = if spoilt % 2 == 0 { BTreeSet::new() } else { self.all() };
            pieces.remove(&one);
            return Lost { spoilt: Some(one), ..Lost::of(pieces) };
        }
        // Each name more or less, with all of the pieces and with none.
        let pieces = if named % 2 == 0 { BTreeSet::new() } else { self.all() };
        Lost { names_kept: named / 2, ..Lost::of(pieces) }
    }

    fn all(self) -> BTreeSet<usize> {
        (0..self.pieces).collect()
    }

    fn subsets(self) -> usize {
        if self.is_exhaustive() { 1 << self.pieces } else { 1 + 4 * self.singles() + DRAWN }
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
        if self.is_exhaustive() {
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
        assert_eq!(all(5, 0).len(), 32);
        assert_eq!(Losses { pieces: 5, names: 0, spoils: false }.count(), 32);
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
        assert!(all.len() <= 1 + 4 * ONE_BY_ONE + DRAWN);
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
        assert_eq!(all.iter().filter(|lost| lost.spoilt.is_none()).count(), 8 + 2);
    }

    #[test]
    fn names_are_lost_from_the_last_one_on() {
        let kept: BTreeSet<usize> = all(1, 3).iter().map(|lost| lost.names_kept).collect();
        assert_eq!(kept, [0, 1, 2, Lost::ALL_NAMES].into());
    }
}
