//! A shop that produces, a warehouse that consumes, and a transport that keeps what it is given.

use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::time::Duration;
use surehand::rusqlite::{Connection, TransactionBehavior};
use surehand::transport::{
    Greeter, Hello, Local, Outcome, Request, Settler, Ticket, Transport, Welcome,
};
use surehand::{
    Effect, Envelope, Error, Failure, Inbox, Incarnation, Json, Message, MessageId, Outbox,
    Processed, Ranges, Relay, Result, RetryPolicy, Seq, StoreId, Subscription, SubscriptionId,
};
use tempfile::TempDir;
use tokio::sync::mpsc;

/// Two database files in a directory that goes with the test.
pub(crate) struct World {
    pub(crate) directory: TempDir,
}

impl World {
    /// A warehouse with a table `effect (n)`, in WAL mode; the shop is made when it is opened.
    pub(crate) fn new() -> Self {
        let world = Self { directory: tempfile::tempdir().unwrap() };
        prepare_store(&world.store());
        world
    }

    pub(crate) fn shop(&self) -> PathBuf {
        self.directory.path().join("shop.db")
    }

    pub(crate) fn store(&self) -> PathBuf {
        self.directory.path().join("warehouse.db")
    }

    /// Writes each effect into the warehouse's table.
    pub(crate) fn warehouse(&self) -> Inbox {
        Inbox::open(self.store()).unwrap().on("n", insert)
    }

    /// Commits messages of topic `n` in one transaction.
    pub(crate) fn place(&self, numbers: impl IntoIterator<Item = i64>) -> Vec<MessageId> {
        place(&self.shop(), numbers.into_iter().map(number))
    }

    /// Commits messages and takes them from a relay, unanswered.
    pub(crate) fn captured(&self, numbers: impl IntoIterator<Item = i64>) -> Captured {
        let placed = self.place(numbers);
        capture(&self.shop(), placed.len())
    }

    pub(crate) fn effects(&self) -> Vec<i64> {
        column(&self.store(), "SELECT n FROM effect ORDER BY n, rowid")
    }

    /// The places that are remembered one by one.
    pub(crate) fn seen(&self) -> Vec<i64> {
        column(&self.store(), "SELECT seq FROM inbox_seen ORDER BY seq")
    }

    pub(crate) fn in_store(&self, sql: &str) -> i64 {
        one(&self.store(), sql)
    }

    pub(crate) fn in_shop(&self, sql: &str) -> i64 {
        one(&self.shop(), sql)
    }
}

pub(crate) fn prepare_store(path: &Path) {
    let connection = Connection::open(path).unwrap();
    connection.pragma_update(None, "journal_mode", "wal").unwrap();
    connection.execute_batch("CREATE TABLE effect (n INTEGER NOT NULL)").unwrap();
}

/// A message of topic `n`; its key is the number without the last digit, if that leaves something.
pub(crate) fn number(n: i64) -> Message {
    let message = Message::new("n").json(&n).unwrap();
    if n >= 10 { message.key(n / 10) } else { message }
}

pub(crate) fn insert(effect: &Effect<'_>, n: Json<i64>) -> Result<(), Failure> {
    effect.execute("INSERT INTO effect (n) VALUES (?1)", [*n])?;
    Ok(())
}

pub(crate) fn place(shop: &Path, messages: impl IntoIterator<Item = Message>) -> Vec<MessageId> {
    let outbox = Outbox::open(shop).unwrap();
    let mut connection = Connection::open(shop).unwrap();
    let tx = connection.transaction_with_behavior(TransactionBehavior::Immediate).unwrap();
    let ids = outbox.enqueue_all(&tx, messages).unwrap();
    tx.commit().unwrap();
    ids
}

pub(crate) fn one(path: &Path, sql: &str) -> i64 {
    Connection::open(path).unwrap().query_row(sql, [], |row| row.get(0)).unwrap()
}

pub(crate) fn column(path: &Path, sql: &str) -> Vec<i64> {
    let connection = Connection::open(path).unwrap();
    let mut statement = connection.prepare(sql).unwrap();
    let rows = statement.query_map([], |row| row.get(0)).unwrap();
    rows.map(Result::unwrap).collect()
}

pub(crate) fn text(path: &Path, sql: &str) -> String {
    Connection::open(path).unwrap().query_row(sql, [], |row| row.get(0)).unwrap()
}

// ---- Through a relay -------------------------------------------------------------------------

/// A subscription that tries again at once, three times.
pub(crate) fn eager() -> Subscription {
    let retry = RetryPolicy::default().first_delay(Duration::ZERO).max_failures(3);
    Subscription::new("default").retry(retry)
}

/// Delivers all there is; what fails three times becomes a dead letter.
pub(crate) async fn deliver(shop: &Path, inbox: Inbox) {
    deliver_over(shop, eager(), inbox).await;
}

pub(crate) async fn deliver_over(shop: &Path, subscription: Subscription, inbox: Inbox) {
    let relay = Relay::open(shop).unwrap().subscribe(subscription, Local::new(inbox));
    within(relay.run_until_idle()).await.unwrap();
}

