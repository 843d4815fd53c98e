//! The world a test plays in: machines with disks, a network, a clock, and services outside.

use super::disk::{Disk, Machine, Op, Plan, Platter, Profile, machine_of};
use super::drive::Stores;
use super::events::Event;
use super::external::External;
use super::memory;
use super::network::{Consumer, Link, Network, Sky, Together, Trouble};
use super::script::{Asked, Failed};
use super::time::{MachineClock, ManualClock, SeededEntropy};
use super::vfs::Mounted;
use crate::clock::Clock;
use crate::database::{Database, Held};
use crate::error::{Error, ErrorKind, Result};
use crate::failure::Failure;
use crate::inbox::Inbox;
use crate::message::Envelope;
use crate::relay::Relay;
use crate::relay::steps::{Stands, Stepped};
use rusqlite::{Connection, OpenFlags};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// A relay that has not come to rest after so many steps never will.
const STEPS: usize = 100_000;
/// Nor will one that has waited so often, for a disk that stays full for instance.
const WAITS: usize = 500;

/// Everything a scenario touches. Clones are the same world.
///
/// A path names a machine and a file on it: `"shop/shop.db"`. What is on one machine loses power
/// together.
#[derive(Clone)]
pub struct World(Arc<Shared>);

struct Shared {
    // Its consumers have files open: they go before the disk does.
    network: Network,
    /// What async handles have their work done by.
    stores: Mutex<Stores>,
    /// Connections to look through, which nobody writes through. They are closed before the disk
    /// they are on goes.
    looking: Mutex<HashMap<String, Connection>>,
    disk: Arc<Disk>,
    mounted: Mounted,
    clock: Arc<ManualClock>,
    clocks: Mutex<BTreeMap<Machine, Arc<MachineClock>>>,
    entropy: Arc<SeededEntropy>,
    locks: Locks,
    /// The databases that were named, also before the crash.
    named: Mutex<BTreeSet<String>>,
    /// The promises that somebody asked for, in all worlds of the test.
    asked: Asked,
    /// What was seen before this world began, by those who do not forget.
    past: Vec<Event>,
}

type Locks = Arc<Mutex<BTreeSet<PathBuf>>>;

/// How a world begins.
#[derive(Debug)]
pub(crate) struct Beginning {
    pub(crate) profile: Profile,
    pub(crate) disks: Platter,
    pub(crate) plan: Plan,
    pub(crate) named: BTreeSet<String>,
    pub(crate) asked: Asked,
    pub(crate) past: Vec<Event>,
    pub(crate) passed: Duration,
    pub(crate) seed: u64,
    pub(crate) sky: Option<Sky>,
}

impl World {
    pub(crate) fn new(beginning: Beginning) -> Self {
        memory::take_over();
        let Beginning { profile, disks, plan, named, asked, past, passed, seed, sky } = beginning;
        let disk = Arc::new(Disk::new(profile, disks, plan));
        let clock = Arc::new(ManualClock::starting_at(passed));
        let mounted = Mounted::new(Arc::clone(&disk), Arc::clone(&clock) as _);
        Self(Arc::new(Shared {
            network: Network::new(Arc::clone(&clock), Arc::clone(&disk), sky),
            disk,
            mounted,
            clock,
            clocks: Mutex::default(),
            entropy: Arc::new(SeededEntropy::new(seed)),
            locks: Locks::default(),
            stores: Mutex::default(),
            looking: Mutex::default(),
            named: Mutex::new(named),
            asked,
            past,
        }))
    }

    /// A database on a machine of this world, for [`Outbox::open`](crate::Outbox::open) and its
    /// like.
    ///
    /// # Panics
    ///
    /// When the path does not name a machine and a file on it.
    pub fn database(&self, path: &str) -> Database {
        let machine = machine_of(path);
        let is_plain = !machine.contains(|letter: char| letter.is_whitespace() || letter == '+');
        let has_file = path.trim_start_matches('/').contains('/');
        assert!(has_file && is_plain, "{path:?} is no machine and file, as \"shop/shop.db\" is");
        locked(&self.0.named).insert(full(path));
        let vfs = self.0.mounted.name();
        let locks = Arc::clone(&self.0.locks);
        Database::new(full(path))
            .opened_by(move |path| {
                Connection::open_with_flags_and_vfs(path, OpenFlags::default(), vfs)
            })
            .locked_by(move |path| Ok(take_lock(&locks, path)))
            .clock(self.clock_of(machine) as _)
            .entropy(Arc::clone(&self.0.entropy) as _)
    }

