//! A consumer with a database: every message leaves its number there, in order.

use super::{PATIENCE, count};
use std::path::{Path, PathBuf};
use surehand::rusqlite::Connection;
use surehand::transport::Local;
use surehand::{Effect, Failure, Inbox, Json};

pub(crate) struct Shelf {
    pub(crate) path: PathBuf,
}

impl Shelf {
    pub(crate) fn new(path: PathBuf) -> Self {
        let db = Connection::open(&path).unwrap();
        db.pragma_update(None, "journal_mode", "wal").unwrap();
        db.execute_batch("CREATE TABLE IF NOT EXISTS effect (number INTEGER)").unwrap();
        Self { path }
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// An inbox whose handler first asks whether the number may pass.
    pub(crate) fn inbox(
        &self,
        check: impl Fn(i64) -> Result<(), Failure> + Send + 'static,
    ) -> Inbox {
        Inbox::open(&self.path).unwrap().on("order.placed", move |tx: &Effect, n: Json<i64>| {
            check(*n)?;
            tx.execute("INSERT INTO effect (number) VALUES (?1)", [*n])?;
            Ok(())
        })
    }

    pub(crate) fn transport(
        &self,
        check: impl Fn(i64) -> Result<(), Failure> + Send + 'static,
    ) -> Local {
        Local::new(self.inbox(check))
    }

    pub(crate) fn count(&self) -> i64 {
        count(&self.path, "SELECT count(*) FROM effect")
    }

    /// All numbers, in the order of their effects.
    pub(crate) fn numbers(&self) -> Vec<i64> {
        let db = Connection::open(&self.path).unwrap();
        db.busy_timeout(PATIENCE).unwrap();
        let mut statement = db.prepare("SELECT number FROM effect ORDER BY rowid").unwrap();
        let rows = statement.query_map([], |row| row.get(0)).unwrap();
        rows.collect::<Result<_, _>>().unwrap()
    }
}
