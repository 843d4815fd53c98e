//! An inbox over HTTP: an axum router that a service mounts where it likes.
//!
//! It promises to answer 2xx only after the commit, to look at nothing that is not signed, to hold
//! no more than its budget in memory whatever comes, and to refuse with a document that says why.
//! The wire is in `docs/http.md`.

mod answer;
mod batch;
mod body;
mod dispatch;
mod gate;
mod heard;

use crate::clock::{Clock, System};
use crate::http::Verifier;
use crate::inbox::Inbox;
use crate::transport::Local;
use axum::Router;
use gate::Gate;
use std::sync::Arc;
use std::time::Duration;

/// An inbox behind HTTP, and what it takes.
///
/// Takes CloudEvents (one, or an array of them), what a relay with
/// [`Http`](crate::transport::Http) sends, and webhooks of anybody who signs by Standard Webhooks:
/// their topic is the `type` of their JSON.
///
/// ```no_run
/// use surehand::http::Secret;
/// use surehand::{Effect, Inbox, Json, Receiver};
///
/// # async fn run() -> Result<(), Box<dyn std::error::Error>> {
/// let inbox = Inbox::open("warehouse.db")?.on("order.placed", |tx: &Effect, order: Json<i64>| {
///     tx.execute("INSERT INTO shipment (order_id) VALUES (?1)", [*order])?;
///     Ok(())
/// });
/// let secret: Secret = std::env::var("WAREHOUSE_SECRET")?.parse()?;
/// let inbox = Receiver::verified(inbox, secret).into_router();
/// let app = axum::Router::new().nest("/inbox", inbox);
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
#[must_use = "it takes nothing before it is a router"]
pub struct Receiver {
    inbox: Inbox,
    limits: Limits,
}

/// What is taken, and how much of it.
#[derive(Clone, Debug)]
struct Limits {
    verifier: Option<Verifier>,
    body_bytes: usize,
    batch: usize,
    body_timeout: Duration,
    budget_bytes: usize,
    bodies: usize,
    queue: usize,
    horizon: Duration,
    sender: String,
    clock: Arc<dyn Clock>,
}

const KIBIBYTE: usize = 1024;
const MEBIBYTE: usize = 1024 * KIBIBYTE;

impl Inbox {
    /// This inbox over HTTP: a router that takes what is signed with one of these keys. What else
    /// may be chosen is at [`Receiver`].
    ///
    /// # Panics
    ///
    /// As [`Local::new`](crate::transport::Local::new).
    pub fn into_router(self, verifier: impl Into<Verifier>) -> Router {
        Receiver::verified(self, verifier).into_router()
    }
}

impl Receiver {
    /// Takes what is signed with one of these keys. Events with their attributes in header fields
    /// are refused: a signature covers the body only.
    pub fn verified(inbox: Inbox, verifier: impl Into<Verifier>) -> Self {
        Self::new(inbox, Some(verifier.into()))
    }

    /// Takes what anybody sends who reaches it.
    pub fn unsigned(inbox: Inbox) -> Self {
        Self::new(inbox, None)
    }

    fn new(inbox: Inbox, verifier: Option<Verifier>) -> Self {
        let limits = Limits {
            verifier,
            body_bytes: 8 * MEBIBYTE,
            batch: 1024,
            body_timeout: Duration::from_secs(30),
            budget_bytes: 32 * MEBIBYTE,
            bodies: 1024,
            queue: 64,
            horizon: Duration::from_secs(7 * 86_400),
            sender: "webhook".into(),
            clock: Arc::new(System),
        };
        Self { inbox, limits }
    }

    /// The longest body, before and after it is unpacked: 8 MiB unless told otherwise.
    pub fn longest_body(mut self, bytes: usize) -> Self {
        self.limits.body_bytes = bytes;
        self
    }

    /// How many events a batch may hold: 1,024 unless told otherwise.
    pub fn largest_batch(mut self, events: usize) -> Self {
        self.limits.batch = events;
        self
    }

    /// How long a body may take to arrive: 30 s unless told otherwise.
    pub fn body_timeout(mut self, timeout: Duration) -> Self {
        self.limits.body_timeout = timeout;
        self
    }

    /// How many bytes of bodies are held at a time: 32 MiB unless told otherwise. With what is read
    /// from them it is about three times as much memory.
    pub fn budget(mut self, bytes: usize) -> Self {
        self.limits.budget_bytes = bytes;
        self
    }

    /// How many requests may be on their way in: 1,024 unless told otherwise. Those whose body is
    /// there wait for the inbox in a queue of their own, which slow ones cannot fill.
    pub fn bodies(mut self, requests: usize) -> Self {
        self.limits.bodies = requests;
        self
    }

    /// How many requests wait for the inbox: 64 unless told otherwise. More are refused with 503
    /// and come again.
    pub fn queue(mut self, requests: usize) -> Self {
        self.limits.queue = requests.max(1);
        self
    }

    /// How long ids of senders are kept that have no outbox of ours: 7 days unless told otherwise.
    /// Longer than any of them tries again, or a late one is applied twice.
    pub fn horizon(mut self, horizon: Duration) -> Self {
        self.limits.horizon = horizon;
        self
    }

    /// Whose webhooks these are: their ids are unique within this name only. `webhook` unless told
    /// otherwise; CloudEvents name their source themselves.
    pub fn sender(mut self, name: impl Into<String>) -> Self {
        self.limits.sender = name.into();
        self
    }

    /// Where the time comes from that signatures are held against; the machine's clock unless told
    /// otherwise.
    pub fn clock(mut self, clock: Arc<dyn Clock>) -> Self {
        self.limits.clock = clock;
        self
    }

    /// The router, with one route at its root: mount it with
    /// [`nest`](https://docs.rs/axum/0.8/axum/struct.Router.html#method.nest).
    ///
    /// With a graceful shutdown of the server every request that was begun is answered; when the
    /// last clone of the router is dropped, the inbox is closed after the transaction under way.
    ///
    /// # Panics
    ///
    /// As [`Local::new`](crate::transport::Local::new).
    pub fn into_router(self) -> Router {
        Gate::new(Local::new(self.inbox), self.limits).into_router()
    }
}
