//! What the files say when all processes are gone, in plain SQL: it knows nothing of the library.

use super::programs::{DEPOT, PROMISES, SHOP};
use crate::support::column;
use std::path::Path;
use surehand::rusqlite::{Connection, Result};

/// What must be there nowhere, each with the words for it.
const NOTHING_OF: [(&str, &str); 6] = [
    ("sales that were not applied", "SELECT id FROM sale EXCEPT SELECT sale FROM depot.parcel"),
    (
        "sales that were applied twice",
        "SELECT sale FROM depot.parcel GROUP BY sale HAVING count(*) > 1",
    ),
    ("parcels of no sale", "SELECT sale FROM depot.parcel EXCEPT SELECT id FROM sale"),
    ("messages left in the log", "SELECT seq FROM outbox_message"),
    ("deliveries that wait, or are dead", "SELECT seq FROM outbox_delivery"),
    ("messages in quarantine", "SELECT seq FROM depot.inbox_quarantine"),
];

/// What is wrong, in words.
pub(crate) fn audit(folder: &Path) -> Vec<String> {
    let promises = std::fs::read_to_string(folder.join(PROMISES)).unwrap();
    let promised: Vec<i64> = promises.lines().map(|sale| sale.parse().unwrap()).collect();
    assert!(!promised.is_empty(), "something was sold");
    let found = complaints(folder, &promised);
    found.unwrap_or_else(|error| vec![format!("the files cannot be read: {error}")])
}

fn complaints(folder: &Path, promised: &[i64]) -> Result<Vec<String>> {
    let db = Connection::open(folder.join(SHOP))?;
    db.execute("ATTACH ?1 AS depot", [folder.join(DEPOT).to_string_lossy()])?;
    let mut complaints = Vec::new();
    for schema in ["main", "depot"] {
        let sql = format!("PRAGMA {schema}.integrity_check");
        let found: String = db.query_row(&sql, [], |row| row.get(0))?;
        if found != "ok" {
            complaints.push(format!("{schema} is corrupt: {found}"));
        }
    }
    for (what, sql) in NOTHING_OF {
        let found: Vec<i64> = column(&db, sql)?;
        if !found.is_empty() {
            complaints.push(format!("{what}: {found:?}"));
        }
    }
    let sales: Vec<i64> = column(&db, "SELECT id FROM sale")?;
    let lost: Vec<&i64> = promised.iter().filter(|sale| !sales.contains(sale)).collect();
    if !lost.is_empty() {
        complaints.push(format!("sales that were promised and are gone: {lost:?}"));
    }
    // All have one key.
    let applied = "SELECT sale FROM depot.parcel GROUP BY sale ORDER BY min(rowid)";
    let applied: Vec<i64> = column(&db, applied)?;
    if !applied.is_sorted() {
        complaints.push(format!("sales that took effect out of order: {applied:?}"));
    }
    Ok(complaints)
}
