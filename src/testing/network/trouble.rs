//! What goes wrong between machines, by its kinds, and how often it did.

use serde::{Deserialize, Serialize};
use std::fmt;

/// A kind of trouble between machines.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[non_exhaustive]
pub enum Trouble {
    /// Messages, or a greeting, do not arrive.
    Lost,
    /// An answer does not arrive.
    LostAnswer,
    /// Messages, or a greeting, are under way for a second or more, up to a minute.
    Delayed,
    /// An answer comes when the relay does not wait for it any more.
    LateAnswer,
    /// An answer comes when its message was sent again.
    EarlierAttempt,
    /// Something arrives twice.
    Doubled,
    /// Something arrives before what was sent before it on the same way.
    Overtaken,
    /// One direction of a way is closed for a while, and something was lost to that.
    OneWay,
    /// In the middle of the answers to a request its connection is reset: the rest is lost.
    Reset,
    /// A relay is killed, and opened again.
    KilledRelay,
    /// A consumer is killed, and opened again.
    KilledConsumer,
    /// The wall clock of a machine goes wrong from the beginning. SQLite's own time does not.
    Skew,
    /// The wall clock of a machine is set, forward or back. SQLite's own time is not.
    ClockJump,
}

impl Trouble {
    /// All of them.
    pub const ALL: [Self; 13] = [
        Self::Lost,
        Self::LostAnswer,
        Self::Delayed,
        Self::LateAnswer,
        Self::EarlierAttempt,
        Self::Doubled,
        Self::Overtaken,
        Self::OneWay,
        Self::Reset,
        Self::KilledRelay,
        Self::KilledConsumer,
        Self::Skew,
        Self::ClockJump,
    ];
}

/// How often each kind of trouble happened.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Troubles([u64; Trouble::ALL.len()]);

impl Troubles {
    /// How often this one did.
    #[must_use]
    pub fn of(&self, trouble: Trouble) -> u64 {
        self.0[trouble as usize]
    }

    pub(crate) fn add(&mut self, trouble: Trouble) {
        self.0[trouble as usize] += 1;
    }

    pub(crate) fn add_all(&mut self, others: &Self) {
        self.0.iter_mut().zip(others.0).for_each(|(count, other)| *count += other);
    }
}

impl fmt::Display for Troubles {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (place, trouble) in Trouble::ALL.iter().enumerate() {
            let comma = if place == 0 { "" } else { ", " };
            write!(f, "{comma}{trouble:?} {}", self.of(*trouble))?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_kind_is_counted_at_its_place() {
        let mut troubles = Troubles::default();
        for (times, trouble) in Trouble::ALL.into_iter().enumerate() {
            (0..times).for_each(|_| troubles.add(trouble));
        }
        let mut twice = troubles;
        twice.add_all(&troubles);
        for (times, trouble) in (0..).zip(Trouble::ALL) {
            assert_eq!((troubles.of(trouble), twice.of(trouble)), (times, 2 * times));
        }
    }
}