    /// A connection of the application's own.
    ///
    /// # Errors
    ///
    /// What SQLite says.
    pub fn connect(&self, path: &str) -> rusqlite::Result<Connection> {
        self.database(path).connect()
    }

    /// Looks into a database through a connection that is kept: for invariants, which look into
    /// the same few databases after thousands of crashes.
    ///
    /// # Errors
    ///
    /// What `look` returns, and what SQLite says when it opens the file.
    pub fn look<T>(
        &self,
        path: &str,
        look: impl FnOnce(&Connection) -> rusqlite::Result<T>,
    ) -> rusqlite::Result<T> {
        let path = full(path);
        // Taken out, for whoever looks into another one meanwhile.
        let kept = locked(&self.0.looking).remove(&path);
        let connection = kept.map_or_else(|| self.connect(&path), Ok)?;
        let seen = look(&connection);
        locked(&self.0.looking).insert(path, connection);
        seen
    }

    /// Leaves a database behind: a copy has taken its place, and it is not looked at unasked any
    /// more.
    pub fn abandon(&self, path: &str) {
        locked(&self.0.named).remove(&full(path));
    }

    /// The databases that somebody has named and nobody abandoned.
    pub(crate) fn named(&self) -> BTreeSet<String> {
        locked(&self.0.named).clone()
    }

    /// Notes that somebody outside was told that this is done. From here on it must not be lost.
    pub fn promised(&self, what: &str, id: impl fmt::Display) {
        self.note(Event::Promised { what: what.into(), id: id.to_string() });
    }

    /// Everybody who was promised this, in order.
    #[must_use]
    pub fn promises(&self, what: &str) -> Vec<String> {
        locked(&self.0.asked).insert(what.into());
        let mut promises = Vec::new();
        for event in self.events() {
            if let Event::Promised { what: promised, id } = event
                && promised == what
            {
                promises.push(id);
            }
        }
        promises
    }

    /// A service outside, which remembers what it was called for.
    #[must_use]
    pub fn external(&self, service: &str) -> External {
        External::new(self.clone(), service)
    }

    /// Marks a place that a test wants to have been at.
    pub fn reached(&self, name: &str) {
        self.note(Event::Reached(name.into()));
    }

    /// A transport that ends in this inbox, over the network of this world. The inbox stays open
    /// until the world ends, as that of a consumer that goes on running, and nothing kills it; see
    /// [`consumer`](Self::consumer) for one that weather can.
    #[must_use]
    pub fn link(&self, inbox: Inbox) -> Link {
        self.0.network.link(inbox)
    }

    /// A consumer of this name: this function opens it now, and again when it was killed. It takes
    /// the place of whoever had the name before, and gets what was sent to them.
    ///
    /// ```
    /// # use surehand::testing::{CrashTest, Failed, World};
    /// use surehand::{Effect, Inbox, Json, Relay};
    ///
    /// fn deliver(w: &World) -> Result<(), Failed> {
    ///     let depot = w.consumer("depot", |w| {
    ///         let inbox = Inbox::open(w.database("depot/depot.db"))?;
    ///         Ok(inbox.on("sale", |tx: &Effect, sale: Json<i64>| {
    ///             tx.execute("INSERT INTO parcel VALUES (?1)", [*sale])?;
    ///             Ok(())
    ///         }))
    ///     })?;
    ///     let relay = Relay::open(w.database("shop/shop.db"))?;
    ///     w.run(relay.deliver_to(depot.link("shop")))?;
    ///     Ok(())
    /// }
    /// # let _ = CrashTest::new("deliver").scenario(deliver);
    /// ```
    ///
    /// # Errors
    ///
    /// What opening it for the first time says.
    pub fn consumer<F>(&self, name: &str, open: F) -> Result<Consumer, Failed>
    where
        F: Fn(&Self) -> Result<Inbox, Failed> + Send + Sync + 'static,
    {
        self.0.network.consumer(self, name, open)
    }

