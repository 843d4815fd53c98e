//! Temporary tables of the host's hide those of the database of the same name, but not from us.

use super::support::{Shop, placed, settle};
use std::time::Duration;
use surehand::operator::WhenFull;
use surehand::transport::{Outcome, Request, Settler};
use surehand::{ErrorKind, Operator, Relay, Subscription, Transport};

struct TakesAll;

impl Transport for TakesAll {
    fn deliver(&self, request: Request, settler: Settler) {
        for envelope in &request.envelopes {
            settler.settle(envelope.ticket(), Outcome::delivered());
        }
    }
}

/// A shop with a subscription that may have so many messages and bytes pending.
async fn bounded(messages: i64, bytes: i64) -> Shop {
    let shop = Shop::new();
    let relay = Relay::open(&shop.path).unwrap();
    settle(relay.subscribe(Subscription::new("orders"), TakesAll)).await;
    let mut operator = Operator::open(&shop.path).unwrap();
    operator.bound("orders", Some(messages), Some(bytes), WhenFull::Refuse).unwrap();
    shop
}

#[tokio::test]
async fn a_counter_of_a_temporary_table_does_not_lift_the_bound() {
    let mut shop = bounded(2, 100).await;
    let basket = "CREATE TEMP TABLE basket (n INTEGER PRIMARY KEY AUTOINCREMENT)";
    shop.db.execute_batch(basket).unwrap();
    shop.enqueue(placed()).unwrap();
    shop.enqueue(placed()).unwrap();
    assert_eq!(shop.enqueue(placed()).unwrap_err().kind(), ErrorKind::OutboxFull);
}

#[tokio::test]
async fn a_temporary_table_with_the_name_of_one_of_ours_takes_nothing_from_it() {
    let mut shop = bounded(3, 100).await;
    for table in ["message", "scheduled", "idempotency", "subscription", "delivery", "store"] {
        let hide = format!(
            "CREATE TEMP TABLE outbox_{table} AS SELECT * FROM main.outbox_{table} LIMIT 0"
        );
        shop.db.execute_batch(&hide).unwrap();
    }
    let once = || placed().idempotency_key("request 41").payload("12345");
    let first = shop.enqueue(once()).unwrap();
    assert_eq!(shop.enqueue(once()).unwrap(), first);
    shop.enqueue(placed().delay(Duration::from_secs(60))).unwrap();
    let counts = "SELECT (SELECT count(*) FROM outbox_message) || ',' \
        || (SELECT count(*) FROM outbox_scheduled) || ',' \
        || (SELECT count(*) FROM outbox_idempotency) || ',' \
        || (SELECT pending_bytes FROM outbox_subscription)";
    assert_eq!(shop.read::<String>(counts), "1,1,1,5");
    assert_eq!(shop.outbox.pending(&shop.db).unwrap().len(), 1);
    shop.enqueue(placed()).unwrap();
    shop.enqueue(placed()).unwrap();
    assert_eq!(shop.enqueue(placed()).unwrap_err().kind(), ErrorKind::OutboxFull);
}
