//! The whole idea in one file: rows and messages in one transaction, effects once in another.

use surehand::rusqlite::{Connection, TransactionBehavior};
use surehand::transport::Local;
use surehand::{Effect, Inbox, Json, Message, Outbox, Relay};

#[derive(serde::Serialize, serde::Deserialize)]
struct OrderPlaced {
    order_id: i64,
    sku: String,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let directory = tempfile::tempdir()?;
    let (shop, warehouse) = (directory.path().join("shop.db"), directory.path().join("store.db"));

    // The producer: an order and its message are committed together, or neither is.
    let outbox = Outbox::open(&shop)?;
    let mut db = Connection::open(&shop)?;
    db.execute_batch("CREATE TABLE orders (id INTEGER PRIMARY KEY, sku TEXT)")?;
    for sku in ["lamp", "chair", "lamp"] {
        let tx = db.transaction_with_behavior(TransactionBehavior::Immediate)?;
        tx.execute("INSERT INTO orders (sku) VALUES (?1)", [sku])?;
        let order = OrderPlaced { order_id: tx.last_insert_rowid(), sku: sku.into() };
        outbox.enqueue(&tx, Message::new("order.placed").key(&order.sku).json(&order)?)?;
        tx.commit()?;
    }

    // The consumer: an effect is committed together with the memory of its message.
    let inbox = Inbox::open(&warehouse)?.on("order.placed", |tx: &Effect, order: Json<_>| {
        let OrderPlaced { order_id, sku } = order.0;
        tx.execute("INSERT INTO shipment (order_id, sku) VALUES (?1, ?2)", (order_id, sku))?;
        Ok(())
    });
    let store = Connection::open(&warehouse)?;
    store.execute_batch("CREATE TABLE shipment (order_id INTEGER, sku TEXT)")?;

    // The relay: at-least-once delivery between them. A service would use `run_until`.
    Relay::open(&shop)?.deliver_to(Local::new(inbox)).run_until_idle().await?;

    let mut shipments = store.prepare("SELECT order_id, sku FROM shipment")?;
    let mut rows = shipments.query([])?;
    while let Some(row) = rows.next()? {
        println!("order {}: one {}", row.get::<_, i64>(0)?, row.get::<_, String>(1)?);
    }
    Ok(())
}
