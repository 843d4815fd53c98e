//! One direction of the way between two machines: when it is closed, and who was overtaken on it.

use super::weather::Weather;
use crate::testing::dice::Dice;
use std::time::Duration;

/// A direction of a way.
#[derive(Clone, Debug, Default)]
pub(crate) struct Way {
    /// It is closed from here to there; before it is open, and after it another closing is drawn.
    closed: Option<(Duration, Duration)>,
    /// When the last thing sent on it arrives.
    last_due: Duration,
    /// The newest thing that arrived.
    arrived: u64,
}

impl Way {
    /// Whether what is sent on it now is lost.
    pub(crate) fn is_closed(&mut self, weather: &Weather, now: Duration, dice: &mut Dice) -> bool {
        while self.closed.is_none_or(|(_, to)| to <= now) {
            let begins = self.closed.map_or(Duration::ZERO, |(_, to)| to);
            let Some((open, closed)) = weather.next_closing(dice) else { return false };
            self.closed = Some((begins + open, begins + open + closed));
        }
        self.closed.is_some_and(|(from, to)| from <= now && now < to)
    }

    /// When something arrives that is due then: not before what was sent before it, if nothing
    /// overtakes anything.
    pub(crate) fn arrival(&mut self, due: Duration, in_order: bool) -> Duration {
        let due = if in_order { due.max(self.last_due) } else { due };
        self.last_due = self.last_due.max(due);
        due
    }

    /// Something arrives; says whether it overtook something that was sent before it, or comes
    /// after something that overtook it.
    pub(crate) fn arrives(&mut self, number: u64) -> bool {
        let is_overtaken = number < self.arrived;
        self.arrived = self.arrived.max(number);
        is_overtaken
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ms(time: u64) -> Duration {
        Duration::from_millis(time)
    }

    #[test]
    fn it_is_open_and_closed_by_turns() {
        let mut dice = Dice::new(4);
        let weather = Weather::drawn(&[], &mut dice);
        let weather = Weather { closes_ms: Some((10, 10)), ..weather };
        let mut way = Way::default();
        let closed: Vec<bool> =
            (0..2_000).map(|at| way.is_closed(&weather, ms(at), &mut dice)).collect();
        assert!(!closed[0], "it begins open");
        let turns = closed.windows(2).filter(|two| two[0] != two[1]).count();
        assert!(turns > 200, "{turns}");
        let share = closed.iter().filter(|closed| **closed).count();
        assert!((800..1_200).contains(&share), "{share}");
        let calm = Weather { closes_ms: None, ..weather };
        assert!(!Way::default().is_closed(&calm, ms(5), &mut dice));
    }

    #[test]
    fn in_order_nothing_arrives_before_what_was_sent_before() {
        let mut way = Way::default();
        assert_eq!(way.arrival(ms(9), true), ms(9));
        assert_eq!(way.arrival(ms(5), true), ms(9));
        assert_eq!(way.arrival(ms(5), false), ms(5));
        assert_eq!(way.arrival(ms(6), true), ms(9));
        assert!(!way.arrives(1) && !way.arrives(3) && !way.arrives(3));
        assert!(way.arrives(2));
    }
}
