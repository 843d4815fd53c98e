//! What the tests here need: secrets, a shop, a warehouse.

use std::path::{Path, PathBuf};
use surehand::http::Secret;
use surehand::rusqlite::{Connection, TransactionBehavior};
use surehand::{Effect, Inbox, Json, Message, Outbox};

/// One of several secrets.
pub(crate) fn secret(number: u8) -> Secret {
    Secret::from_bytes(vec![number; 32]).unwrap()
}

/// A folder with a shop and a warehouse in it.
pub(crate) struct Stage {
    _folder: tempfile::TempDir,
    pub(crate) shop: PathBuf,
    pub(crate) warehouse: PathBuf,
}

impl Stage {
    pub(crate) fn set() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let (shop, warehouse) = (folder.path().join("shop.db"), folder.path().join("store.db"));
        let connection = Connection::open(&warehouse).unwrap();
        connection.pragma_update(None, "journal_mode", "wal").unwrap();
        connection.execute_batch("CREATE TABLE shipment (order_id INTEGER, key TEXT)").unwrap();
        drop(Outbox::open(&shop).unwrap());
        Self { _folder: folder, shop, warehouse }
    }

    /// Places orders, one in seven of a key.
    pub(crate) fn place(&self, orders: std::ops::Range<i64>) {
        self.put(orders.map(order));
    }

    pub(crate) fn put(&self, messages: impl IntoIterator<Item = Message>) {
        let outbox = Outbox::open(&self.shop).unwrap();
        let mut connection = Connection::open(&self.shop).unwrap();
        let tx = connection.transaction_with_behavior(TransactionBehavior::Immediate).unwrap();
        for message in messages {
            outbox.enqueue(&tx, message).unwrap();
        }
        tx.commit().unwrap();
    }

    /// An inbox that ships orders.
    pub(crate) fn inbox(&self) -> Inbox {
        Inbox::open(&self.warehouse).unwrap().on("order.placed", |tx: &Effect, id: Json<i64>| {
            let key = tx.envelope().key().map(str::to_owned);
            tx.execute("INSERT INTO shipment (order_id, key) VALUES (?1, ?2)", (*id, key))?;
            Ok(serde_json::json!({ "shipped": *id }))
        })
    }

    /// Every order was shipped once, and nothing else was; those of a key in their order.
    #[track_caller]
    pub(crate) fn has_shipped(&self, orders: std::ops::Range<i64>) {
        assert_eq!(self.shipped(), orders.clone().collect::<Vec<_>>());
        let disordered = "SELECT count(*) FROM (SELECT order_id < lag(order_id) OVER (PARTITION \
                          BY key ORDER BY rowid) AS late FROM shipment WHERE key IS NOT NULL) \
                          WHERE late";
        assert_eq!(count(&self.warehouse, disordered), 0, "some of a key came out of order");
    }

    pub(crate) fn shipped(&self) -> Vec<i64> {
        let connection = Connection::open(&self.warehouse).unwrap();
        let mut read = connection.prepare("SELECT order_id FROM shipment ORDER BY 1").unwrap();
        let ids = read.query_map([], |row| row.get(0)).unwrap();
        ids.collect::<Result<_, _>>().unwrap()
    }

    /// Nothing is left in the outbox.
    #[track_caller]
    pub(crate) fn has_handed_over_all(&self) {
        assert_eq!(count(&self.shop, "SELECT count(*) FROM outbox_message"), 0);
    }
}

pub(crate) fn order(id: i64) -> Message {
    Message::new("order.placed").key(id % 7).json(&id).unwrap()
}

pub(crate) fn count(path: &Path, sql: &str) -> i64 {
    Connection::open(path).unwrap().query_row(sql, [], |row| row.get(0)).unwrap()
}
