//! The world a test plays in: machines with disks, a network, a clock, and services outside.

use super::disk::{Disk, Op, Plan, Platter, Profile};
use super::events::Event;
use super::external::External;
use super::link::{Link, Network};
use super::memory;
use super::time::{ManualClock, SeededEntropy};
use super::vfs::Mounted;
use crate::database::{Database, Held};
use crate::error::{Error, ErrorKind, Result};
use crate::inbox::Inbox;
use crate::relay::Relay;
use crate::relay::steps::{Stands, Stepped};
use rusqlite::{Connection, OpenFlags};
use std::collections::{BTreeSet, HashMap};
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// A relay that has not come to rest after so many steps never will.
const STEPS: usize = 100_000;

/// Everything a scenario touches. Clones are the same world.
///
/// A path names a machine and a file on it: `"shop/shop.db"`. What is on one machine loses power
/// together.
#[derive(Clone)]
pub struct World(Arc<Shared>);

struct Shared {
    /// Connections to look through, which nobody writes through. They are closed before the disk
    /// they are on goes.
    looking: Mutex<HashMap<String, Connection>>,
    disk: Arc<Disk>,
    mounted: Mounted,
    clock: Arc<ManualClock>,
    entropy: Arc<SeededEntropy>,
    locks: Locks,
    network: Network,
    /// The databases that were named.
    paths: Mutex<BTreeSet<String>>,
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
    pub(crate) past: Vec<Event>,
    pub(crate) passed: Duration,
    pub(crate) seed: u64,
}

impl World {
    pub(crate) fn new(beginning: Beginning) -> Self {
        memory::take_over();
        let Beginning { profile, disks, plan, past, passed, seed } = beginning;
        let disk = Arc::new(Disk::new(profile, disks, plan));
        let clock = Arc::new(ManualClock::starting_at(passed));
        let mounted = Mounted::new(Arc::clone(&disk), Arc::clone(&clock) as _);
        Self(Arc::new(Shared {
            disk,
            mounted,
            clock,
            entropy: Arc::new(SeededEntropy::new(seed)),
            locks: Locks::default(),
            network: Network::default(),
            paths: Mutex::default(),
            looking: Mutex::default(),
            past,
        }))
    }

    /// A database on a machine of this world, for [`Outbox::open`](crate::Outbox::open) and its
    /// like.
    pub fn database(&self, path: &str) -> Database {
        locked(&self.0.paths).insert(path.into());
        let vfs = self.0.mounted.name();
        let locks = Arc::clone(&self.0.locks);
        Database::new(full(path))
            .opened_by(move |path| {
                Connection::open_with_flags_and_vfs(path, OpenFlags::default(), vfs)
            })
            .locked_by(move |path| Ok(take_lock(&locks, path)))
            .clock(Arc::clone(&self.0.clock) as _)
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
        let mut looking = locked(&self.0.looking);
        if let Some(connection) = looking.get(path) {
            return look(connection);
        }
        let connection = self.connect(path)?;
        look(looking.entry(path.into()).or_insert(connection))
    }

    /// The databases that were named so far.
    pub(crate) fn paths(&self) -> Vec<String> {
        locked(&self.0.paths).iter().cloned().collect()
    }

    /// Notes that somebody outside was told that this is done. From here on it must not be lost.
    pub fn promised(&self, what: &str, id: impl fmt::Display) {
        self.note(Event::Promised { what: what.into(), id: id.to_string() });
    }

    /// Everybody who was promised this, in order.
    #[must_use]
    pub fn promises(&self, what: &str) -> Vec<String> {
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

    /// A transport that ends in this inbox, over the network of this world.
    #[must_use]
    pub fn link(&self, inbox: Inbox) -> Link {
        self.0.network.link(inbox)
    }

    /// Lets a relay run until nothing is left to deliver, and stops it in good order.
    ///
    /// # Errors
    ///
    /// What the relay ends with; [`ErrorKind::Busy`] when it does not come to rest.
    pub fn run(&self, relay: Relay) -> Result<()> {
        let mut relay = Stepped::new(relay);
        for _ in 0..STEPS {
            let stands = relay.step()?;
            if self.0.network.carry(self) {
                continue;
            }
            match stands {
                Stands::Busy => {}
                Stands::Idle => return relay.finish(),
                Stands::Until(moment) => self.0.clock.move_to(moment),
                Stands::Waiting => break,
            }
        }
        Err(Error::new(ErrorKind::Busy, "the relay does not come to rest", "see what it waits for"))
    }

    /// Lets time pass.
    pub fn pass(&self, time: Duration) {
        self.0.clock.move_to(self.0.clock.passed().saturating_add(time));
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