    /// A consumer of this name that is no inbox, but a function: it remembers nothing, and is
    /// called for every copy of a message that arrives.
    #[must_use]
    pub fn function<F>(&self, name: &str, call: F) -> Consumer
    where
        F: Fn(&Self, &Envelope) -> Result<(), Failure> + Send + Sync + 'static,
    {
        self.0.network.function(name, call)
    }

    /// Lets a relay run until nothing is left to deliver, and stops it in good order.
    ///
    /// # Errors
    ///
    /// What the relay ends with; [`ErrorKind::Busy`] when it does not come to rest.
    pub fn run(&self, relay: Relay) -> Result<()> {
        match self.steps(relay, |_| false)? {
            Some(idle) => idle.finish(),
            None => Ok(()),
        }
    }

    /// Lets a relay run until this says so, which it asks after each step, and kills it then: what
    /// is under way is under way, and its answers reach nobody. Others find its locks free.
    ///
    /// # Errors
    ///
    /// As [`run`](Self::run); and [`ErrorKind::Stopped`] when it came to rest before.
    pub fn kill_when(&self, relay: Relay, is_time: impl Fn(&Self) -> bool) -> Result<()> {
        match self.steps(relay, is_time)? {
            Some(_) => Err(Error::new(ErrorKind::Stopped, "the relay came to rest", "see why")),
            None => Ok(()),
        }
    }

    /// Until nothing is left, or it was time to die.
    fn steps(&self, relay: Relay, is_time: impl Fn(&Self) -> bool) -> Result<Option<Stepped>> {
        let network = &self.0.network;
        let mut relay = Stepped::new(relay);
        network.set_patience(relay.patience());
        let (mut waits, mut last) = (0, Stands::Busy);
        for _ in 0..STEPS {
            let stands = relay.step()?;
            if self.is_dropped() {
                drop(relay);
                let what = "the relay was dropped between two steps";
                return Err(Error::new(ErrorKind::Stopped, what, "run another one"));
            }
            let carried = network.carry(self).map_err(not_there)?;
            if is_time(self) {
                self.kill(relay);
                return Ok(None);
            }
            let moment = match stands {
                _ if carried => continue,
                Stands::Busy => continue,
                Stands::Idle => return Ok(Some(relay)),
                Stands::Until(moment) => Some(moment),
                Stands::Waiting | Stands::Aside => None,
            };
            let arrives = network.next_due();
            let next = moment.into_iter().chain(arrives).min();
            waits += usize::from(next != arrives);
            last = stands;
            let Some(next) = next.filter(|_| waits < WAITS) else { break };
            network.move_to(next);
        }
        let what = format!("the relay does not come to rest after {waits} waits: {last:?}");
        Err(Error::new(ErrorKind::Busy, what, "see what it waits for"))
    }

    /// Relays and other programs that are to run beside each other: several relays over several
    /// outboxes, standbys over the same one, producers that go on selling.
    ///
    /// ```
    /// # use surehand::testing::{CrashTest, Failed, World};
    /// # fn relay(w: &World) -> Result<surehand::Relay, Failed> {
    /// #     Ok(surehand::Relay::open(w.database("shop/shop.db"))?)
    /// # }
    /// # fn sell(w: &World) -> Result<(), Failed> { Ok(()) }
    /// # let _ = CrashTest::new("together").scenario(|w| {
    /// let mut sales = 0;
    /// w.together()
    ///     .relay(relay)
    ///     .relay(relay) // stands by
    ///     .program(|w| {
    ///         sell(w)?;
    ///         sales += 1;
    ///         Ok(sales < 5)
    ///     })
    ///     .run()
    /// # });
    /// ```
    pub fn together<'a>(&self) -> Together<'a> {
        Together::new(self)
    }

