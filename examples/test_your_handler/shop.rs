//! The programs around the handler: a shop that sells, and a store that ships.

use super::Handler;
use surehand::rusqlite::TransactionBehavior;
use surehand::testing::{Failed, World};
use surehand::{Effect, Inbox, Json, Message, Outbox, Relay, Subscription};

/// Makes the tables of both sides, as an installation does.
pub(crate) fn open_shop(w: &World) -> Result<(), Failed> {
    Outbox::open(w.database("shop/shop.db"))?;
    w.connect("shop/shop.db")?.execute_batch("CREATE TABLE orders (id INTEGER PRIMARY KEY)")?;
    drop(Inbox::open(w.database("store/store.db"))?);
    for file in ["store/store.db", "store/shipments.db"] {
        w.connect(file)?.execute_batch("CREATE TABLE shipment (order_id INTEGER)")?;
    }
    Ok(())
}

/// Takes an order: its row and its message are committed together, and then it is promised.
pub(crate) fn sell(w: &World, order: i64) -> Result<(), Failed> {
    let outbox = Outbox::open(w.database("shop/shop.db"))?;
    let mut db = w.connect("shop/shop.db")?;
    let tx = db.transaction_with_behavior(TransactionBehavior::Immediate)?;
    tx.execute("INSERT INTO orders (id) VALUES (?1)", [order])?;
    outbox.enqueue(&tx, Message::new("order.placed").json(&order)?)?;
    tx.commit()?;
    w.promised("order", order);
    Ok(())
}

/// Runs the relay into the store's inbox, until nothing is left.
pub(crate) fn deliver(w: &World, handler: Handler) -> Result<(), Failed> {
    let world = w.clone();
    let inbox = Inbox::open(w.database("store/store.db"))?;
    let inbox = inbox
        .on("order.placed", move |tx: &Effect<'_>, order: Json<i64>| handler(tx, *order, &world));
    let relay = Relay::open(w.database("shop/shop.db"))?;
    Ok(w.run(relay.subscribe(Subscription::new("store"), w.link(inbox)))?)
}

/// Whether each order that was promised has one shipment, and no order has two.
pub(crate) fn twice_or_lost(w: &World, file: &str) -> Result<(), Failed> {
    let shipments = |order: &String| {
        let sql = "SELECT count(*) FROM shipment WHERE order_id = ?1";
        w.look(file, |db| db.query_row(sql, [order], |row| row.get::<_, i64>(0)))
    };
    for order in w.promises("order") {
        assert_eq!(shipments(&order)?, 1, "order {order} is shipped so often");
    }
    let twice = "SELECT count(*) - count(DISTINCT order_id) FROM shipment";
    let twice: i64 = w.look(file, |db| db.query_row(twice, [], |row| row.get(0)))?;
    if twice == 0 { Ok(()) } else { Err(format!("{twice} shipments too many").into()) }
}
