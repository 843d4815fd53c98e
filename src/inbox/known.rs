//! What was applied of one source and is not settled, in memory: by place and by id, without I/O.

use super::Seen;
use crate::id::{MessageId, Seq};
use std::collections::hash_map::RandomState;
use std::collections::{HashMap, VecDeque};
use std::hash::{BuildHasher, Hasher};
use xxhash_rust::xxh3::xxh3_64_with_seed;

#[derive(Debug, Default)]
pub(super) struct Known {
    /// In order of places. They come in order nearly always, and go from the front.
    by_place: VecDeque<Seen>,
    /// The first place of each id; nearly always its only one.
    first_place: HashMap<MessageId, Seq, Seed>,
}

impl Known {
    pub(super) fn of(all: impl IntoIterator<Item = Seen>) -> Self {
        let mut known = Self::default();
        all.into_iter().for_each(|seen| known.remember(seen));
        known
    }

    pub(super) fn at(&self, seq: Seq) -> Option<Seen> {
        if self.by_place.back().is_none_or(|last| last.seq < seq) {
            return None;
        }
        let index = self.by_place.binary_search_by_key(&seq, |seen| seen.seq).ok()?;
        self.by_place.get(index).copied()
    }

    /// What was applied under an id, at the first of its places.
    pub(super) fn by_id(&self, id: MessageId) -> Option<Seen> {
        self.at(*self.first_place.get(&id)?)
    }

    pub(super) fn remember(&mut self, seen: Seen) {
        match self.by_place.back() {
            Some(last) if seen.seq <= last.seq => {
                let index = self.by_place.partition_point(|one| one.seq < seen.seq);
                self.by_place.insert(index, seen);
            }
            _ => self.by_place.push_back(seen),
        }
        let first = self.first_place.entry(seen.id).or_insert(seen.seq);
        *first = seen.seq.min(*first);
    }

    /// Forgets the places from here to there.
    pub(super) fn forget(&mut self, first: Seq, last: Seq) {
        let from = self.by_place.partition_point(|seen| seen.seq < first);
        let to = self.by_place.partition_point(|seen| seen.seq <= last);
        let has_second_places = self.first_place.len() < self.by_place.len();
        for Seen { seq, id, .. } in self.by_place.drain(from..to.max(from)) {
            if self.first_place.get(&id) == Some(&seq) {
                self.first_place.remove(&id);
            }
        }
        if has_second_places {
            for Seen { seq, id, .. } in self.by_place.iter().rev() {
                self.first_place.insert(*id, *seq);
            }
        }
    }
}

/// Hashes ids, which a sender chooses, with a seed that it cannot know; several times as fast as
/// the standard library does.
#[derive(Clone, Debug)]
struct Seed(u64);

impl Default for Seed {
    fn default() -> Self {
        Self(RandomState::new().build_hasher().finish())
    }
}

impl BuildHasher for Seed {
    type Hasher = Hash;

    fn build_hasher(&self) -> Hash {
        Hash(self.0)
    }
}

struct Hash(u64);

impl Hasher for Hash {
    fn write(&mut self, bytes: &[u8]) {
        self.0 = xxh3_64_with_seed(bytes, self.0);
    }

    fn write_usize(&mut self, _length: usize) {
        // All ids are equally long.
    }

    fn finish(&self) -> u64 {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id::Fingerprint;

    fn seen(seq: Seq, id: u8) -> Seen {
        let id = MessageId::from_bytes([id; 16]);
        Seen { seq, id, revision: 0, fingerprint: Fingerprint(seq) }
    }

    fn place_of(known: &Known, id: u8) -> Option<Seq> {
        known.by_id(MessageId::from_bytes([id; 16])).map(|seen| seen.seq)
    }

    #[test]
    fn what_is_remembered_is_found_by_place_and_by_id_until_it_is_forgotten() {
        let mut known = Known::of([seen(1, 10), seen(2, 20), seen(3, 30), seen(5, 50)]);
        known.forget(2, 4);
        assert_eq!([1, 2, 3, 5].map(|seq| known.at(seq).is_some()), [true, false, false, true]);
        assert_eq!([10, 20, 30, 50].map(|id| place_of(&known, id)), [Some(1), None, None, Some(5)]);
    }

    #[test]
    fn an_id_at_two_places_is_at_the_first_and_then_at_the_second() {
        let mut known = Known::of([seen(7, 9), seen(3, 9), seen(4, 1)]);
        assert_eq!(place_of(&known, 9), Some(3));
        known.forget(1, 3);
        assert_eq!(place_of(&known, 9), Some(7));
        known.forget(7, Seq::MAX);
        assert_eq!(place_of(&known, 9), None);
        assert_eq!(place_of(&known, 1), Some(4));
    }
}
