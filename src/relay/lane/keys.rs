//! Who of a key comes before whom.
//!
//! Holds every unsettled message with a key, and which of them are at rest: neither under way nor
//! acknowledged. A message may go when nobody of its key before it is at rest (rule 21).

use crate::id::{KeyHash, Seq};
use std::collections::hash_map::Entry;
use std::collections::{BTreeSet, HashMap};

#[derive(Clone, Debug, Default)]
pub(super) struct Keys(HashMap<KeyHash, Chain>);

#[derive(Clone, Debug, Default)]
struct Chain {
    unsettled: BTreeSet<Seq>,
    at_rest: BTreeSet<Seq>,
    /// The exceptions among them.
    set_aside: BTreeSet<Seq>,
}

impl Keys {
    /// A message of this key was read; it is at rest.
    pub(super) fn add(&mut self, key: KeyHash, seq: Seq) {
        let chain = self.0.entry(key).or_default();
        chain.unsettled.insert(seq);
        chain.at_rest.insert(seq);
    }

    /// It is an exception.
    pub(super) fn set_aside(&mut self, key: KeyHash, seq: Seq) {
        self.0.entry(key).or_default().set_aside.insert(seq);
    }

    /// It was sent, or acknowledged.
    pub(super) fn depart(&mut self, key: KeyHash, seq: Seq) {
        if let Some(chain) = self.0.get_mut(&key) {
            chain.at_rest.remove(&seq);
        }
    }

    /// It came back.
    pub(super) fn rest(&mut self, key: KeyHash, seq: Seq) {
        if let Some(chain) = self.0.get_mut(&key)
            && chain.unsettled.contains(&seq)
        {
            chain.at_rest.insert(seq);
        }
    }

    /// It is settled in the store.
    pub(super) fn remove(&mut self, key: KeyHash, seq: Seq) {
        if let Entry::Occupied(mut chain) = self.0.entry(key) {
            chain.get_mut().unsettled.remove(&seq);
            chain.get_mut().at_rest.remove(&seq);
            chain.get_mut().set_aside.remove(&seq);
            if chain.get().unsettled.is_empty() {
                chain.remove();
            }
        }
    }

    /// The unsettled message right before this place, or 0: what `after` says (rule 15).
    pub(super) fn predecessor(&self, key: KeyHash, seq: Seq) -> Seq {
        let chain = self.0.get(&key);
        chain.and_then(|chain| chain.unsettled.range(..seq).next_back()).copied().unwrap_or(0)
    }

    /// Whether somebody before this place is at rest.
    pub(super) fn held_back(&self, key: KeyHash, seq: Seq) -> bool {
        let chain = self.0.get(&key);
        chain.is_some_and(|chain| chain.at_rest.first().is_some_and(|first| *first < seq))
    }

    /// Who before this place is at rest.
    pub(super) fn at_rest_before(&self, key: KeyHash, seq: Seq) -> impl Iterator<Item = Seq> {
        let chain = self.0.get(&key);
        chain.into_iter().flat_map(move |chain| chain.at_rest.range(..seq).copied())
    }

    /// The unsettled messages of the key before this place, the nearest first.
    pub(super) fn before(&self, key: KeyHash, seq: Seq) -> impl Iterator<Item = Seq> {
        let chain = self.0.get(&key);
        chain.into_iter().flat_map(move |chain| chain.unsettled.range(..seq).rev().copied())
    }

    /// The exceptions of the key before this place, the nearest first.
    pub(super) fn ahead(&self, key: KeyHash, seq: Seq) -> impl Iterator<Item = Seq> {
        let chain = self.0.get(&key);
        chain.into_iter().flat_map(move |chain| chain.set_aside.range(..seq).rev().copied())
    }

    /// The exceptions of the key after this place, in order.
    pub(super) fn behind(&self, key: KeyHash, seq: Seq) -> impl Iterator<Item = Seq> {
        let chain = self.0.get(&key);
        chain.into_iter().flat_map(move |chain| chain.set_aside.range(seq + 1..).copied())
    }
}

#[cfg(test)]
impl std::hash::Hash for Keys {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        let sorted: std::collections::BTreeMap<_, _> = self.0.iter().collect();
        for (key, chain) in sorted {
            (key, &chain.unsettled, &chain.at_rest, &chain.set_aside).hash(state);
        }
    }
}
