//! A repeated request has one effect and one answer: HTTP's `Idempotency-Key` as a tower layer.
//!
//! It promises that a request whose answer was stored is not run again but answered with that, byte
//! for byte, after a restart too; and that a handler which stores its answer in its own transaction
//! has effect and answer together or neither. It follows draft-ietf-httpapi-idempotency-key-header,
//! revision 07. What it answers when, and what it does not promise, is in
//! `docs/idempotency-key.md`.

mod answer;
mod body;
mod claim;
mod field;
mod gate;
mod key;
mod layer;
mod memory;

pub use key::IdempotencyKey;
pub use layer::{IdempotencyLayer, IdempotencyService};

use crate::database::Database;
use crate::error::Result;
use gate::Gate;
use http::request::Parts;
use memory::Memory;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

const MEBIBYTE: usize = 1024 * 1024;
const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// The answers to idempotency keys, in a database, and how requests with them are taken.
///
/// Cheap to clone. Open it once in a process: the layers that come from it know of each other's
/// requests under way.
///
/// The answer of a handler that knows nothing of it is stored by the layer, in a transaction after
/// it ran: a crash between the two runs it again. With an [`IdempotencyKey`] effect and answer are
/// committed together:
///
/// ```
/// use axum::extract::State;
/// use axum::response::{IntoResponse, Response};
/// use axum::{Router, routing::post};
/// use http::StatusCode;
/// use surehand::idempotency::{IdempotencyKey, IdempotencyKeys};
/// use surehand::{AsyncOutbox, Error, Message, Outbox};
///
/// type Failure = Box<dyn std::error::Error + Send + Sync>;
/// type Shop = State<AsyncOutbox>;
///
/// async fn place(State(outbox): Shop, key: IdempotencyKey, sku: String) -> Response {
///     let placed = outbox.transact(move |tx, outbox| {
///         tx.execute("INSERT INTO orders (sku) VALUES (?1)", [&sku])?;
///         outbox.enqueue(tx, Message::new("order.placed").json(&sku)?)?;
///         Ok::<_, Failure>(key.answer(tx, (StatusCode::CREATED, sku))?)
///     });
///     // An error has undone the order, and is not stored: the client comes again.
///     placed.await.unwrap_or_else(|_| StatusCode::SERVICE_UNAVAILABLE.into_response())
/// }
///
/// # let directory = tempfile::tempdir().unwrap();
/// # let path = directory.path().join("shop.db");
/// let outbox = AsyncOutbox::start(Outbox::open(&path)?)?;
/// let keys = IdempotencyKeys::open(&path)?;
/// let app: Router = Router::new()
///     .route("/orders", post(place))
///     .route_layer(keys.layer())
///     .with_state(outbox);
/// # Ok::<(), Error>(())
/// ```
#[derive(Clone, Debug)]
#[must_use = "it sees no request before it is a layer"]
pub struct IdempotencyKeys {
    memory: Arc<Memory>,
    settings: Settings,
}

type Tenant = dyn Fn(&Parts) -> String + Send + Sync;

/// How requests are taken.
#[derive(Clone)]
struct Settings {
    keep_for: Duration,
    is_optional: bool,
    longest_body: usize,
    longest_response: usize,
    tenant: Arc<Tenant>,
}

impl IdempotencyKeys {
    /// Opens the answers in a database: makes their tables, under a prefix of their own, beside
    /// whatever else is there. It should be the database that the handlers write to.
    ///
    /// # Errors
    ///
    /// When the file cannot be opened or written, is no database, has a newer schema, or a journal
    /// mode that survives no crash.
    pub fn open(database: impl Into<Database>) -> Result<Self> {
        let settings = Settings {
            keep_for: DAY,
            is_optional: false,
            longest_body: MEBIBYTE,
            longest_response: MEBIBYTE,
            tenant: Arc::new(|_| String::new()),
        };
        Ok(Self { memory: Arc::new(Memory::open(database.into())?), settings })
    }

    /// How long an answer is kept: 24 hours unless told otherwise, by the clock of the database.
    /// Then its key is a new one, so it should be longer than any client tries again.
    pub fn keep_for(mut self, time: Duration) -> Self {
        self.settings.keep_for = time;
        self
    }

    /// Whose request it is: keys of different tenants are different keys. Without it all who come
    /// are one, and whoever knows another's key, path and body is given the other's answer.
    ///
    /// Take it from what was authenticated outside this layer, such as an extension. What a client
    /// may choose freely, such as a header that nobody verified, separates nobody.
    pub fn tenant(mut self, tenant: impl Fn(&Parts) -> String + Send + Sync + 'static) -> Self {
        self.settings.tenant = Arc::new(tenant);
        self
    }

    /// Lets requests without a key through, unprotected; without it they are refused with 400.
    pub fn optional(mut self) -> Self {
        self.settings.is_optional = true;
        self
    }

    /// The longest body of a request with a key, in bytes: 1 MiB unless told otherwise. It is held
    /// in memory as a whole, because the key stands for this body alone.
    pub fn longest_body(mut self, bytes: usize) -> Self {
        self.settings.longest_body = bytes;
        self
    }

    /// The longest body of a response that is stored, in bytes: 1 MiB unless told otherwise. A
    /// longer one is an error of [`IdempotencyKey::answer`]; one that the layer would have to store
    /// goes out and is not stored, with a warning.
    pub fn longest_response(mut self, bytes: usize) -> Self {
        self.settings.longest_response = bytes;
        self
    }

    /// The layer: for [`Router::route_layer`](axum::Router::route_layer) or
    /// [`Router::layer`](axum::Router::layer), which takes what matches no route as well. It works
    /// inside a tokio runtime.
    ///
    /// What authenticates, limits rates or compresses belongs outside of it.
    pub fn layer(&self) -> IdempotencyLayer {
        let settings = Arc::new(self.settings.clone());
        IdempotencyLayer::new(Gate { memory: Arc::clone(&self.memory), settings })
    }
}

impl fmt::Debug for Settings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Settings")
            .field("keep_for", &self.keep_for)
            .field("is_optional", &self.is_optional)
            .field("longest_body", &self.longest_body)
            .field("longest_response", &self.longest_response)
            .finish_non_exhaustive()
    }
}
