//! SQLite's locks on a database file (<https://sqlite.org/lockingv3.html>) and on its WAL index
//! (<https://sqlite.org/walformat.html#locks>), between the connections of one world.

use super::{HandleNumber, Refusal};
use std::collections::BTreeMap;

/// How much of a database file a connection has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Level {
    #[default]
    None,
    Shared,
    Reserved,
    Pending,
    Exclusive,
}

/// Who has which level of one file.
#[derive(Debug, Default)]
pub(crate) struct FileLocks(BTreeMap<HandleNumber, Level>);

impl FileLocks {
    /// Raises a lock; says what was reached, which may be `Pending` although the answer is no.
    pub(crate) fn raise(
        &mut self,
        handle: HandleNumber,
        held: Level,
        level: Level,
    ) -> (Level, Result<(), Refusal>) {
        let others = || self.0.iter().filter(|(other, _)| **other != handle).map(|(_, one)| *one);
        let most = others().max().unwrap_or_default();
        let (reached, result) = match level {
            Level::Shared if most >= Level::Pending => (held, Err(Refusal::Busy)),
            Level::Reserved | Level::Pending | Level::Exclusive if most >= Level::Reserved => {
                (held, Err(Refusal::Busy))
            }
            Level::Exclusive if most >= Level::Shared => (Level::Pending, Err(Refusal::Busy)),
            reached => (reached, Ok(())),
        };
        self.0.insert(handle, reached);
        (reached, result)
    }

    pub(crate) fn lower(&mut self, handle: HandleNumber, level: Level) {
        match level {
            Level::None => drop(self.0.remove(&handle)),
            level => drop(self.0.insert(handle, level)),
        }
    }

    pub(crate) fn is_reserved(&self) -> bool {
        self.0.values().any(|level| *level >= Level::Reserved)
    }
}

/// Who has which of the eight locks of a WAL index.
#[derive(Debug, Default)]
pub(crate) struct WalLocks(BTreeMap<HandleNumber, (u8, u8)>);

impl WalLocks {
    pub(crate) fn join(&mut self, handle: HandleNumber) {
        self.0.entry(handle).or_default();
    }

    /// Lets go of everything; says whether nobody is left.
    pub(crate) fn leave(&mut self, handle: HandleNumber) -> bool {
        self.0.remove(&handle);
        self.0.is_empty()
    }

    pub(crate) fn share(&mut self, handle: HandleNumber, slots: u8) -> Result<(), Refusal> {
        if self.others(handle, |(_, exclusive)| exclusive & slots != 0) {
            return Err(Refusal::Busy);
        }
        self.0.entry(handle).or_default().0 |= slots;
        Ok(())
    }

    pub(crate) fn exclude(&mut self, handle: HandleNumber, slots: u8) -> Result<(), Refusal> {
        if self.others(handle, |(shared, exclusive)| (shared | exclusive) & slots != 0) {
            return Err(Refusal::Busy);
        }
        self.0.entry(handle).or_default().1 |= slots;
        Ok(())
    }

    pub(crate) fn release(&mut self, handle: HandleNumber, slots: u8) {
        if let Some((shared, exclusive)) = self.0.get_mut(&handle) {
            *shared &= !slots;
            *exclusive &= !slots;
        }
    }

    fn others(&self, handle: HandleNumber, is: impl Fn((u8, u8)) -> bool) -> bool {
        self.0.iter().any(|(other, held)| *other != handle && is(*held))
    }
}
