//! The whole world at one moment, cheap to copy and to compare.

use super::consumer::Consumer;
use super::network::Packet;
use super::producer::Producer;
use super::relay::Relay;
use super::scope::{Faults, Number, Scope};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::ops::Deref;
use std::rc::Rc;

/// A part of the world that many states share, with its hash.
#[derive(Debug)]
pub(super) struct Shared<T>(Rc<(u64, T)>);

impl<T: Hash> Shared<T> {
    pub(super) fn new(value: T) -> Self {
        let hash = hash_of(&value);
        Self(Rc::new((hash, value)))
    }
}

impl<T> Clone for Shared<T> {
    fn clone(&self) -> Self {
        Self(Rc::clone(&self.0))
    }
}

impl<T> Deref for Shared<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.0.1
    }
}

impl<T> PartialEq for Shared<T> {
    fn eq(&self, other: &Self) -> bool {
        self.0.0 == other.0.0
    }
}

impl<T> Hash for Shared<T> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        state.write_u64(self.0.0);
    }
}

fn hash_of<T: Hash>(value: &T) -> u64 {
    let mut hasher = DefaultHasher::new();
    value.hash(&mut hasher);
    hasher.finish()
}

/// A file: the image that is durable, and those that were committed since and are not.
///
/// What is read is the last one. A process that dies leaves all of them, a power cut any first few.
#[derive(Clone, Debug, Hash)]
pub(super) struct Disk<T>(Vec<Shared<T>>);

impl<T: Hash> Disk<T> {
    pub(super) fn new(first: T) -> Self {
        Self(vec![Shared::new(first)])
    }

    pub(super) fn visible(&self) -> &T {
        &self.0[self.0.len() - 1]
    }

    pub(super) fn durable(&self) -> &T {
        &self.0[0]
    }

    pub(super) fn durable_image(&self) -> Shared<T> {
        self.0[0].clone()
    }

    /// A commit; a durable one makes every commit before it durable.
    pub(super) fn commit(&mut self, image: T, full: bool) {
        let image = Shared::new(image);
        if full {
            self.0 = vec![image];
        } else if self.0.last() != Some(&image) {
            self.0.push(image);
        }
    }

    /// What a power cut may leave, and how many commits are gone then.
    pub(super) fn cuts(&self) -> impl Iterator<Item = (usize, Self)> {
        let left = (0..self.0.len()).map(|keep| Self(vec![self.0[keep].clone()]));
        left.enumerate().map(|(keep, disk)| (self.0.len() - 1 - keep, disk))
    }

    pub(super) fn restore(image: Shared<T>) -> Self {
        Self(vec![image])
    }
}

/// The world.
#[derive(Clone, Debug, Hash)]
pub(super) struct State {
    pub(super) producer: Disk<Producer>,
    pub(super) relays: [Option<Relay>; 2],
    pub(super) consumer: Disk<Consumer>,
    /// The inbox has opened its file and not failed since.
    pub(super) inbox_open: bool,
    pub(super) network: Vec<Shared<Packet>>,
    pub(super) faults: Faults,
    /// Messages created so far, those that a power cut undid too.
    pub(super) created: Number,
    pub(super) backup: Option<Shared<Producer>>,
    pub(super) restored: bool,
    /// A relay stopped for a person, and why.
    pub(super) halted: Option<&'static str>,
    /// Something that must not be happened on the way here.
    pub(super) wrong: Option<&'static str>,
}

impl State {
    pub(super) fn new(scope: &Scope) -> Self {
        Self {
            producer: Disk::new(Producer::default()),
            relays: [None, None],
            consumer: Disk::new(Consumer::default()),
            inbox_open: false,
            network: Vec::new(),
            faults: scope.faults,
            created: 0,
            backup: None,
            restored: false,
            halted: None,
            wrong: None,
        }
    }

    pub(super) fn send(&mut self, packet: Packet) {
        self.network.push(Shared::new(packet));
    }

    /// Orders what has no order, and says what tells this state from any other.
    pub(super) fn fingerprint(&mut self) -> u64 {
        self.network.sort_by_key(|packet| packet.0.0);
        hash_of(self)
    }

    /// Every relay looks at the log again: somebody committed.
    pub(super) fn notice(&mut self) {
        for relay in self.relays.iter_mut().flatten() {
            relay.change_lane(|lane| lane.look_again());
        }
    }

    pub(super) fn has_relay(&self) -> bool {
        self.relays.iter().any(Option::is_some)
    }
}
