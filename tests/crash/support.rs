//! What many tests need: which form they run in, what they read, and how they write a number.

use surehand::rusqlite::types::FromSql;
use surehand::rusqlite::{self, Connection};
use surehand::testing::{Failed, World};

/// All of it takes minutes: `SUREHAND_CRASH=full cargo test --release --test crash`.
pub(crate) fn is_long() -> bool {
    std::env::var("SUREHAND_CRASH").is_ok_and(|form| form == "full")
}

/// In the long form, and in the short one.
pub(crate) fn either<T>(long: T, short: T) -> T {
    if is_long() { long } else { short }
}

/// The first column of all rows.
pub(crate) fn column<T: FromSql>(db: &Connection, sql: &str) -> rusqlite::Result<Vec<T>> {
    db.prepare_cached(sql)?.query_map([], |row| row.get(0))?.collect()
}

/// The same of a database in the world, which stays open to be looked at.
pub(crate) fn numbers(w: &World, path: &str, sql: &str) -> Result<Vec<i64>, Failed> {
    Ok(w.look(path, |db| column(db, sql))?)
}

/// `1,234,567`
pub(crate) fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let groups = digits.as_bytes().rchunks(3).rev();
    groups.map(String::from_utf8_lossy).collect::<Vec<_>>().join(",")
}
