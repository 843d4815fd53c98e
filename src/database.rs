//! The door for the disk: where a database is and how connections to it are opened.
//!
//! Every connection the crate opens comes through here, so that a key (SQLCipher), a pragma or
//! another VFS is set in one place, and a test can put everything on a simulated disk.

use crate::clock::{Clock, Entropy, System};
use rusqlite::Connection;
use std::any::Any;
use std::fmt;
use std::fs::{File, TryLockError};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

type Open = dyn Fn(&Path) -> rusqlite::Result<Connection> + Send + Sync;
type Lock = dyn Fn(&Path) -> io::Result<Option<Held>> + Send + Sync;

/// A lock on a file, released by dropping it, or by dying.
pub(crate) struct Held(#[expect(dead_code, reason = "it is held")] Box<dyn Any + Send>);

impl Held {
    pub(crate) fn new(held: impl Any + Send) -> Self {
        Self(Box::new(held))
    }
}

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
    lock: Arc<Lock>,
    clock: Arc<dyn Clock>,
    entropy: Arc<dyn Entropy>,
}

impl Database {
    /// A database file; made when it does not exist (its directory must).
    pub fn new(path: impl AsRef<Path>) -> Self {
        Self {
            path: path.as_ref().to_path_buf(),
            open: Arc::new(|path| Connection::open(path)),
            lock: Arc::new(lock_file),
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

    /// Takes locks by this function, where the files are not the system's.
    #[cfg(feature = "testing")]
    pub(crate) fn locked_by<F>(mut self, lock: F) -> Self
    where
        F: Fn(&Path) -> io::Result<Option<Held>> + Send + Sync + 'static,
    {
        self.lock = Arc::new(lock);
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

    /// Locks a file beside the database, which is made if there is none; none when somebody else
    /// has the lock.
    pub(crate) fn lock(&self, path: &Path) -> io::Result<Option<Held>> {
        (self.lock)(path)
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

/// A lock that the kernel releases when its holder dies.
fn lock_file(path: &Path) -> io::Result<Option<Held>> {
    let mut options = File::options();
    let file = options.create(true).truncate(false).read(true).write(true).open(path)?;
    match file.try_lock() {
        Ok(()) => Ok(Some(Held::new(file))),
        Err(TryLockError::WouldBlock) => Ok(None),
        Err(TryLockError::Error(error)) => Err(error),
    }
}
