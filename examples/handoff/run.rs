//! One run: the programs at work, the strikes of the plan, and the end of it.

use crate::plan::{Strike, plan};
use crate::program::{Program, expect_success};
use crate::progress::{Progress, Sight};
use crate::proxy::Proxy;
use crate::shop::Outcome;
use crate::{now, pause};
use std::collections::VecDeque;
use std::net::{SocketAddr, TcpListener};
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
    /// Over HTTP, with a bad network in between; without, the relay has the inbox in its process.
    pub(crate) http: bool,
    pub(crate) shop: PathBuf,
    pub(crate) warehouse: PathBuf,
}

/// The programs, and what is to happen to them.
pub(crate) struct Run<'a> {
    wish: &'a Wish,
    producer: Program,
    worker: Program,
    service: Option<Service>,
    strikes: VecDeque<Strike>,
    /// How many orders are to be placed; more than was asked for, if the kills need them.
    goal: i64,
    /// The shop has closed.
    closed: bool,
    progress: Progress,
    moved: (i64, Instant),
}

/// The warehouse as a program of its own, and the network before it.
struct Service {
    consumer: Program,
    listens_at: SocketAddr,
    proxy: Proxy,
}

impl Service {
    fn new(seed: u64) -> Outcome<Self> {
        // A port that was free a moment ago: the same one after each of its deaths.
        let listens_at = TcpListener::bind(("127.0.0.1", 0))?.local_addr()?;
        let proxy = Proxy::start(listens_at, seed)?;
        Ok(Self { consumer: Program::new("consumer"), listens_at, proxy })
    }

    fn start(&mut self, wish: &Wish) -> Outcome<()> {
        let inbox = wish.warehouse.to_string_lossy().into();
        let listens_at = self.listens_at.to_string();
        self.consumer.start(&["--inbox".into(), inbox, "--listen".into(), listens_at])
    }

    fn watch(&mut self, wish: &Wish) -> Outcome<()> {
        let ended = self.consumer.observe()?;
        expect_success("consumer", ended)?;
        if ended.is_some() || self.consumer.is_to_return(now()) {
            self.start(wish)?;
        }
        Ok(())
    }
}

impl<'a> Run<'a> {
    pub(crate) fn new(wish: &'a Wish) -> Outcome<Self> {
        Ok(Self {
            wish,
            producer: Program::new("producer"),
            worker: Program::new("worker"),
            service: wish.http.then(|| Service::new(wish.seed)).transpose()?,
            strikes: plan(wish.kills, wish.orders, wish.seed).into(),
            goal: wish.orders,
            closed: false,
            progress: Progress::new(),
            moved: (0, now()),
        })
    }

    /// What the network did, if there was one.
    pub(crate) fn troubles(&self) -> Option<String> {
        self.service.as_ref().map(|service| service.proxy.troubles.to_string())
    }

    /// Runs it to its end. A run that is dropped takes its children with it.
    pub(crate) fn finish(&mut self) -> Outcome<()> {
        let outcome = self.work();
        self.progress.clear();
        outcome
    }

    fn work(&mut self) -> Outcome<()> {
        self.open_shop()?;
        if let Some(service) = &mut self.service {
            service.start(self.wish)?;
        }
        self.worker.start(&self.worker_arguments(false))?;
        while !self.closed || self.worker.count < self.producer.count {
            self.step()?;
        }
        self.worker.stop(STALLED, now)?;
        self.drain()?;
        self.service.as_mut().map_or(Ok(()), |service| service.consumer.stop(STALLED, now))
    }

    fn step(&mut self) -> Outcome<()> {
        pause(TICK);
        self.watch_producer()?;
        if let Some(service) = &mut self.service {
            service.watch(self.wish)?;
        }
        let ended = self.worker.observe()?;
        expect_success("worker", ended)?;
        if ended.is_some() || self.worker.is_to_return(now()) {
            self.worker.start(&self.worker_arguments(false))?;
        }
        if let Some(strike) = self.strikes.front().copied()
            && self.is_time_for(&strike)
        {
            self.strikes.pop_front();
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

    fn is_time_for(&mut self, strike: &Strike) -> bool {
        let Strike { victim, orders, .. } = strike;
        self.producer.count >= *orders
            && (!victim.is_producer() || self.producer.is_at_work())
            && (!victim.is_worker() || self.turn().is_at_work())
    }

    /// Of the two programs on the other side the one that was hit less often.
    fn turn(&mut self) -> &mut Program {
        match &mut self.service {
            Some(service) if service.consumer.kills < self.worker.kills => &mut service.consumer,
            _ => &mut self.worker,
        }
    }

    fn strike(&mut self, strike: Strike) -> Outcome<()> {
        pause(strike.delay);
        let down_until = now() + strike.downtime;
        let Strike { victim, .. } = strike;
        // One that ended by itself a moment before was not hit: it is looked for again.
        let producer = !victim.is_producer() || self.producer.kill(down_until)?;
        let worker = !victim.is_worker() || self.turn().kill(down_until)?;
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
            if let Some(service) = &mut self.service {
                service.watch(self.wish)?;
            }
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
        let service = self.service.as_ref().map_or(0, |service| service.consumer.kills);
        self.producer.kills + self.worker.kills + service
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
        if let Some(service) = &self.service {
            let url = format!("http://{}/inbox", service.proxy.address);
            // Small ones, and several at a time: they overtake each other, too.
            let many = ["--batches", "16", "--requests", "4"].map(String::from);
            arguments.extend(["--to".into(), url].into_iter().chain(many));
        }
        if until_idle {
            arguments.push("--until-idle".into());
        }
        arguments
    }
}
