//! A handler under the crash kit, and a wrong one that the kit catches.
//!
//! `cargo run --example test_your_handler`

#[path = "test_your_handler/shop.rs"]
mod shop;

use shop::{deliver, open_shop, sell, twice_or_lost};
use surehand::testing::{CrashTest, Failed, Verdict, World};
use surehand::{Effect, Failure};

/// Right: the row is written in the transaction that remembers the message.
fn ship(tx: &Effect<'_>, order: i64, _: &World) -> Result<(), Failure> {
    tx.execute("INSERT INTO shipment (order_id) VALUES (?1)", [order])?;
    Ok(())
}

/// Wrong: a connection of its own commits on its own. After a crash in between, the message comes
/// again and so does the shipment.
fn ship_apart(_: &Effect<'_>, order: i64, w: &World) -> Result<(), Failure> {
    let db = w.connect("store/shipments.db").map_err(Failure::retry)?;
    db.execute("INSERT INTO shipment (order_id) VALUES (?1)", [order])?;
    Ok(())
}

type Handler = fn(&Effect<'_>, i64, &World) -> Result<(), Failure>;

/// Whatever crashes: an order that was promised is shipped, and no order twice.
fn test(name: &str, file: &'static str, handler: Handler) -> CrashTest {
    CrashTest::new(name)
        .given(open_shop)
        .scenario(move |w| {
            sell(w, 1)?;
            deliver(w, handler)
        })
        .recover(move |w| deliver(w, handler))
        .invariant("every order is shipped, and once", move |w| twice_or_lost(w, file))
}

fn main() -> Result<(), Failed> {
    let as_json = std::env::args().any(|argument| argument == "--json");
    let right = test("ship", "store/store.db", ship).run();
    let wrong = test("ship apart", "store/shipments.db", ship_apart).run();
    for verdict in [&right, &wrong] {
        match verdict {
            Verdict::Survived(made) | Verdict::Lost(_, made) if as_json => {
                println!("{}", serde_json::to_string(made)?);
            }
            verdict => println!("{verdict}\n"),
        }
    }
    match (right, wrong) {
        (Verdict::Survived(_), Verdict::Lost(..)) => Ok(()),
        _ => Err("the right one must survive, and the wrong one must be caught".into()),
    }
}
