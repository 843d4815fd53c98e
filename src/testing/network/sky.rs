//! The weather of one seed as it goes on, and what has been seen of it.

use super::trouble::{Trouble, Troubles};
use super::weather::Weather;
use crate::testing::dice::Dice;
use std::time::Duration;

/// The weather of one seed, and the dice that everything in it is drawn by.
#[derive(Clone, Debug)]
pub(crate) struct Sky {
    pub(crate) weather: Weather,
    pub(crate) dice: Dice,
    /// By the clock that only grows.
    over: Duration,
}

/// What a network has seen.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Seen {
    /// Things that arrived, were lost, or found nobody.
    pub(crate) events: u64,
    pub(crate) troubles: Troubles,
}

impl Sky {
    /// The weather of a seed, which begins now.
    pub(crate) fn of_seed(seed: u64, among: &[Trouble], now: Duration) -> Self {
        let mut dice = Dice::new(seed);
        let weather = Weather::drawn(among, &mut dice);
        let over = now + weather.lasts;
        Self { weather, dice, over }
    }

    pub(crate) fn is_foul(&self, now: Duration) -> bool {
        now < self.over
    }

    /// When it is over.
    pub(crate) fn over(&self) -> Duration {
        self.over
    }

    /// It is over now.
    pub(crate) fn clear(&mut self, now: Duration) {
        self.over = self.over.min(now);
    }
}
