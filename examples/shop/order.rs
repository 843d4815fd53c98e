//! The order: what the message says, and what both sides mean by it.

use super::chance::Chance;
use serde::{Deserialize, Serialize};

pub(crate) const TOPIC: &str = "order.placed";

/// How many articles there are. Each is a key: its orders ship in the order of their commits.
pub(crate) const SKUS: u64 = 20;

/// An order, as it travels.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Order {
    pub(crate) order_id: i64,
    pub(crate) sku: String,
    pub(crate) quantity: i64,
    /// Only makes the message larger, for measurements.
    #[serde(skip_serializing_if = "String::is_empty", skip_deserializing)]
    pub(crate) note: String,
}

impl Order {
    /// The order of this number: the same whenever it is asked for.
    pub(crate) fn of(order_id: i64, note: &str) -> Self {
        let mut chance = Chance::new(order_id.unsigned_abs());
        let sku = sku(chance.below(SKUS));
        let quantity = 1 + i64::try_from(chance.below(5)).unwrap_or(0);
        Self { order_id, sku, quantity, note: note.into() }
    }
}

pub(crate) fn sku(number: u64) -> String {
    format!("sku-{number:02}")
}
