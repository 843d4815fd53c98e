//! The door for the disk: where a database is and how connections to it are opened.
//!
//! Every connection the crate opens comes through here, so that a key (SQLCipher), a pragma or
//! another VFS is set in one place, and a test can put everything on a simulated disk.

use crate::clock::{Clock, Entropy, System};
use rusqlite::Connection;
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

type Open = dyn Fn(&Path) -> rusqlite::Result<Connection> + Send + Sync;

/// Where a database is, how it is opened, and which clock and randomness are used with it.
///
/// A path converts into one, so `Outbox::open("shop.db")` is enough.
///
/// ```
/// use surehand::{Database, Outbox};
/// # let directory = tempfile::tempdir().unwrap();
/// # let path = directory.path().join("shop.db");
/// let database = Database::new(&path).opened_by(|path| {
///     let connection = surehand::rusqlite::Connection::open(path)?;
///     connection.pragma_update(None, "cache_size", -8_000)?;
///     Ok(connection)
/// });
/// let outbox = Outbox::open(database)?;
/// # Ok::<(), surehand::Error>(())
/// ```
#[derive(Clone)]
#[must_use]
pub struct Database {
    path: PathBuf,
    open: Arc<Open>,
    clock: Arc<dyn Clock>,
    entropy: Arc<dyn Entropy>,
}

impl Database {
    /// A database file; made when it does not exist (its directory must).
    pub fn new(path: impl AsRef<Path>) -> Self {
        Self {
            path: path.as_ref().to_path_buf(),
            open: Arc::new(|path| Connection::open(path)),
            clock: Arc::new(System),
            entropy: Arc::new(System),
        }
    }

    /// Opens every connection by this function: the place for pragmas, a key, or another VFS.
    pub fn opened_by<F>(mut self, open: F) -> Self
    where
        F: Fn(&Path) -> rusqlite::Result<Connection> + Send + Sync + 'static,
    {
        self.open = Arc::new(open);
        self
    }

    /// Uses this clock instead of the machine's.
    pub fn clock(mut self, clock: Arc<dyn Clock>) -> Self {
        self.clock = clock;
        self
    }

    /// Uses this randomness instead of the machine's.
    pub fn entropy(mut self, entropy: Arc<dyn Entropy>) -> Self {
        self.entropy = entropy;
        self
    }

    /// The path of the database file.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    pub(crate) fn connect(&self) -> rusqlite::Result<Connection> {
        (self.open)(&self.path)
    }

    pub(crate) fn now(&self) -> crate::clock::Now {
        self.clock.now()
    }

    pub(crate) fn random<const N: usize>(&self) -> [u8; N] {
        let mut bytes = [0; N];
        self.entropy.fill(&mut bytes);
        bytes
    }
}

impl<P: AsRef<Path>> From<P> for Database {
    fn from(path: P) -> Self {
        Self::new(path)
    }
}

impl fmt::Debug for Database {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Database").field("path", &self.path).finish_non_exhaustive()
    }
}
