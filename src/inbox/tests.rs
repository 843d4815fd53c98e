//! The inbox alone: what it remembers, and a message that is damaged on its way to it.

use super::{Effect, Inbox, Processed, SourceStats};
use crate::handoff::{Hello, Request};
use crate::id::{Incarnation, MessageId, Seq, StoreId, SubscriptionId};
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

const STORE: StoreId = StoreId::from_bytes([1; 16]);
const SUBSCRIPTION: SubscriptionId = SubscriptionId::from_bytes([2; 16]);
const INCARNATION: Incarnation = Incarnation { epoch: 1, nonce: 1 };

impl World {
    /// An inbox with a table for effects, which listens to a relay.
    fn listening(&self) -> Inbox {
        let mut inbox = self.inbox();
        let effects = Connection::open(self.path("store.db")).unwrap();
        effects.execute_batch("CREATE TABLE IF NOT EXISTS effect (n INTEGER)").unwrap();
        let (store, subscription, incarnation) = (STORE, SUBSCRIPTION, INCARNATION);
        let _ = inbox.hello(&Hello { store, subscription, incarnation }).unwrap();
        inbox
    }
}

/// The number of the place, under the id made of these bytes.
fn envelope(seq: Seq, id: u8) -> Envelope {
    let id = MessageId::from_bytes([id; 16]);
    let (topic, payload) = ("n".into(), seq.to_string().into_bytes());
    let parts = Parts { topic, key: None, headers: None, content_type: None, payload };
    let fingerprint = fingerprint(id, &parts);
    let (revision, attempt, after, created_at_ms) = (0, 1, 0, 0);
    Envelope { seq, id, revision, fingerprint, attempt, after, created_at_ms, parts }
}

fn process(inbox: &mut Inbox, settled: Ranges, envelopes: Vec<Envelope>) {
    let (store, subscription, incarnation) = (STORE, SUBSCRIPTION, INCARNATION);
    let request = Request { store, subscription, incarnation, settled, envelopes };
    assert_eq!(inbox.process(&request, &mut |_, _| {}).unwrap(), Processed::All);
}

#[test]
fn an_id_at_two_places_may_come_again_at_both() {
    let world = world();
    let mut inbox = world.listening();
    let first = envelope(1, 7);
    let second = Envelope { seq: 2, ..first.clone() };
    for _ in 0..2 {
        process(&mut inbox, Ranges::new(), vec![first.clone(), second.clone()]);
    }
    assert_eq!(world.numbers(EFFECTS), [1]);
}

/// A standby that took over and lost the source again: what it remembers is old.
#[test]
fn what_another_inbox_of_the_file_applied_and_heard_is_known_here() {
    let world = world();
    let (mut here, mut there) = (world.listening(), world.listening());
    process(&mut here, Ranges::new(), vec![envelope(1, 1), envelope(2, 2)]);
    process(&mut there, Ranges::through(1), vec![envelope(3, 3), envelope(4, 4)]);
    process(&mut here, Ranges::new(), (1..=4).map(|seq| envelope(seq, seq as u8)).collect());
    assert_eq!(world.numbers(EFFECTS), [1, 2, 3, 4]);
    assert_eq!(world.numbers("SELECT seq FROM inbox_seen ORDER BY seq"), [2, 3, 4]);
    let stats = here.stats().unwrap().remove(0);
    assert_eq!((stats.applied, stats.duplicates, stats.remembered), (4, 4, 3));
}

/// Many rows to a statement, and what is left over.
#[test]
fn a_request_of_any_size_is_remembered_whole() {
    for count in [1, 31, 32, 33, 100] {
        let world = world();
        let mut inbox = world.listening();
        let envelopes: Vec<_> = (1..=count).map(|seq| envelope(seq, seq as u8)).collect();
        process(&mut inbox, Ranges::new(), envelopes.clone());
        // From the file: this one has nothing in memory.
        process(&mut world.listening(), Ranges::new(), envelopes);
        assert_eq!(world.numbers(EFFECTS).len(), count as usize);
        let ids = "SELECT count(DISTINCT id) FROM inbox_seen";
        assert_eq!(world.numbers(ids), [count]);
    }
}
