//! What both databases say when everything has stopped, in plain SQL.

use crate::shop::Outcome;
use crate::shop::worker::STOCK;
use serde::Serialize;
use std::path::Path;
use surehand::rusqlite::Connection;

/// The account of a run.
#[derive(Debug, Serialize)]
pub(crate) struct Audit {
    pub(crate) committed: i64,
    pub(crate) delivered: i64,
    pub(crate) redelivered: i64,
    pub(crate) duplicates_suppressed: i64,
    pub(crate) lost: i64,
    pub(crate) applied_twice: i64,
    pub(crate) kills: u64,
    pub(crate) integrity_ok: bool,
    /// What else is wrong, in words.
    #[serde(skip)]
    pub(crate) complaints: Vec<String>,
}

const COMMITTED: &str = "SELECT count(*) FROM orders";
const DELIVERED: &str = "SELECT coalesce(sum(delivered), 0) FROM outbox_subscription";
const REDELIVERED: &str = "SELECT coalesce(sum(redelivered_timeout + redelivered_failure \
    + redelivered_crash + redelivered_outage), 0) FROM outbox_subscription";
const DUPLICATES: &str = "SELECT coalesce(sum(duplicates), 0) FROM warehouse.inbox_source";
const LOST: &str = "SELECT count(*) FROM orders \
    WHERE id NOT IN (SELECT order_id FROM warehouse.shipment)";
const APPLIED_TWICE: &str = "SELECT count(*) FROM \
    (SELECT order_id FROM warehouse.shipment GROUP BY order_id HAVING count(*) > 1)";

/// What must be zero besides: each with the words for it.
const NOTHING_OF: [(&str, &str); 7] = [
    (
        "shipments without an order that says the same",
        "SELECT count(*) FROM warehouse.shipment AS shipment WHERE NOT EXISTS \
         (SELECT 1 FROM orders WHERE orders.id = shipment.order_id \
         AND orders.sku = shipment.sku AND orders.quantity = shipment.quantity)",
    ),
    (
        "shipments of an article before an earlier order of it",
        "SELECT count(*) FROM (SELECT order_id, lag(order_id) OVER \
         (PARTITION BY sku ORDER BY rowid) AS before FROM warehouse.shipment) \
         WHERE before >= order_id",
    ),
    (
        "articles whose stock is not what the shipments left",
        "SELECT count(*) FROM warehouse.stock AS stock WHERE quantity <> ?1 - \
         (SELECT coalesce(sum(quantity), 0) FROM warehouse.shipment WHERE sku = stock.sku)",
    ),
    ("orders whose numbers were skipped", "SELECT coalesce(max(id), 0) - count(*) FROM orders"),
    ("messages left in the log", "SELECT count(*) FROM outbox_message"),
    ("deliveries that wait, or are dead", "SELECT count(*) FROM outbox_delivery"),
    ("messages in quarantine", "SELECT count(*) FROM warehouse.inbox_quarantine"),
];

impl Audit {
    pub(crate) fn of(shop: &Path, warehouse: &Path, kills: u64) -> Outcome<Self> {
        let db = Connection::open(shop)?;
        db.execute("ATTACH ?1 AS warehouse", [warehouse.to_string_lossy()])?;
        let number = |sql: &str| db.query_row(sql, [], |row| row.get::<_, i64>(0));
        let mut audit = Self {
            committed: number(COMMITTED)?,
            delivered: number(DELIVERED)?,
            redelivered: number(REDELIVERED)?,
            duplicates_suppressed: number(DUPLICATES)?,
            lost: number(LOST)?,
            applied_twice: number(APPLIED_TWICE)?,
            kills,
            integrity_ok: is_whole(&db, "main")? && is_whole(&db, "warehouse")?,
            complaints: Vec::new(),
        };
        for (what, sql) in NOTHING_OF {
            let mut statement = db.prepare(sql)?;
            let stock = [STOCK];
            let parameters = &stock[..statement.parameter_count()];
            let found: i64 = statement
                .query_row(surehand::rusqlite::params_from_iter(parameters), |row| row.get(0))?;
            if found != 0 {
                audit.complaints.push(format!("{what}: {found}"));
            }
        }
        Ok(audit)
    }

    /// Nothing lost, nothing doubled, nothing else wrong.
    pub(crate) fn is_clean(&self) -> bool {
        self.lost == 0 && self.applied_twice == 0 && self.integrity_ok && self.complaints.is_empty()
    }

    /// For a person.
    pub(crate) fn table(&self) -> String {
        let integrity = if self.integrity_ok { "ok" } else { "BROKEN" };
        let rows = [
            ("kills", self.kills.to_string()),
            ("committed", self.committed.to_string()),
            ("delivered", self.delivered.to_string()),
            ("redelivered", self.redelivered.to_string()),
            ("duplicates suppressed", self.duplicates_suppressed.to_string()),
            ("lost", self.lost.to_string()),
            ("applied twice", self.applied_twice.to_string()),
            ("integrity_check", integrity.to_string()),
        ];
        rows.iter().map(|(name, value)| format!("{name:<24}{value:>12}\n")).collect()
    }
}

fn is_whole(db: &Connection, schema: &str) -> Outcome<bool> {
    let sql = format!("PRAGMA {schema}.integrity_check");
    let found: String = db.query_row(&sql, [], |row| row.get(0))?;
    Ok(found == "ok")
}
