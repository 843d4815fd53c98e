//! A message that is damaged on its way: from the relay to the inbox, through a transport that
//! flips a bit.

use super::{Effect, Inbox, Processed, SourceStats};
use crate::handoff::{Hello, Request};
use crate::id::{Incarnation, MessageId, StoreId, SubscriptionId};
use crate::message::{Envelope, Json, Message, Parts, fingerprint};
use crate::operator::Operator;
use crate::outbox::Outbox;
use crate::relay::{Relay, Subscription};
use crate::retry::RetryPolicy;
use crate::transport::{Greeter, Local, Settler, Transport};
use crate::watermark::Ranges;
use rusqlite::Connection;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;
use tempfile::TempDir;

/// Damages the second message, so many times.
struct Damaging {
    inbox: Local,
    times: AtomicU32,
}

impl Transport for Damaging {
    fn deliver(&self, mut request: Request, settler: Settler) {
        for envelope in request.envelopes.iter_mut().filter(|envelope| envelope.seq == 2) {
            let left = self.times.load(Ordering::SeqCst);
            if left > 0 {
                self.times.store(left - 1, Ordering::SeqCst);
                envelope.parts.payload[0] ^= 1;
            }
        }
        self.inbox.deliver(request, settler);
    }

    fn hello(&self, hello: Hello, greeter: Greeter) {
        self.inbox.hello(hello, greeter);
    }

    fn remembers(&self) -> bool {
        self.inbox.remembers()
    }

    fn topics(&self) -> Vec<String> {
        self.inbox.topics()
    }
}

struct World {
    directory: TempDir,
}

impl World {
    fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    fn inbox(&self) -> Inbox {
        Inbox::open(self.path("store.db")).unwrap().on("n", |effect: &Effect<'_>, n: Json<i64>| {
            effect.execute("INSERT INTO effect (n) VALUES (?1)", [*n])?;
            Ok(())
        })
    }

    /// Delivers three numbers over a line that damages the second one so often.
    async fn deliver(&self, times: u32) -> SourceStats {
        let outbox = Outbox::open(self.path("shop.db")).unwrap();
        let mut shop = Connection::open(self.path("shop.db")).unwrap();
        let transaction = shop.transaction().unwrap();
        for n in 1..=3 {
            outbox.enqueue(&transaction, Message::new("n").json(&n).unwrap()).unwrap();
        }
        transaction.commit().unwrap();
        let mut inbox = self.inbox();
        let effects = Connection::open(self.path("store.db")).unwrap();
        effects.execute_batch("CREATE TABLE effect (n INTEGER)").unwrap();
        let line = Damaging { inbox: Local::new(self.inbox()), times: times.into() };
        let retry = RetryPolicy::default().first_delay(Duration::ZERO).max_failures(3);
        let relay = Relay::open(self.path("shop.db")).unwrap();
        let relay = relay.subscribe(Subscription::new("line").retry(retry), line);
        relay.run_until_idle().await.unwrap();
        inbox.stats().unwrap().remove(0)
    }

    fn numbers(&self, sql: &str) -> Vec<i64> {
        let store = Connection::open(self.path("store.db")).unwrap();
        let mut statement = store.prepare(sql).unwrap();
        let rows = statement.query_map([], |row| row.get(0)).unwrap();
        rows.map(Result::unwrap).collect()
    }
}

fn world() -> World {
    World { directory: tempfile::tempdir().unwrap() }
}

const EFFECTS: &str = "SELECT n FROM effect ORDER BY n";
const QUARANTINED: &str = "SELECT times FROM inbox_quarantine WHERE reason = 'corrupt' AND seq = 2";

#[tokio::test]
async fn a_message_damaged_on_its_way_is_quarantined_and_applied_when_it_comes_whole() {
    let world = world();
    let stats = world.deliver(1).await;
    assert_eq!(world.numbers(EFFECTS), [1, 2, 3]);
    assert_eq!((stats.corrupt, stats.applied, stats.duplicates), (1, 3, 0));
    assert_eq!(world.numbers(QUARANTINED), [1]);
}

#[tokio::test]
async fn a_message_damaged_every_time_is_never_run_and_dies_like_any_that_fails() {
    let world = world();
    let stats = world.deliver(u32::MAX).await;
    assert_eq!(world.numbers(EFFECTS), [1, 3]);
    assert_eq!((stats.corrupt, stats.applied), (3, 2));
    assert_eq!(world.numbers(QUARANTINED), [3], "kept once, and counted");
    let mut operator = Operator::open(world.path("shop.db")).unwrap();
    let dead = operator.dead_letters("line").unwrap().list(0, 10).unwrap();
    assert_eq!(dead.len(), 1);
    assert_eq!((dead[0].seq, &*dead[0].reason), (2, "too many failures"));
    let said = dead[0].last_error.as_deref();
    assert_eq!(said, Some("the content does not match its checksum"));
}

#[test]
fn an_id_at_two_places_may_come_again_at_both() {
    let world = world();
    let mut inbox = world.inbox();
    let effects = Connection::open(world.path("store.db")).unwrap();
    effects.execute_batch("CREATE TABLE effect (n INTEGER)").unwrap();
    let (store, subscription) = (StoreId::from_bytes([1; 16]), SubscriptionId::from_bytes([2; 16]));
    let incarnation = Incarnation { epoch: 1, nonce: 1 };
    let _ = inbox.hello(&Hello { store, subscription, incarnation }).unwrap();
    let id = MessageId::from_bytes([7; 16]);
    let (topic, payload) = ("n".into(), b"1".to_vec());
    let parts = Parts { topic, key: None, headers: None, content_type: None, payload };
    let fingerprint = fingerprint(id, &parts);
    let (revision, attempt, after, created_at_ms) = (0, 1, 0, 0);
    let first =
        Envelope { seq: 1, id, revision, fingerprint, attempt, after, created_at_ms, parts };
    let second = Envelope { seq: 2, ..first.clone() };
    let envelopes = vec![first, second];
    let settled = Ranges::new();
    let request = Request { store, subscription, incarnation, settled, envelopes };
    for _ in 0..2 {
        assert_eq!(inbox.process(&request, &mut |_, _| {}).unwrap(), Processed::All);
    }
    assert_eq!(world.numbers(EFFECTS), [1]);
}
