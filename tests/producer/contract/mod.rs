//! What other programs write into the tables by plain SQL, as docs/sql-contract.md has it.

mod malformed;
mod odd;
mod writers;

use super::support::{Shop, settle};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use surehand::operator::DeadLetter;
use surehand::{Envelope, Operator, Relay, transport};

/// What came of everything in the log.
struct Delivered {
    envelopes: Vec<Envelope>,
    dead: Vec<DeadLetter>,
}

impl Delivered {
    fn payloads(&self) -> Vec<String> {
        let text = |envelope: &Envelope| String::from_utf8_lossy(envelope.payload()).into_owned();
        self.envelopes.iter().map(text).collect()
    }

    /// The one message that was delivered, and no other.
    #[track_caller]
    fn only(self) -> Envelope {
        assert!(self.dead.is_empty(), "{:?}", self.dead);
        let [envelope] = <[_; 1]>::try_from(self.envelopes).unwrap();
        envelope
    }
}

/// Runs a relay until nothing is left to do but what waits for a person.
async fn deliver(shop: &Shop) -> Delivered {
    deliver_keeping(shop, Duration::ZERO).await
}

async fn deliver_keeping(shop: &Shop, settled_for: Duration) -> Delivered {
    let taken = Arc::new(Mutex::new(Vec::new()));
    let sent = Arc::clone(&taken);
    let transport = transport::function(move |envelope| {
        sent.lock().unwrap().push(envelope);
        async { Ok(()) }
    });
    let relay = Relay::open(&shop.path).unwrap().keep_settled(settled_for);
    settle(relay.deliver_to(transport)).await;
    let mut envelopes = std::mem::take(&mut *taken.lock().unwrap());
    envelopes.sort_by_key(Envelope::seq);
    let mut operator = Operator::open(&shop.path).unwrap();
    operator.stats().unwrap();
    let dead = operator.dead_letters("default").unwrap().list(0, 10_000).unwrap();
    Delivered { envelopes, dead }
}

/// A row by these columns and values, as SQL.
fn insert(shop: &Shop, columns: &str, values: &str) {
    let sql = format!("INSERT INTO outbox_message ({columns}) VALUES ({values})");
    shop.db.execute(&sql, []).unwrap();
}
