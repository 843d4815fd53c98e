//! What the weather does to each thing that is sent: decided by rates and dice alone.
//!
//! The rates are drawn per seed, each kind of trouble being absent or frequent by itself, many of
//! them rare as well, so that over many seeds all of their combinations come. Nothing here touches
//! anything.

use super::trouble::Trouble;
use crate::testing::dice::Dice;
use std::time::Duration;

/// Rates are of a thousand.
const WHOLE: u64 = 1_000;
/// A long time, in milliseconds, longer than many wait: from here ...
const LONG_FROM_MS: u64 = 1_000;
/// ... up to here.
const LONG_TO_MS: u64 = 60_000;

/// Which way something goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Direction {
    /// From a relay to a consumer.
    There,
    Back,
}

/// What becomes of something that is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fate {
    Lost,
    /// Arrives after so long.
    Once(Duration),
    Twice(Duration, Duration),
}

/// What a storm leaves of the programs that ran through it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Aftermath {
    /// They go on.
    GoOn,
    /// They are stopped in good order.
    Stop,
    Killed,
}

/// What may happen in one seed, and how often.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Weather {
    /// How long something is under way, in milliseconds: from, and up to.
    pub(crate) slow_ms: (u64, u64),
    /// What is sent first arrives first, on each way.
    pub(crate) in_order: bool,
    pub(crate) lost: u64,
    pub(crate) answers_lost: u64,
    pub(crate) delayed: u64,
    pub(crate) answers_late: u64,
    pub(crate) doubled: u64,
    /// Of a thousand requests.
    pub(crate) resets: u64,
    /// How long a direction is open and then closed, in milliseconds, up to; none: never closed.
    pub(crate) closes_ms: Option<(u64, u64)>,
    /// Of a thousand steps of programs.
    pub(crate) relay_kills: u64,
    /// Of a thousand things that arrive.
    pub(crate) consumer_kills: u64,
    pub(crate) skewed: bool,
    /// Of a thousand steps.
    pub(crate) jumps: u64,
    /// After so long it is over.
    pub(crate) lasts: Duration,
    pub(crate) aftermath: Aftermath,
}

impl Weather {
    /// Draws weather with these kinds of trouble in it.
    pub(crate) fn drawn(among: &[Trouble], dice: &mut Dice) -> Self {
        use Trouble::*;
        // Now and then nothing is wrong, but that everything takes its time.
        let is_calm = dice.roll(16) == 0;
        let mut rate = |kinds: &[Trouble], often: u64| {
            let rate = dice.pick([0, 0, often / 8, often]);
            let is_meant = kinds.iter().any(|kind| among.contains(kind));
            if is_meant && !is_calm { rate } else { 0 }
        };
        let lost = rate(&[Lost], 400);
        let answers_lost = rate(&[LostAnswer], 400);
        let delayed = rate(&[Delayed], 300);
        let answers_late = rate(&[LateAnswer, EarlierAttempt], 400);
        let doubled = rate(&[Doubled], 400);
        let resets = rate(&[Reset], 300);
        let relay_kills = rate(&[KilledRelay], 40);
        let consumer_kills = rate(&[KilledConsumer], 80);
        let jumps = rate(&[ClockJump], 40);
        let closes = rate(&[OneWay], 2) > 0;
        let skewed = rate(&[Skew], 2) > 0;
        let in_order = rate(&[Overtaken], 2) == 0;
        let aftermath = if among.contains(&KilledRelay) && !is_calm {
            dice.pick([Aftermath::GoOn, Aftermath::Stop, Aftermath::Killed])
        } else {
            Aftermath::GoOn
        };
        let up_to = dice.pick([1, 5, 50, 500]);
        Self {
            slow_ms: (dice.roll(up_to), up_to),
            in_order,
            lost,
            answers_lost,
            delayed,
            answers_late,
            doubled,
            resets,
            closes_ms: closes
                .then(|| (dice.pick([500, 5_000, 20_000]), dice.pick([200, 3_000, 40_000]))),
            relay_kills,
            consumer_kills,
            skewed,
            jumps,
            lasts: Duration::from_millis(dice.pick([2_000, 15_000, 60_000])),
            aftermath,
        }
    }

