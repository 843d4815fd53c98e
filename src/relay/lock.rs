//! One active relay per subscription: a lock the kernel releases when its holder dies.

use crate::database::{Database, Held};
use crate::error::{Error, ErrorKind, Result};
use std::path::{Path, PathBuf};

/// The lock on one subscription of one database; released by dropping it, or by dying.
pub(super) struct Lock {
    _held: Held,
}

impl Lock {
    /// Takes the lock, if nobody has it. The file is one of its own, beside the database, and is
    /// never deleted: two relays must never lock two files of one name.
    pub(super) fn take(database: &Database, subscription: &str) -> Result<Option<Self>> {
        let path = path(database.path(), subscription);
        let failed = |error: std::io::Error| {
            Error::new(
                ErrorKind::Environment,
                format!("could not lock {}", path.display()),
                "the relay needs a lock file beside the database, on a local file system",
            )
            .because(error)
        };
        Ok(database.lock(&path).map_err(failed)?.map(|held| Self { _held: held }))
    }
}

/// Beside the database itself, wherever a link to it lies.
fn path(database: &Path, subscription: &str) -> PathBuf {
    let real = database.canonicalize().unwrap_or_else(|_| database.to_path_buf());
    let mut name = real.into_os_string();
    name.push("-relay-");
    for byte in subscription.bytes() {
        match byte {
            b'a'..=b'z' | b'0'..=b'9' | b'_' => name.push(char::from(byte).to_string()),
            other => name.push(format!("%{other:02x}")),
        }
    }
    name.push(".lock");
    PathBuf::from(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_holder_at_a_time_and_names_never_collide() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("shop.db");
        std::fs::write(&path, "").unwrap();
        let database = Database::new(path);
        let held = Lock::take(&database, "billing").unwrap();
        assert!(held.is_some());
        assert!(Lock::take(&database, "billing").unwrap().is_none());
        assert!(Lock::take(&database, "Billing").unwrap().is_some());
        assert!(Lock::take(&database, "../billing").unwrap().is_some());
        drop(held);
        assert!(Lock::take(&database, "billing").unwrap().is_some());
    }
}