    /// Lets time pass.
    pub fn pass(&self, time: Duration) {
        self.0.network.move_to(self.0.clock.passed().saturating_add(time));
    }

    /// The clock of a machine, for handlers that ask one what time it is.
    #[must_use]
    pub fn clock_on(&self, machine: &str) -> Arc<dyn Clock> {
        self.clock_of(machine.into())
    }

    pub(crate) fn clock(&self) -> &ManualClock {
        &self.0.clock
    }

    fn clock_of(&self, machine: Machine) -> Arc<MachineClock> {
        let mut clocks = self.0.clocks.lock().unwrap_or_else(PoisonError::into_inner);
        let clock = clocks.entry(machine).or_insert_with(|| {
            let off = self.0.network.in_storm(|sky| sky.weather.skew(&mut sky.dice)).flatten();
            if off.is_some() {
                self.0.network.count(Trouble::Skew);
            }
            Arc::new(MachineClock::new(Arc::clone(&self.0.clock), off.unwrap_or(0)))
        });
        Arc::clone(clock)
    }

    /// The weather sets the clock of one of the machines.
    pub(crate) fn jump_some_clock(&self, by_ms: i64) {
        let clocks = self.0.clocks.lock().unwrap_or_else(PoisonError::into_inner);
        let chosen = self.0.network.by_chance(|dice| dice.below(clocks.len()));
        let Some((machine, clock)) = chosen.and_then(|place| clocks.iter().nth(place)) else {
            return;
        };
        clock.jump(by_ms);
        self.note(Event::Sent { what: format!("the clock of {machine} is set by {by_ms} ms") });
        self.0.network.count(Trouble::ClockJump);
    }

    /// The weather is over, and somebody has set some of the clocks right.
    pub(crate) fn clear(&self) {
        self.0.network.clear(self);
        let clocks = self.0.clocks.lock().unwrap_or_else(PoisonError::into_inner);
        for clock in clocks.values() {
            if self.0.network.by_chance(|dice| dice.roll(2)) == Some(0) {
                clock.correct();
            }
        }
    }

    pub(crate) fn network(&self) -> &Network {
        &self.0.network
    }

    /// Ends a program as a kill does it.
    pub(crate) fn kill<T>(&self, program: T) {
        self.0.disk.while_dying(|| drop(program));
    }

    pub(crate) fn kill_with<T>(&self, what: &str, program: T) {
        self.note(Event::Sent { what: what.into() });
        self.kill(program);
    }

    /// Ends all programs that it keeps. Handlers may keep the world, which would never end by
    /// itself then.
    pub(crate) fn end(&self) {
        self.0.disk.while_dying(|| {
            self.0.network.close();
            self.stores().clear();
        });
    }

    pub(crate) fn stores(&self) -> MutexGuard<'_, Stores> {
        locked(&self.0.stores)
    }

    pub(crate) fn disk(&self) -> &Disk {
        &self.0.disk
    }

    pub(crate) fn note(&self, event: Event) {
        self.0.disk.note(Op::Event(event));
    }

    /// All that was seen outside, in order.
    pub(crate) fn events(&self) -> Vec<Event> {
        let mut events = self.0.past.clone();
        for op in self.0.disk.record() {
            if let Op::Event(event) = op {
                events.push(event);
            }
        }
        events
    }
}

impl fmt::Debug for World {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("World").field("mounted", &self.0.mounted).finish_non_exhaustive()
    }
}

fn not_there(failed: Failed) -> Error {
    let what = "a consumer could not be opened again";
    Error::new(ErrorKind::Environment, what, "see why").because(failed)
}

fn full(path: &str) -> String {
    format!("/{}", path.trim_start_matches('/'))
}

/// A lock that is released when its holder lets go; with the world, when that dies.
struct Taken(Locks, PathBuf);

impl Drop for Taken {
    fn drop(&mut self) {
        locked(&self.0).remove(&self.1);
    }
}

fn take_lock(locks: &Locks, path: &Path) -> Option<Held> {
    let is_free = locked(locks).insert(path.to_path_buf());
    is_free.then(|| Held::new(Taken(Arc::clone(locks), path.to_path_buf())))
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