    /// What becomes of something that is sent.
    pub(crate) fn fate(&self, direction: Direction, dice: &mut Dice) -> Fate {
        let (lost, late) = match direction {
            Direction::There => (self.lost, self.delayed),
            Direction::Back => (self.answers_lost, self.answers_late),
        };
        if happens(lost, dice) {
            return Fate::Lost;
        }
        let first = self.time_under_way(late, dice);
        match happens(self.doubled, dice) {
            true => Fate::Twice(first, self.time_under_way(late, dice)),
            false => Fate::Once(first),
        }
    }

    fn time_under_way(&self, late: u64, dice: &mut Dice) -> Duration {
        let (from, to) = match happens(late, dice) {
            true => (LONG_FROM_MS, LONG_TO_MS),
            false => self.slow_ms,
        };
        Duration::from_millis(from + dice.roll(to.saturating_sub(from) + 1))
    }

    /// After how many of the answers to a request its connection is reset; none: it holds.
    pub(crate) fn reset_after(&self, answers: usize, dice: &mut Dice) -> Option<usize> {
        happens(self.resets, dice).then(|| dice.below(answers.max(1)))
    }

    /// Whether a consumer is killed when something arrives, and for how long it is away.
    pub(crate) fn kills_consumer(&self, dice: &mut Dice) -> Option<Duration> {
        happens(self.consumer_kills, dice).then(|| away(dice))
    }

    /// Whether a relay is killed in this step, and for how long it is away.
    pub(crate) fn kills_relay(&self, dice: &mut Dice) -> Option<Duration> {
        happens(self.relay_kills, dice).then(|| away(dice))
    }

    /// Whether a wall clock is set in this step, and by how many milliseconds.
    pub(crate) fn jump(&self, dice: &mut Dice) -> Option<i64> {
        happens(self.jumps, dice).then(|| jump(dice))
    }

    /// By how many milliseconds the clock of one machine is wrong.
    pub(crate) fn skew(&self, dice: &mut Dice) -> Option<i64> {
        self.skewed.then(|| jump(dice))
    }

    /// How long a direction stays open, and then closed.
    pub(crate) fn next_closing(&self, dice: &mut Dice) -> Option<(Duration, Duration)> {
        let (open, closed) = self.closes_ms?;
        let up_to = |most, dice: &mut Dice| Duration::from_millis(1 + dice.roll(most));
        Some((up_to(open, dice), up_to(closed, dice)))
    }
}

/// How long somebody keeps the hope that something lost is answered.
pub(crate) fn hope(dice: &mut Dice) -> Duration {
    up_to([1, 1_000, LONG_TO_MS], dice)
}

/// How long it takes until somebody notices something, or does the next thing.
pub(crate) fn pause(dice: &mut Dice) -> Duration {
    up_to([1, 10, 100, 1_000], dice)
}

/// Whether this is a long time.
pub(crate) fn is_long(time: Duration) -> bool {
    time >= Duration::from_millis(LONG_FROM_MS)
}

fn happens(rate: u64, dice: &mut Dice) -> bool {
    rate > 0 && dice.roll(WHOLE) < rate
}

fn away(dice: &mut Dice) -> Duration {
    up_to([1, 300, 10_000], dice)
}

/// A time below one of these, in milliseconds.
fn up_to<const N: usize>(most_ms: [u64; N], dice: &mut Dice) -> Duration {
    let most_ms = dice.pick(most_ms);
    Duration::from_millis(dice.roll(most_ms))
}

