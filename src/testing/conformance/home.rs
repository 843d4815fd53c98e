//! A folder for the consumer's database: made for one check, and gone after it.

use crate::clock::{Entropy, System};
use crate::inbox::Inbox;
use crate::outbox::Outbox;
use std::path::PathBuf;
use std::{env, fs, io};

/// The consumer's database, in a folder of its own.
#[derive(Debug)]
pub(super) struct Home(PathBuf);

impl Home {
    /// Begins with such a file.
    pub(super) fn beginning_with(file: &[u8]) -> io::Result<Self> {
        let home = Self::new()?;
        fs::write(home.database(), file)?;
        Ok(home)
    }

    /// The file as it is when nobody has used it yet. Made once: it takes a while to be durable.
    pub(super) fn beginning() -> Result<Vec<u8>, String> {
        let home = Self::new().map_err(|error| error.to_string())?;
        let outbox = Outbox::open(home.database()).map_err(|error| error.to_string())?;
        let inbox = Inbox::open(home.database()).map_err(|error| error.to_string())?;
        // Whoever closes a database last leaves nothing beside it.
        drop((outbox, inbox));
        fs::read(home.database()).map_err(|error| error.to_string())
    }

    fn new() -> io::Result<Self> {
        let mut random = [0; 8];
        System.fill(&mut random);
        let name = format!("surehand-conformance-{:016x}", u64::from_le_bytes(random));
        let folder = env::temp_dir().join(name);
        fs::create_dir(&folder)?;
        Ok(Self(folder))
    }

    pub(super) fn database(&self) -> PathBuf {
        self.0.join("consumer.db")
    }

    /// Takes the database away, under whoever has it open.
    pub(super) fn take_away(&self) -> io::Result<()> {
        fs::remove_dir_all(&self.0)
    }
}

impl Drop for Home {
    fn drop(&mut self) {
        // What a system keeps because it is open still, its own cleaning takes.
        let _ = fs::remove_dir_all(&self.0);
    }
}
