//! Checkpoints of our own connections, at a moment when nobody waits for them.
//!
//! SQLite checkpoints in the commit that finds the WAL long, and whoever waits for that commit
//! waits for milliseconds more (<https://sqlite.org/wal.html#performance_considerations>). Ours
//! answer, send, or let others go first, and checkpoint then.

use super::{Context, busy, read_one};
use crate::error::Result;
use rusqlite::Connection;

/// Looks how long the WAL is and does nothing else.
const LOOK: &str = "PRAGMA wal_checkpoint(NOOP)";
/// Waits for nobody.
const PASSIVE: &str = "PRAGMA wal_checkpoint(PASSIVE)";
/// Keeps writers off while it writes the rest and waits for who reads in the WAL, so that the next
/// writer begins it anew. Where snapshots overlap nothing else ever gets it shorter.
const RESTART: &str = "PRAGMA wal_checkpoint(RESTART)";

/// An eighth of what SQLite does by itself: the pause is as much shorter, and with fifty callers
/// the rate was the same.
const FRAMES: i64 = 128;
/// So long it only gets if somebody commits or reads without a pause: 48 MiB of the usual pages.
/// Then one commit waits for readers, and a thousand others do not.
const FRAMES_OF_A_LONG_ONE: i64 = 12_288;
/// How much longer before that is tried again: twice as much each time, because whoever reads for
/// longer than it waits would otherwise hold up everybody, again and again.
const FRAMES_UNTIL_THE_NEXT_TRY: i64 = 1_024;

/// When one connection checkpoints.
#[derive(Debug)]
pub(crate) struct Checkpoints {
    /// How long the WAL has to be before others are held up for it.
    long: i64,
    /// By how much that grows with the next try.
    step: i64,
}

impl Checkpoints {
    /// From now on this connection's commits checkpoint nothing.
    pub(crate) fn by_hand(connection: &Connection) -> Result<Self> {
        let set = connection.pragma_update_and_check(None, "wal_autocheckpoint", 0, |_| Ok(()));
        set.doing("take checkpoints into our own hands")?;
        Ok(Self { long: FRAMES_OF_A_LONG_ONE, step: FRAMES_UNTIL_THE_NEXT_TRY })
    }

    /// Checkpoints if the WAL is long. What goes wrong with it is for the next one: every commit is
    /// in the WAL, and stays there.
    pub(crate) fn if_due(&mut self, connection: &mut Connection) {
        if let Err(error) = self.try_it(connection) {
            tracing::debug!(%error, "the WAL stays long for now");
        }
    }

    fn try_it(&mut self, connection: &mut Connection) -> Result<()> {
        let (frames, done) = run(connection, LOOK)?;
        if frames < FRAMES_OF_A_LONG_ONE {
            (self.long, self.step) = (FRAMES_OF_A_LONG_ONE, FRAMES_UNTIL_THE_NEXT_TRY);
        }
        if frames >= self.long {
            (self.long, self.step) = (frames + self.step, 2 * self.step);
            return busy::briefly(connection, |connection| run(connection, RESTART)).map(drop);
        }
        if frames - done >= FRAMES {
            run(connection, PASSIVE)?;
        }
        Ok(())
    }
}

/// Frames in the WAL, and how many of them are in the database too; -1 without a WAL.
fn run(connection: &Connection, sql: &str) -> Result<(i64, i64)> {
    let found = read_one(connection, sql, [], "checkpoint", |row| Ok((row.get(1)?, row.get(2)?)))?;
    Ok(found.unwrap_or((-1, -1)))
}

#[cfg(test)]
mod tests {
    use super::super::{Role, open};
    use super::*;
    use crate::clock;
    use crate::database::Database;
    use std::time::Duration;

    fn grown(connection: &Connection, commits: usize) -> i64 {
        for _ in 0..commits {
            connection.execute("INSERT INTO thing VALUES (zeroblob(40000))", []).unwrap();
        }
        run(connection, LOOK).unwrap().0
    }

    #[test]
    fn a_long_wal_is_written_back_and_begins_anew_and_commits_leave_it_alone() {
        let directory = tempfile::tempdir().unwrap();
        let database = Database::new(directory.path().join("shop.db"));
        let mut connection = open(&database, Role::Outbox).unwrap();
        let mut checkpoints = Checkpoints::by_hand(&connection).unwrap();
        connection.execute_batch("CREATE TABLE thing (bytes)").unwrap();
        assert!(grown(&connection, 5) < FRAMES);
        checkpoints.if_due(&mut connection);
        assert_eq!(run(&connection, LOOK).unwrap().1, 0, "a short one is left alone");

        let frames = grown(&connection, 100);
        assert!(frames > FRAMES, "{frames}");
        checkpoints.if_due(&mut connection);
        assert_eq!(run(&connection, LOOK).unwrap(), (frames, frames));
        assert!(grown(&connection, 1) < 100, "begun anew");
    }

    #[test]
    fn a_wal_that_somebody_always_reads_begins_anew_when_it_is_long() {
        let directory = tempfile::tempdir().unwrap();
        let database = Database::new(directory.path().join("shop.db"));
        let mut connection = open(&database, Role::Outbox).unwrap();
        let mut checkpoints = Checkpoints::by_hand(&connection).unwrap();
        connection.execute_batch("CREATE TABLE thing (bytes)").unwrap();
        let reader = database.connect().unwrap();
        let look = "BEGIN; SELECT count(*) FROM thing";
        reader.execute_batch(look).unwrap();
        let frames = grown(&connection, 1_200);
        assert!(frames > FRAMES_OF_A_LONG_ONE, "{frames}");
        checkpoints.if_due(&mut connection);
        assert!(grown(&connection, 1) > frames, "nobody waits long for a reader");
        let next = |checkpoints: &Checkpoints| checkpoints.long - frames;
        assert_eq!(next(&checkpoints), FRAMES_UNTIL_THE_NEXT_TRY);
        assert_eq!(checkpoints.step, 2 * FRAMES_UNTIL_THE_NEXT_TRY, "and ever more rarely");
        // One that begins now reads beside the next attempt, and is done soon.
        reader.execute_batch("COMMIT").unwrap();
        reader.execute_batch(look).unwrap();
        assert!(grown(&connection, 100) > frames + FRAMES_UNTIL_THE_NEXT_TRY);
        let done = std::thread::spawn(move || {
            clock::nap(Duration::from_millis(10));
            reader.execute_batch("COMMIT").unwrap();
        });
        checkpoints.if_due(&mut connection);
        done.join().unwrap();
        assert!(grown(&connection, 1) < 100, "begun anew");
    }
}