/// Seconds to a year, in either direction, in milliseconds.
fn jump(dice: &mut Dice) -> i64 {
    const SECOND: u64 = 1_000;
    const DAY: u64 = 86_400 * SECOND;
    let up_to = dice.pick([SECOND, 60 * SECOND, 3_600 * SECOND, DAY, 365 * DAY]);
    let by = 1 + dice.roll(up_to).cast_signed();
    if dice.roll(2) == 0 { by } else { -by }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn foul() -> Weather {
        let mut dice = Dice::new(1);
        Weather { in_order: false, ..Weather::drawn(&[], &mut dice) }
    }

    fn share(of: usize, what: impl Fn(&mut Dice) -> bool) -> f64 {
        let mut dice = Dice::new(7);
        (0..of).filter(|_| what(&mut dice)).count() as f64 / of as f64
    }

    #[test]
    fn what_is_not_among_the_troubles_does_not_happen() {
        for seed in 0..500 {
            let mut dice = Dice::new(seed);
            let weather = Weather::drawn(&[], &mut dice);
            for direction in [Direction::There, Direction::Back] {
                let fate = weather.fate(direction, &mut dice);
                assert!(matches!(fate, Fate::Once(time) if time <= Duration::from_millis(500)));
            }
            assert_eq!(weather.reset_after(5, &mut dice), None);
            assert_eq!(weather.kills_relay(&mut dice), None);
            assert_eq!(weather.kills_consumer(&mut dice), None);
            assert_eq!(weather.next_closing(&mut dice), None);
            assert_eq!((weather.jump(&mut dice), weather.skew(&mut dice)), (None, None));
            assert!(weather.in_order && weather.aftermath == Aftermath::GoOn);
        }
    }

    #[test]
    fn it_happens_as_often_as_the_rates_say() {
        let weather = Weather { lost: 100, answers_lost: 900, doubled: 500, ..foul() };
        let is = |direction, wanted: fn(Fate) -> bool| {
            share(20_000, |dice| wanted(weather.fate(direction, dice)))
        };
        assert!((0.09..0.11).contains(&is(Direction::There, |fate| fate == Fate::Lost)));
        assert!((0.89..0.91).contains(&is(Direction::Back, |fate| fate == Fate::Lost)));
        let twice = is(Direction::There, |fate| matches!(fate, Fate::Twice(..)));
        assert!((0.44..0.46).contains(&twice), "{twice}");
    }

    #[test]
    fn a_late_answer_is_longer_under_way_than_anybody_waits() {
        let weather = Weather { answers_late: WHOLE, ..foul() };
        let mut dice = Dice::new(2);
        for _ in 0..1_000 {
            let Fate::Once(time) = weather.fate(Direction::Back, &mut dice) else { panic!() };
            assert!((LONG_FROM_MS..=LONG_TO_MS).contains(&(time.as_millis() as u64)));
            let Fate::Once(time) = weather.fate(Direction::There, &mut dice) else { panic!() };
            assert!(time.as_millis() as u64 <= weather.slow_ms.1);
        }
    }

    #[test]
    fn a_reset_comes_in_the_middle_of_the_answers() {
        let weather = Weather { resets: WHOLE, ..foul() };
        let mut dice = Dice::new(3);
        let places = (0..200).map(|_| weather.reset_after(4, &mut dice).unwrap());
        let places: std::collections::BTreeSet<usize> = places.collect();
        assert_eq!(places, (0..4).collect());
        assert_eq!(weather.reset_after(0, &mut dice), Some(0));
    }

    #[test]
    fn every_pair_of_troubles_comes_together_in_some_seed() {
        let drawn = |seed| Weather::drawn(&Trouble::ALL, &mut Dice::new(seed));
        let has = |weather: &Weather| {
            [
                weather.lost > 0,
                weather.answers_lost > 0,
                weather.delayed > 0,
                weather.answers_late > 0,
                weather.doubled > 0,
                weather.resets > 0,
                weather.closes_ms.is_some(),
                weather.relay_kills > 0,
                weather.consumer_kills > 0,
                weather.skewed,
                weather.jumps > 0,
                !weather.in_order,
                weather.aftermath == Aftermath::Killed,
            ]
        };
        let all: Vec<_> = (0..300).map(|seed| has(&drawn(seed))).collect();
        for one in 0..13 {
            for other in 0..13 {
                assert!(all.iter().any(|has| has[one] && has[other]), "{one} and {other}");
                assert!(one == other || all.iter().any(|has| has[one] && !has[other]));
            }
        }
        assert!(all.iter().any(|has| has.iter().all(|one| !one)), "nothing wrong anywhere");
        assert_eq!(drawn(5), drawn(5));
    }
}
