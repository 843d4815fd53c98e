//! One setting of a connection: what a kill and a power cut leave of a few transactions of it.

use crate::support::column;
use std::sync::{Arc, Mutex};
use surehand::rusqlite::Connection;
use surehand::testing::{CrashTest, Failed, Profile, Verdict, World};

const FILE: &str = "desk/sales.db";

/// A journal mode, and `synchronous` of the connection that writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Cell {
    pub(crate) journal_mode: &'static str,
    pub(crate) synchronous: &'static str,
}

/// A cell on a disk: so many transactions run, one after the other.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Trial {
    pub(crate) cell: Cell,
    pub(crate) profile: Profile,
    pub(crate) sales: u32,
}

/// What was found in the states after a crash. Every state is looked at; none ends the test.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Found {
    /// Different states.
    pub(crate) states: u64,
    /// Those that cannot be read, or that `integrity_check` complains of.
    pub(crate) corrupt: u64,
    /// Those of the others that have a part of a transaction, or one without an earlier one.
    pub(crate) torn: u64,
    /// Those of the others that lack a transaction whose commit had returned.
    pub(crate) short: u64,
    /// The most that one of those lacks.
    pub(crate) most_lost: u32,
}

/// What one state holds.
enum State {
    Corrupt,
    Torn,
    /// The first so many transactions, and nothing of the others.
    Whole(u32),
}

impl Found {
    fn note(&mut self, state: &State, promised: u32) {
        self.states += 1;
        match state {
            State::Corrupt => self.corrupt += 1,
            State::Torn => self.torn += 1,
            State::Whole(there) => {
                let lost = promised.saturating_sub(*there);
                self.short += u64::from(lost > 0);
                self.most_lost = self.most_lost.max(lost);
            }
        }
    }
}

impl Trial {
    /// Kills the program after every step of it.
    pub(crate) fn killed(self) -> Found {
        self.crashed(CrashTest::new("killed").killed_first())
    }

    /// Cuts power after every step of it. What a kill leaves is among that: all may have reached
    /// the disk.
    pub(crate) fn without_power(self) -> Found {
        self.crashed(CrashTest::new("without power"))
    }

    fn crashed(self, test: CrashTest) -> Found {
        let found = Arc::new(Mutex::new(Found::default()));
        let noting = Arc::clone(&found);
        let test = test.profile(self.profile).without_audit().given(move |w| self.cell.prepare(w));
        let test = test.scenario(move |w| self.sell(w));
        let test = test.invariant("it is noted", move |w| {
            let state = look(w).unwrap_or(State::Corrupt);
            noting.lock().unwrap().note(&state, u32::try_from(w.promises("sale").len())?);
            Ok(())
        });
        let verdict = test.run();
        assert!(matches!(verdict, Verdict::Survived(_)), "{self:?}: {verdict}");
        *found.lock().unwrap()
    }

    /// Sells: a business row and a message in each transaction.
    fn sell(self, w: &World) -> Result<(), Failed> {
        let mut db = self.cell.connect(w)?;
        for sale in 1..=self.sales {
            let tx = db.transaction()?;
            tx.execute("INSERT INTO sale VALUES (?1, 'more')", [sale])?;
            tx.execute("INSERT INTO message VALUES (?1, ?1, hex(zeroblob(?1 * 300)))", [sale])?;
            tx.commit()?;
            w.promised("sale", sale);
            if sale + 1 == self.sales {
                // In WAL mode the database file is written here; elsewhere it does nothing.
                db.execute_batch("PRAGMA wal_checkpoint(RESTART)")?;
            }
        }
        Ok(())
    }
}

impl Cell {
    fn prepare(self, w: &World) -> Result<(), Failed> {
        let db = w.connect(FILE)?;
        db.execute_batch(&format!(
            "PRAGMA journal_mode = {}; \
             CREATE TABLE sale (id INTEGER PRIMARY KEY, item TEXT); \
             CREATE TABLE message (id INTEGER PRIMARY KEY, sale INTEGER, payload TEXT); \
             CREATE INDEX message_by_payload ON message (payload); \
             INSERT INTO sale VALUES (0, 'first'); \
             INSERT INTO message VALUES (0, 0, hex(zeroblob(300)))",
            self.journal_mode
        ))?;
        Ok(())
    }

    /// A connection with these settings, which are read back.
    fn connect(self, w: &World) -> Result<Connection, Failed> {
        let db = w.connect(FILE)?;
        db.pragma_update(None, "synchronous", self.synchronous)?;
        let mode: String = db.pragma_query_value(None, "journal_mode", |row| row.get(0))?;
        let synchronous: u8 = db.pragma_query_value(None, "synchronous", |row| row.get(0))?;
        assert_eq!(mode, self.journal_mode.to_lowercase());
        assert_eq!(["OFF", "NORMAL", "FULL", "EXTRA"][usize::from(synchronous)], self.synchronous);
        Ok(db)
    }
}

/// Reads what is there; an error is a database that cannot be read.
fn look(w: &World) -> Result<State, Failed> {
    let db = w.connect(FILE)?;
    let whole: String = db.query_row("PRAGMA integrity_check", [], |row| row.get(0))?;
    if whole != "ok" {
        return Ok(State::Corrupt);
    }
    let sales: Vec<u32> = column(&db, "SELECT id FROM sale ORDER BY id")?;
    let messages: Vec<u32> = column(&db, "SELECT sale FROM message ORDER BY id")?;
    let Some(last) = sales.last().copied() else { return Ok(State::Torn) };
    let is_whole = sales == messages && sales.into_iter().eq(0..=last);
    Ok(if is_whole { State::Whole(last) } else { State::Torn })
}
