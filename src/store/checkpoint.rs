//! Checkpoints of our own connections, at a moment when nobody waits for them.
//!
//! SQLite checkpoints in the commit that finds the WAL long, and whoever waits for that commit
//! waits for milliseconds more (<https://sqlite.org/wal.html#performance_considerations>). Ours
//! answer, send, or let others go first, and checkpoint then.

use super::{Context, read_one};
use crate::error::Result;
use rusqlite::Connection;

/// Looks how long the WAL is and does nothing else.
const LOOK: &str = "PRAGMA wal_checkpoint(NOOP)";
/// Waits for nobody.
const PASSIVE: &str = "PRAGMA wal_checkpoint(PASSIVE)";
/// Keeps writers off while it writes the rest, so that the WAL can begin anew.
const FULL: &str = "PRAGMA wal_checkpoint(FULL)";

/// A quarter of what SQLite does by itself: the pause is as much shorter, and most of the work is
/// the same, because pages that change often are in the WAL once for each time.
const FRAMES: i64 = 250;
/// So long it only gets if somebody commits without a pause: 32 MiB of the usual pages.
const FRAMES_OF_A_LONG_ONE: i64 = 8_192;

/// From now on this connection's commits checkpoint nothing.
pub(crate) fn by_hand(connection: &Connection) -> Result<()> {
    let set = connection.pragma_update_and_check(None, "wal_autocheckpoint", 0, |_| Ok(()));
    set.doing("take checkpoints into our own hands")
}

/// Checkpoints if the WAL is long. What goes wrong with it is for the next one: every commit is in
/// the WAL, and stays there.
pub(crate) fn if_due(connection: &Connection) {
    if let Err(error) = try_it(connection) {
        tracing::debug!(%error, "the WAL stays long for now");
    }
}

fn try_it(connection: &Connection) -> Result<()> {
    let (frames, done) = run(connection, LOOK)?;
    if frames - done < FRAMES {
        return Ok(());
    }
    run(connection, PASSIVE)?;
    if frames >= FRAMES_OF_A_LONG_ONE {
        run(connection, FULL)?;
    }
    Ok(())
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
    use crate::database::Database;

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
        let connection = open(&database, Role::Outbox).unwrap();
        by_hand(&connection).unwrap();
        connection.execute_batch("CREATE TABLE thing (bytes)").unwrap();
        assert!(grown(&connection, 15) < FRAMES);
        if_due(&connection);
        assert_eq!(run(&connection, LOOK).unwrap().1, 0, "a short one is left alone");

        let frames = grown(&connection, 100);
        assert!(frames > FRAMES, "{frames}");
        if_due(&connection);
        assert_eq!(run(&connection, LOOK).unwrap(), (frames, frames));
        assert!(grown(&connection, 1) < 100, "begun anew");
    }
}
