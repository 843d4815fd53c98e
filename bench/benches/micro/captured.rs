//! Requests as a relay makes them, kept to be processed again and again.

use std::sync::{Arc, Mutex};
use surehand::rusqlite::{Connection, TransactionBehavior::Immediate};
use surehand::transport::{Greeter, Hello, Outcome, Request, Settler, Welcome};
use surehand::{Message, Outbox, Relay, Transport};

pub(crate) struct Captured {
    pub(crate) hello: Hello,
    pub(crate) requests: Vec<Request>,
}

/// Answers everything, and keeps it.
#[derive(Clone, Default)]
struct Keeper(Arc<Mutex<(Option<Hello>, Vec<Request>)>>);

impl Transport for Keeper {
    fn deliver(&self, request: Request, settler: Settler) {
        let tickets = request.envelopes.iter().map(|envelope| envelope.ticket());
        settler.settle_all(tickets.map(|ticket| (ticket, Outcome::delivered())));
        settler.confirm();
        // Statements that come alone are not what is measured.
        if !request.envelopes.is_empty() {
            self.0.lock().expect("nobody panics").1.push(request);
        }
    }

    fn hello(&self, hello: Hello, greeter: Greeter) {
        self.0.lock().expect("nobody panics").0 = Some(hello);
        greeter.welcome(Welcome::Registered { high: 0, settled_to: 0 });
    }

    fn remembers(&self) -> bool {
        true
    }
}

impl Captured {
    pub(crate) fn requests(count: u64, message: impl Fn(u64) -> Message) -> Self {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("shop.db");
        let outbox = Outbox::open(&path).expect("an outbox");
        let mut db = Connection::open(&path).expect("a connection");
        let tx = db.transaction_with_behavior(Immediate).expect("begin");
        outbox.enqueue_all(&tx, (0..count).map(message)).expect("enqueue");
        tx.commit().expect("commit");
        let keeper = Keeper::default();
        let relay = Relay::open(&path).expect("a relay").deliver_to(keeper.clone());
        let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
        runtime.block_on(relay.run_until_idle()).expect("delivered");
        let (hello, mut requests) = std::mem::take(&mut *keeper.0.lock().expect("nobody panics"));
        // The last one may be smaller.
        let batch = requests.first().map_or(0, |request| request.envelopes.len());
        requests.retain(|request| request.envelopes.len() == batch);
        Self { hello: hello.expect("a relay greets"), requests }
    }

    pub(crate) fn batch(&self) -> u64 {
        self.requests.first().map_or(0, |request| request.envelopes.len() as u64)
    }
}
