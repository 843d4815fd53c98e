//! One run: both programs at work, the strikes of the plan, and the end of it.

use crate::plan::{Strike, plan};
use crate::program::{Program, expect_success};
use crate::progress::{Progress, Sight};
use crate::shop::Outcome;
use crate::{now, pause};
use std::collections::VecDeque;
use std::path::PathBuf;
use std::time::{Duration, Instant};

const TICK: Duration = Duration::from_millis(1);
/// Nothing moved for so long: it hangs.
const STALLED: Duration = Duration::from_secs(20);
/// How long the orders take to place, if the machine is fast enough.
const PLACING_SECONDS: i64 = 14;

/// What was asked for.
pub(crate) struct Wish {
    pub(crate) kills: u64,
    pub(crate) orders: i64,
    pub(crate) seed: u64,
    pub(crate) shop: PathBuf,
    pub(crate) warehouse: PathBuf,
}

/// Two programs, and what is to happen to them.
pub(crate) struct Run<'a> {
    wish: &'a Wish,
    producer: Program,
    worker: Program,
    strikes: VecDeque<Strike>,
    /// How many orders are to be placed; more than was asked for, if the kills need them.
    goal: i64,
    /// The shop has closed.
    closed: bool,
    progress: Progress,
    moved: (i64, Instant),
}

impl<'a> Run<'a> {
    pub(crate) fn new(wish: &'a Wish) -> Self {
        Self {
            wish,
            producer: Program::new("producer"),
            worker: Program::new("worker"),
            strikes: plan(wish.kills, wish.orders, wish.seed).into(),
            goal: wish.orders,
            closed: false,
            progress: Progress::new(),
            moved: (0, now()),
        }
    }

    /// Runs it to its end. A run that is dropped takes its children with it.
    pub(crate) fn finish(&mut self) -> Outcome<()> {
        let outcome = self.work();
        self.progress.clear();
        outcome
    }

    fn work(&mut self) -> Outcome<()> {
        self.open_shop()?;
        self.worker.start(&self.worker_arguments(false))?;
        while !self.closed || self.worker.count < self.producer.count {
            self.step()?;
        }
        self.worker.stop(STALLED, now)?;
        self.drain()
    }

    fn step(&mut self) -> Outcome<()> {
        pause(TICK);
        self.watch_producer()?;
        let ended = self.worker.observe()?;
        expect_success("worker", ended)?;
        if ended.is_some() || self.worker.is_to_return(now()) {
            self.worker.start(&self.worker_arguments(false))?;
        }
        if self.strikes.front().is_some_and(|strike| self.is_time_for(strike))
            && let Some(strike) = self.strikes.pop_front()
        {
            self.strike(strike)?;
        }
        self.show()
    }

    fn watch_producer(&mut self) -> Outcome<()> {
        let ended = self.producer.observe()?;
        expect_success("producer", ended)?;
        if ended.is_some() {
            self.producer.count = self.goal;
            // The shop stays open until the last strike.
            self.closed = self.strikes.is_empty();
            self.goal += if self.closed { 0 } else { self.wish.orders.div_euclid(10).max(1_000) };
        }
        if !self.closed && (ended.is_some() || self.producer.is_to_return(now())) {
            self.open_shop()?;
        }
        Ok(())
    }

    fn is_time_for(&self, strike: &Strike) -> bool {
        let Strike { victim, orders, .. } = strike;
        self.producer.count >= *orders
            && (!victim.is_producer() || self.producer.is_at_work())
            && (!victim.is_worker() || self.worker.is_at_work())
    }

    fn strike(&mut self, strike: Strike) -> Outcome<()> {
        pause(strike.delay);
        let down_until = now() + strike.downtime;
        let Strike { victim, .. } = strike;
        // One that ended by itself a moment before was not hit: it is looked for again.
        let producer = !victim.is_producer() || self.producer.kill(down_until)?;
        let worker = !victim.is_worker() || self.worker.kill(down_until)?;
        if !(producer && worker) {
            self.strikes.push_front(strike);
        }
        Ok(())
    }

    /// What is left is delivered by a worker that ends when it is idle.
    fn drain(&mut self) -> Outcome<()> {
        self.worker.start(&self.worker_arguments(true))?;
        loop {
            pause(TICK);
            let ended = self.worker.observe()?;
            expect_success("worker", ended)?;
            if ended.is_some() {
                return Ok(());
            }
            self.show()?;
        }
    }

    fn show(&mut self) -> Outcome<()> {
        let (producer, worker) = (&self.producer, &self.worker);
        let sight = Sight {
            placed: producer.count,
            shipped: worker.count,
            goal: self.goal,
            kills: self.kills(),
            planned_kills: self.wish.kills,
        };
        let now = now();
        self.progress.show(&sight, now);
        let (count, since) = self.moved;
        if producer.count + worker.count > count {
            self.moved = (producer.count + worker.count, now);
        } else if now - since > STALLED {
            return Err(format!("nothing has moved for {} s", STALLED.as_secs()).into());
        }
        Ok(())
    }

    pub(crate) fn kills(&self) -> u64 {
        self.producer.kills + self.worker.kills
    }

    fn open_shop(&mut self) -> Outcome<()> {
        let rate = (self.wish.orders / PLACING_SECONDS).max(500);
        self.producer.start(&[
            "--db".into(),
            self.wish.shop.to_string_lossy().into(),
            "--orders".into(),
            self.goal.to_string(),
            "--rate".into(),
            rate.to_string(),
        ])
    }

    fn worker_arguments(&self, until_idle: bool) -> Vec<String> {
        let mut arguments = vec![
            "--outbox".into(),
            self.wish.shop.to_string_lossy().into(),
            "--inbox".into(),
            self.wish.warehouse.to_string_lossy().into(),
        ];
        if until_idle {
            arguments.push("--until-idle".into());
        }
        arguments
    }
}
