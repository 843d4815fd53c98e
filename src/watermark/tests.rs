use super::*;
use proptest::collection::vec;
use proptest::prelude::*;
use std::collections::BTreeSet;

const TOP: i64 = 40;

type Pairs = Vec<(i64, i64)>;

fn pairs() -> impl Strategy<Value = Pairs> {
    vec((-2..TOP, -2i64..6).prop_map(|(first, more)| (first, first + more)), 0..12)
}

fn model(pairs: &[(i64, i64)]) -> BTreeSet<i64> {
    pairs.iter().flat_map(|&(first, last)| first.max(1)..=last).collect()
}

/// The members, after checking that the ranges are in their one normal form.
fn members(set: &Ranges) -> BTreeSet<i64> {
    assert!(set.iter().all(|(first, last)| 1 <= first && first <= last), "{set:?}");
    assert!(set.ranges.windows(2).all(|two| two[0].1 + 1 < two[1].0), "{set:?}");
    set.iter().flat_map(|(first, last)| first..=last).collect()
}

proptest! {
    #[test]
    fn changes_agree_with_a_plain_set(a in pairs(), b in pairs(), gone in -2..TOP) {
        let (ours, theirs) = (Ranges::from_ranges(a.clone()), Ranges::from_ranges(b.clone()));
        let (plain, other) = (model(&a), model(&b));
        prop_assert_eq!(members(&ours), plain.clone());

        let mut changed = ours.clone();
        b.iter().for_each(|&(first, last)| changed.insert(first, last));
        prop_assert_eq!(members(&changed), &plain | &other);
        changed.remove(gone);
        let mut expected = &plain | &other;
        expected.remove(&gone);
        prop_assert_eq!(members(&changed), expected);

        let mut joined = ours.clone();
        joined.union(&theirs);
        prop_assert_eq!(members(&joined), &plain | &other);
        let mut reduced = ours.clone();
        reduced.subtract(&theirs);
        prop_assert_eq!(members(&reduced), &plain - &other);
        prop_assert_eq!(ours.difference(&theirs), reduced);
    }

    #[test]
    fn questions_agree_with_a_plain_set(a in pairs(), first in -2..TOP, more in -2i64..9) {
        let (set, plain) = (Ranges::from_ranges(a.clone()), model(&a));
        let last = first + more;
        prop_assert_eq!(set.contains(first), plain.contains(&first));
        prop_assert_eq!(set.covers(first, last), (first..=last).all(|n| plain.contains(&n)));
        prop_assert_eq!(set.floor(), (1..).take_while(|n| plain.contains(n)).count() as i64);
        prop_assert_eq!(set.last(), plain.last().copied().unwrap_or(0));
        prop_assert_eq!(set.count(), plain.len() as u64);
        prop_assert_eq!(set.is_empty(), plain.is_empty());
        prop_assert_eq!(members(&Ranges::through(first)), model(&[(1, first)]));
    }

    #[test]
    fn truncation_keeps_the_lowest_ranges(a in pairs(), max_ranges in 0..9usize) {
        let set = Ranges::from_ranges(a);
        let lowest: Pairs = set.iter().take(max_ranges).collect();
        let starts = members(&set).iter().filter(|&&n| !set.contains(n - 1)).count();
        prop_assert_eq!(set.len(), starts);
        prop_assert_eq!(set.truncate_to(max_ranges).iter().collect::<Pairs>(), lowest);
    }
}

#[test]
fn the_highest_position_is_one_like_any_other() {
    let mut set = Ranges::through(i64::MAX);
    set.insert(i64::MIN, i64::MAX);
    assert_eq!((set.len(), set.count()), (1, i64::MAX as u64));
    assert!(set.covers(1, i64::MAX) && set.difference(&set).is_empty());
    set.remove(i64::MAX);
    assert_eq!(set, Ranges::through(i64::MAX - 1));
    set.insert(i64::MAX, i64::MAX);
    assert_eq!(set.floor(), i64::MAX);
}
