//! Opening a connection and checking the ground it stands on.
//!
//! Every pragma is read back: SQLite ignores the ones it does not know.

use super::{Context, busy, read_all, schema};
use crate::database::Database;
use crate::error::{Error, ErrorKind, Result};
use rusqlite::Connection;
use rusqlite::config::DbConfig;
use std::path::Path;

/// The first SQLite without the WAL-reset bug (<https://sqlite.org/wal.html#walresetbug>).
const OLDEST_SQLITE: i32 = 3_051_003;
const STATEMENT_CACHE: usize = 64;

/// Which side of the handoff a connection serves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Role {
    /// A relay or a handle of ours on the producer's database.
    Outbox,
    /// The consumer's connection: the acknowledgement rests on its `synchronous` setting.
    Inbox { may_lose_effects: bool },
    /// Answers to requests with an idempotency key, which are given again.
    #[cfg(feature = "http-server")]
    Idempotency,
}

/// What a connection's settings promise, as read back from it.
///
/// ```
/// # let directory = tempfile::tempdir().unwrap();
/// let outbox = surehand::Outbox::open(directory.path().join("shop.db"))?;
/// assert_eq!(outbox.durability().journal_mode, "wal");
/// # Ok::<(), surehand::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Durability {
    /// The version of the SQLite that is linked.
    pub sqlite_version: &'static str,
    /// `PRAGMA journal_mode`.
    pub journal_mode: String,
    /// `PRAGMA synchronous`: 0 off, 1 normal, 2 full, 3 extra. A property of the connection.
    pub synchronous: i64,
}

impl Durability {
    pub(crate) fn of(connection: &Connection) -> Result<Self> {
        let what = "read the journal mode and synchronous";
        let journal_mode: String =
            connection.pragma_query_value(None, "journal_mode", |row| row.get(0)).doing(what)?;
        let synchronous =
            connection.pragma_query_value(None, "synchronous", |row| row.get(0)).doing(what)?;
        Ok(Self { sqlite_version: rusqlite::version(), journal_mode, synchronous })
    }

    /// Whether a commit that returned survives a power cut.
    #[must_use]
    pub fn survives_power_cut(&self) -> bool {
        match self.journal_mode.as_str() {
            "wal" => self.synchronous >= 2,
            "delete" | "truncate" | "persist" => self.synchronous >= 3,
            _ => false,
        }
    }

    /// What these settings lose, in words; `None` when they lose nothing.
    #[must_use]
    pub fn loses(&self) -> Option<&'static str> {
        match (self.journal_mode.as_str(), self.synchronous) {
            _ if self.survives_power_cut() => None,
            ("memory" | "off", _) => Some("a crash can corrupt the database"),
            (_, 0) => Some(
                "a power cut can corrupt the database and lose commits, those of others included",
            ),
            ("wal", _) => Some("a power cut can undo the last commits, message and rows together"),
            (_, _) => Some("a power cut can undo the last commit, message and rows together"),
        }
    }
}

/// Which file a path leads to: changes when somebody puts another one in its place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct FileIdentity(Option<(u64, u64)>);

impl FileIdentity {
    /// Asks by path: opening and closing the file would drop this process's locks on it
    /// (<https://sqlite.org/howtocorrupt.html>, section 2.2).
    pub(crate) fn of(path: &Path) -> Self {
        #[cfg(unix)]
        {
            use std::os::unix::fs::MetadataExt;
            Self(std::fs::metadata(path).ok().map(|file| (file.dev(), file.ino())))
        }
        #[cfg(not(unix))]
        {
            let _ = path;
            Self(None)
        }
    }

    /// Fails when the path leads elsewhere by now.
    pub(crate) fn check(self, path: &Path) -> Result<()> {
        if self.0.is_none() || self == Self::of(path) { Ok(()) } else { Err(replaced(path)) }
    }

    /// Fails when the path leads nowhere by now: opening it would make a new, empty file, in the
    /// way of whoever puts the right one there.
    pub(crate) fn check_is_there(self, path: &Path) -> Result<()> {
        let gone = self.0.is_some() && Self::of(path).0.is_none();
        if gone { Err(replaced(path)) } else { Ok(()) }
    }
}

/// Opens and checks a connection of our own, with the schema in place. Every error names the file.
pub(crate) fn open(database: &Database, role: Role) -> Result<Connection> {
    try_open(database, role).map_err(|error| error.about(database.path()))
}

