//! A set of positions, kept as ranges.
//!
//! Deliveries finish nearly in order, so the set of finished positions is one long range and a
//! few short ones, however many positions it holds. [`Ranges`] promises that equal sets compare
//! equal: its ranges are always sorted, disjoint and never adjacent. It never holds a position
//! below 1 and never does any input or output.

/// A set of `i64` positions, all at least 1, stored as sorted inclusive ranges.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Ranges {
    ranges: Vec<(i64, i64)>,
}

impl Ranges {
    /// The empty set.
    pub fn new() -> Self {
        Self::default()
    }

    /// The positions `1..=last`; empty when `last` is below 1.
    pub fn through(last: i64) -> Self {
        Self::from_ranges([(1, last)])
    }

    /// The union of inclusive ranges, in any order; empty and inverted ones add nothing.
    pub fn from_ranges(ranges: impl IntoIterator<Item = (i64, i64)>) -> Self {
        let mut sorted: Vec<_> = ranges.into_iter().collect();
        // In order, every insert lands at the high end, where it moves nothing.
        sorted.sort_unstable();
        let mut set = Self::new();
        for (first, last) in sorted {
            set.insert(first, last);
        }
        set
    }

    /// Adds `first..=last`; the part below 1 is ignored.
    pub fn insert(&mut self, first: i64, last: i64) {
        let first = first.max(1);
        if last < first {
            return;
        }
        // A range that merely touches the new one is merged with it too.
        let from = self.ranges.partition_point(|&(_, end)| end < first - 1);
        let to = self.ranges.partition_point(|&(start, _)| start <= last.saturating_add(1));
        let merged = match &self.ranges[from..to] {
            [] => (first, last),
            touched => (first.min(touched[0].0), last.max(touched[touched.len() - 1].1)),
        };
        self.ranges.splice(from..to, [merged]);
    }

    /// Takes one position out.
    pub fn remove(&mut self, position: i64) {
        if let Some(index) = self.index_of(position) {
            let (first, last) = self.ranges[index];
            let below = (first < position).then(|| (first, position - 1));
            let above = (position < last).then(|| (position + 1, last));
            self.ranges.splice(index..=index, below.into_iter().chain(above));
        }
    }

    /// Adds every position of `other`.
    pub fn union(&mut self, other: &Ranges) {
        *self = Self::from_ranges(self.iter().chain(other.iter()));
    }

    /// Takes out every position of `other`.
    pub fn subtract(&mut self, other: &Ranges) {
        *self = self.difference(other);
    }

    /// The positions of this set that are not in `other`.
    pub fn difference(&self, other: &Ranges) -> Ranges {
        let mut ranges = Vec::new();
        for (first, last) in self.iter() {
            let from = other.ranges.partition_point(|&(_, end)| end < first);
            let holes = other.ranges[from..].iter().take_while(|hole| hole.0 <= last);
            // The last position already kept or dropped; one past it would overflow at the top.
            let mut decided = first - 1;
            for &(hole_first, hole_last) in holes {
                if decided < hole_first - 1 {
                    ranges.push((decided + 1, hole_first - 1));
                }
                decided = hole_last;
            }
            if decided < last {
                ranges.push((decided + 1, last));
            }
        }
        Ranges { ranges }
    }

    /// The lowest `max_ranges` ranges, as a set of their own.
    pub fn truncate_to(&self, max_ranges: usize) -> Ranges {
        Ranges { ranges: self.ranges[..max_ranges.min(self.len())].to_vec() }
    }

    /// Whether `position` is in the set.
    pub fn contains(&self, position: i64) -> bool {
        self.index_of(position).is_some()
    }

    /// Whether all of `first..=last` is in the set; true when that range is empty.
    pub fn covers(&self, first: i64, last: i64) -> bool {
        last < first || self.index_of(first).is_some_and(|index| last <= self.ranges[index].1)
    }

    /// The ranges, lowest first, both ends inclusive.
    pub fn iter(&self) -> impl Iterator<Item = (i64, i64)> {
        self.ranges.iter().copied()
    }

    /// How many ranges the set is made of.
    pub fn len(&self) -> usize {
        self.ranges.len()
    }

    /// Whether the set holds no position.
    pub fn is_empty(&self) -> bool {
        self.ranges.is_empty()
    }

    /// The highest `n` with all of `1..=n` in the set; 0 when 1 is not in it.
    pub fn floor(&self) -> i64 {
        self.ranges.first().map_or(0, |&(first, last)| if first == 1 { last } else { 0 })
    }

    /// The highest position in the set; 0 when the set is empty.
    pub fn last(&self) -> i64 {
        self.ranges.last().map_or(0, |&(_, last)| last)
    }

    /// How many positions the set holds.
    pub fn count(&self) -> u64 {
        self.iter().map(|(first, last)| last.abs_diff(first) + 1).sum()
    }

    fn index_of(&self, position: i64) -> Option<usize> {
        let index = self.ranges.partition_point(|&(_, end)| end < position);
        self.ranges.get(index).filter(|range| range.0 <= position).map(|_| index)
    }
}

#[cfg(test)]
mod tests;
