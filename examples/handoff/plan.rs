//! Who is killed, and when: decided before the run, from a seed.

use crate::shop::chance::Chance;
use std::time::Duration;

/// Of the orders, in percent: before and after these nobody is killed.
const FIRST: u64 = 3;
const LAST: u64 = 85;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Victim {
    Producer,
    Worker,
    /// Both at once: nobody is left who has the databases open.
    Both,
}

impl Victim {
    pub(crate) fn is_producer(self) -> bool {
        self != Self::Worker
    }

    pub(crate) fn is_worker(self) -> bool {
        self != Self::Producer
    }
}

/// One strike.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Strike {
    pub(crate) victim: Victim,
    /// Not before so many orders are placed.
    pub(crate) orders: i64,
    /// And so long after the victim was seen at work: anywhere in a transaction.
    pub(crate) delay: Duration,
    /// Then it stays down for so long.
    pub(crate) downtime: Duration,
}

/// So many kills, spread over the orders.
pub(crate) fn plan(kills: u64, orders: i64, seed: u64) -> Vec<Strike> {
    let mut chance = Chance::new(seed);
    let victims = victims(kills, &mut chance);
    let (count, orders) = (victims.len() as u64, orders.unsigned_abs());
    let share = orders.saturating_mul(LAST - FIRST) / 100;
    let strike = |(index, victim): (usize, Victim)| {
        let spread = share * index as u64 / count + chance.below(share / count + 1);
        Strike {
            victim,
            orders: (orders.saturating_mul(FIRST) / 100 + spread).cast_signed(),
            delay: Duration::from_micros(chance.below(15_000)),
            downtime: Duration::from_millis(chance.below(200)),
        }
    };
    victims.into_iter().enumerate().map(strike).collect()
}

/// One strike in five hits both; the others take turns, more or less.
fn victims(kills: u64, chance: &mut Chance) -> Vec<Victim> {
    let mut victims = Vec::new();
    let (mut producer, mut worker) = (0, 0);
    while producer + worker < kills {
        let victim = match chance.below(5) {
            0 if producer + worker + 2 <= kills => Victim::Both,
            drawn if producer + drawn / 3 <= worker => Victim::Producer,
            _ => Victim::Worker,
        };
        producer += u64::from(victim.is_producer());
        worker += u64::from(victim.is_worker());
        victims.push(victim);
    }
    victims
}