fn try_open(database: &Database, role: Role) -> Result<Connection> {
    let what = format!("open {}", database.path().display());
    let mut connection = database.connect().doing(&what)?;
    connection.busy_handler(Some(busy::wait)).doing(&what)?;
    connection.set_prepared_statement_cache_capacity(STATEMENT_CACHE);
    // The plan that is asserted in a test is the plan that runs: without this, SQLite may prepare a
    // statement anew for every value that is bound to it.
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true).doing(&what)?;
    check_version()?;
    let component = match role {
        Role::Outbox => schema::Component::Outbox,
        Role::Inbox { .. } => schema::Component::Inbox,
        #[cfg(feature = "http-server")]
        Role::Idempotency => schema::Component::Idempotency,
    };
    // Before anything is written: a newer schema is refused with the file untouched.
    let version = schema::version(&connection, component)?;
    if connection.is_readonly("main").doing(&what)? {
        return Err(read_only(database.path()));
    }
    let fresh = is_empty(&connection)?;
    if fresh {
        ask_for_wal(&connection, database.path())?;
    }
    be_durable(&connection, role, database.path())?;
    schema::migrate(&mut connection, component, version, database)?;
    // Again, after a write.
    let durability = Durability::of(&connection)?;
    if fresh && durability.journal_mode != "wal" && !mistake!(WalUnread) {
        return Err(no_wal(database.path(), &durability.journal_mode));
    }
    Ok(connection)
}

fn replaced(path: &Path) -> Error {
    Error::new(
        ErrorKind::Replaced,
        format!("the database file {} was deleted or replaced while open", path.display()),
        "nothing was written; stop, put the right file in place, and open it again",
    )
}

fn check_version() -> Result<()> {
    if rusqlite::version_number() >= OLDEST_SQLITE {
        return Ok(());
    }
    Err(Error::new(
        ErrorKind::SqliteTooOld,
        format!("the linked SQLite is {}, and 3.51.3 is needed", rusqlite::version()),
        "use the feature `bundled`: older ones can corrupt a WAL that two connections write",
    ))
}

fn is_empty(connection: &Connection) -> Result<bool> {
    let pages: i64 = connection
        .pragma_query_value(None, "page_count", |row| row.get(0))
        .doing("look at the database")?;
    Ok(pages == 0)
}

/// Reads to the end: SQLite answers `wal` before the switch is committed, and whoever stops there
/// never hears that it failed.
fn ask_for_wal(connection: &Connection, path: &Path) -> Result<()> {
    mistake!(WalUnread: return super::mistakes::ask_for_wal(connection));
    let what = "switch the new database to WAL";
    let modes: Vec<String> =
        read_all(connection, "PRAGMA journal_mode = wal", [], what, |row| row.get(0))?;
    match modes.first() {
        Some(mode) if mode == "wal" => Ok(()),
        mode => Err(no_wal(path, mode.map_or("", String::as_str))),
    }
}

/// Sets `synchronous` of our own connection and reads it back. EXTRA is FULL in WAL mode, and is
/// what FULL means there in the rollback modes
/// (<https://sqlite.org/pragma.html#pragma_synchronous>).
fn be_durable(connection: &Connection, role: Role, path: &Path) -> Result<()> {
    let found = Durability::of(connection)?;
    if let Role::Inbox { may_lose_effects } = role
        && found.synchronous == 0
    {
        if may_lose_effects {
            tracing::warn!(
                path = %path.display(),
                "synchronous=OFF: a power cut loses effects that were acknowledged"
            );
            return Ok(());
        }
        return Err(not_durable(path, "synchronous=OFF on the consumer"));
    }
    connection.pragma_update(None, "synchronous", "EXTRA").doing("set synchronous")?;
    let durability = Durability::of(connection)?;
    if durability.survives_power_cut() {
        mistake!(NothingSynced: return super::mistakes::be_careless(connection));
        mistake!(FoundUnsynced: return Ok(()));
        return keep_what_is_seen(connection);
    }
    Err(not_durable(
        path,
        &format!("journal_mode={} synchronous={}", durability.journal_mode, durability.synchronous),
    ))
}

/// Whoever was killed may have left commits in the WAL that no sync has covered, or that a failed
/// one has lost: they are in the cache only. A checkpoint syncs the first and writes the second
/// into the file. It waits for nobody, so that a long reader may keep it from both: then the first
/// durable write through this connection syncs the first.
fn keep_what_is_seen(connection: &Connection) -> Result<()> {
    let what = "sync what was found";
    connection.query_row("PRAGMA wal_checkpoint", [], |_| Ok(())).doing(what)
}

fn not_durable(path: &Path, settings: &str) -> Error {
    Error::new(
        ErrorKind::NotDurable,
        format!("{} has {settings}: a power cut would lose what was acknowledged", path.display()),
        "use journal_mode=WAL and leave synchronous alone",
    )
}

fn no_wal(path: &Path, mode: &str) -> Error {
    Error::new(
        ErrorKind::NotDurable,
        format!("{} stays in journal mode {mode} when asked for WAL", path.display()),
        "WAL needs shared memory: use the default VFS on a local file system",
    )
}

fn read_only(path: &Path) -> Error {
    Error::new(
        ErrorKind::ReadOnly,
        format!("{} is open for reading only", path.display()),
        "open it with write access: both sides write what was delivered",
    )
}
