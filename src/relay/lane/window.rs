//! What was read above the position, by place.
//!
//! Places come in order and hardly ever miss one, so that each is found at its distance from the
//! first; where some are missing, by halving.

use super::flight::Flight;
use crate::id::Seq;
use std::collections::VecDeque;

#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(super) struct Window {
    flights: VecDeque<(Seq, Flight)>,
}

impl Window {
    pub(super) fn len(&self) -> usize {
        self.flights.len()
    }

    pub(super) fn get(&self, seq: Seq) -> Option<&Flight> {
        let index = self.find(seq).ok()?;
        self.flights.get(index).map(|(_, flight)| flight)
    }

    pub(super) fn get_mut(&mut self, seq: Seq) -> Option<&mut Flight> {
        let index = self.find(seq).ok()?;
        self.flights.get_mut(index).map(|(_, flight)| flight)
    }

    pub(super) fn first(&self) -> Option<(Seq, &Flight)> {
        self.flights.front().map(|(seq, flight)| (*seq, flight))
    }

    pub(super) fn pop_first(&mut self) -> Option<(Seq, Flight)> {
        self.flights.pop_front()
    }

    pub(super) fn insert(&mut self, seq: Seq, flight: Flight) {
        match self.find(seq) {
            Ok(index) => self.flights[index].1 = flight,
            Err(index) => self.flights.insert(index, (seq, flight)),
        }
    }

    pub(super) fn remove(&mut self, seq: Seq) -> Option<Flight> {
        let index = self.find(seq).ok()?;
        self.flights.remove(index).map(|(_, flight)| flight)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (Seq, &Flight)> {
        self.flights.iter().map(|(seq, flight)| (*seq, flight))
    }

    pub(super) fn values(&self) -> impl Iterator<Item = &Flight> {
        self.flights.iter().map(|(_, flight)| flight)
    }

    #[cfg(test)]
    pub(super) fn values_mut(&mut self) -> impl Iterator<Item = &mut Flight> {
        self.flights.iter_mut().map(|(_, flight)| flight)
    }

    /// Where a place is, or where it would be.
    fn find(&self, seq: Seq) -> Result<usize, usize> {
        let Some((first, _)) = self.flights.front() else { return Err(0) };
        let Ok(distance) = usize::try_from(seq - first) else { return Err(0) };
        match self.flights.get(distance) {
            Some((found, _)) if *found == seq => Ok(distance),
            _ if self.flights.back().is_some_and(|(last, _)| *last < seq) => {
                Err(self.flights.len())
            }
            _ => self.flights.binary_search_by_key(&seq, |(seq, _)| *seq),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::flight::{Again, State};
    use super::*;
    use crate::id::MessageId;
    use crate::store::delivery::Counts;
    use proptest::prelude::*;
    use std::collections::BTreeMap;

    fn flight(bytes: u32) -> Flight {
        let state = State::Idle { blocked: false, not_before: 0 };
        let (id, counts) = (MessageId::from_bytes([0; 16]), Counts::default());
        Flight { id, key: None, bytes, counts, state, why_again: Again::First }
    }

    proptest! {
        /// Each step inserts at a place, removes one, or takes the first.
        #[test]
        fn it_is_a_map(steps in prop::collection::vec((0..3_u8, -5..40_i64), 0..200)) {
            let (mut window, mut map) = (Window::default(), BTreeMap::new());
            for (bytes, (what, seq)) in (0..).zip(steps) {
                match what {
                    0 => {
                        window.insert(seq, flight(bytes));
                        map.insert(seq, flight(bytes));
                    }
                    1 => prop_assert_eq!(window.remove(seq), map.remove(&seq)),
                    _ => prop_assert_eq!(window.pop_first(), map.pop_first()),
                }
                prop_assert_eq!(window.get(seq), map.get(&seq));
                prop_assert_eq!(window.len(), map.len());
                prop_assert!(window.iter().eq(map.iter().map(|(seq, flight)| (*seq, flight))));
            }
        }
    }
}