/// The error that delivery halts with.
#[track_caller]
pub(crate) fn halts(shop: &Path, inbox: Inbox) -> impl Future<Output = Error> {
    let relay = Relay::open(shop).unwrap().subscribe(eager(), Local::new(inbox));
    async { within(relay.run_until_idle()).await.expect_err("the relay halts") }
}

/// What this comes to, in time.
pub(crate) async fn within<T>(work: impl Future<Output = T>) -> T {
    tokio::time::timeout(Duration::from_secs(60), work).await.expect("it ends in time")
}

/// Waits until this is so.
pub(crate) async fn until(so: impl Fn() -> bool) {
    within(async {
        while !so() {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    })
    .await;
}

// ---- By hand ---------------------------------------------------------------------------------

/// Whose messages, and by which opening of the subscription.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Source {
    pub(crate) store: StoreId,
    pub(crate) subscription: SubscriptionId,
    pub(crate) incarnation: Incarnation,
}

impl Source {
    pub(crate) fn hello(self) -> Hello {
        let Self { store, subscription, incarnation } = self;
        Hello { store, subscription, incarnation }
    }

    /// The same with another epoch and nonce.
    pub(crate) fn reopened(self, epoch: i64, nonce: i64) -> Self {
        Self { incarnation: Incarnation { epoch, nonce }, ..self }
    }

    pub(crate) fn request(self, envelopes: &[Envelope]) -> Request {
        self.stating(&[], envelopes)
    }

    pub(crate) fn stating(self, settled: &[(Seq, Seq)], envelopes: &[Envelope]) -> Request {
        let Self { store, subscription, incarnation } = self;
        let settled = Ranges::from_ranges(settled.iter().copied());
        Request { store, subscription, incarnation, settled, envelopes: envelopes.to_vec() }
    }
}

/// What a relay sent, in order of places.
pub(crate) struct Captured {
    pub(crate) source: Source,
    pub(crate) envelopes: Vec<Envelope>,
}

impl Captured {
    pub(crate) fn all(&self) -> Request {
        self.source.request(&self.envelopes)
    }

    pub(crate) fn greet(&self, inbox: &mut Inbox) {
        greet(inbox, self.source);
    }
}

#[track_caller]
pub(crate) fn greet(inbox: &mut Inbox, source: Source) {
    let welcome = inbox.hello(&source.hello()).unwrap();
    assert!(matches!(welcome, Welcome::Registered { .. }), "{welcome:?}");
}

/// Keeps every request, and answers none.
struct Keeper {
    requests: mpsc::UnboundedSender<Request>,
    unanswered: Mutex<Vec<Settler>>,
}

impl Transport for Keeper {
    fn deliver(&self, request: Request, settler: Settler) {
        self.unanswered.lock().unwrap().push(settler);
        let _ = self.requests.send(request);
    }

    fn hello(&self, _: Hello, greeter: Greeter) {
        greeter.welcome(Welcome::Registered { high: 0, settled_to: 0 });
    }

    fn remembers(&self) -> bool {
        true
    }
}

/// The next `messages` messages of a shop, as its relay sends them.
pub(crate) fn capture(shop: &Path, messages: usize) -> Captured {
    let (sender, mut requests) = mpsc::unbounded_channel();
    let keeper = Keeper { requests: sender, unanswered: Mutex::new(Vec::new()) };
    let relay = Relay::open(shop).unwrap().deliver_to(keeper).drain_for(Duration::ZERO);
    let mut taken: Vec<Request> = Vec::new();
    let enough = async {
        let mut count = 0;
        while count < messages {
            let request = requests.recv().await.unwrap();
            count += request.envelopes.len();
            taken.push(request);
        }
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(relay.run_until(enough)).unwrap();
    let Request { store, subscription, incarnation, .. } = taken[0];
    let source = Source { store, subscription, incarnation };
    let envelopes = taken.into_iter().flat_map(|request| request.envelopes).collect();
    Captured { source, envelopes }
}

pub(crate) type Answers = Vec<(Ticket, Outcome)>;

/// Processes a request that goes through, and returns the answers in order.
#[track_caller]
pub(crate) fn process(inbox: &mut Inbox, request: &Request) -> Answers {
    let mut answers = Vec::new();
    let processed = inbox.process(request, &mut |ticket, outcome| answers.push((ticket, outcome)));
    assert_eq!(processed.unwrap(), Processed::All);
    answers
}

/// Each answer in a word or two.
pub(crate) fn words(answers: &Answers) -> Vec<String> {
    answers.iter().map(|(_, outcome)| word(outcome)).collect()
}

pub(crate) fn word(outcome: &Outcome) -> String {
    match outcome {
        Outcome::Applied(applied) if applied.duplicate => "duplicate".into(),
        Outcome::Applied(_) => "applied".into(),
        Outcome::Failed(failure) if failure.is_permanent() => "failed for good".into(),
        Outcome::Failed(_) => "failed".into(),
        Outcome::Refused { reason, .. } => format!("refused: {reason}"),
        Outcome::Blocked => "blocked".into(),
        other => format!("{other:?}"),
    }
}
