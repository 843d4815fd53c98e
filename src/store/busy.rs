//! How our connections wait for a lock that another connection holds.
//!
//! SQLite's own way is to sleep longer with every try, up to 100 ms. A program that commits back to
//! back leaves the lock free for microseconds: beside one, a relay got in every two seconds. One
//! that asks every 100 us gets in within milliseconds, and pays for it only while it waits.

use super::Context;
use crate::clock;
use crate::error::Result;
use rusqlite::Connection;
use std::time::Duration;

const SOON: Duration = Duration::from_micros(100);
const LATER: Duration = Duration::from_millis(1);
/// From then on somebody holds the lock for long, and nothing is missed by looking less often.
const PATIENT_FROM: i32 = 5_000;
/// With the naps above: about five seconds.
const TRIES: i32 = 9_000;

/// SQLite's busy handler: called with how often it was called before for this lock; says whether to
/// try again.
pub(super) fn wait(tries: i32) -> bool {
    clock::nap(if tries < PATIENT_FROM { SOON } else { LATER });
    tries < TRIES
}

/// For what can be left: longer than two snapshots of 45 ms that overlap.
const BRIEF_TRIES: i32 = 700;

/// Does something for which it waits about 100 ms at the most.
pub(super) fn briefly<T>(
    connection: &mut Connection,
    work: impl FnOnce(&Connection) -> Result<T>,
) -> Result<T> {
    let what = "wait for a lock";
    connection.busy_handler(Some(wait_briefly)).doing(what)?;
    let done = work(connection);
    connection.busy_handler(Some(wait)).doing(what)?;
    done
}

fn wait_briefly(tries: i32) -> bool {
    tries < BRIEF_TRIES && wait(tries)
}
