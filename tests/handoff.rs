//! The main job in one process: committed messages have their effect once.

use std::path::Path;
use surehand::rusqlite::{Connection, TransactionBehavior};
use surehand::transport::Local;
use surehand::{Effect, Inbox, Json, Message, Outbox, Relay};

fn place(outbox: &Outbox, db: &mut Connection, orders: std::ops::Range<i64>) {
    let tx = db.transaction_with_behavior(TransactionBehavior::Immediate).unwrap();
    for order in orders {
        tx.execute("INSERT INTO orders (id) VALUES (?1)", [order]).unwrap();
        outbox
            .enqueue(&tx, Message::new("order.placed").key(order % 7).json(&order).unwrap())
            .unwrap();
    }
    tx.commit().unwrap();
}

fn warehouse(path: &Path) -> Inbox {
    let connection = Connection::open(path).unwrap();
    connection.pragma_update(None, "journal_mode", "wal").unwrap();
    connection.execute_batch("CREATE TABLE IF NOT EXISTS shipment (order_id INTEGER)").unwrap();
    Inbox::open(path).unwrap().on("order.placed", |tx: &Effect, order: Json<i64>| {
        tx.execute("INSERT INTO shipment (order_id) VALUES (?1)", [*order])?;
        Ok(())
    })
}

fn count(path: &Path, sql: &str) -> i64 {
    Connection::open(path).unwrap().query_row(sql, [], |row| row.get(0)).unwrap()
}

#[tokio::test]
async fn every_committed_message_has_its_effect_once() {
    let directory = tempfile::tempdir().unwrap();
    let shop = directory.path().join("shop.db");
    let store = directory.path().join("warehouse.db");
    let outbox = Outbox::open(&shop).unwrap();
    let mut db = Connection::open(&shop).unwrap();
    db.execute_batch("CREATE TABLE orders (id INTEGER PRIMARY KEY)").unwrap();
    place(&outbox, &mut db, 0..1000);
    let relay = Relay::open(&shop).unwrap().deliver_to(Local::new(warehouse(&store)));
    relay.run_until_idle().await.unwrap();
    assert_eq!(count(&store, "SELECT count(*) FROM shipment"), 1000);
    assert_eq!(count(&store, "SELECT count(DISTINCT order_id) FROM shipment"), 1000);
    assert_eq!(count(&shop, "SELECT count(*) FROM outbox_message"), 0, "the log is empty");
    assert_eq!(count(&store, "SELECT count(*) FROM inbox_seen"), 0, "nothing is left to remember");
}
