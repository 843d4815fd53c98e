//! What the tests here need: a shop whose orders are counted, and requests to it.

use axum::Router;
use axum::body::Body;
use axum::handler::Handler;
use axum::response::Response;
use axum::routing::any;
use bytes::Bytes;
use http::{HeaderMap, Request, StatusCode};
use http_body_util::BodyExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;
use surehand::Database;
use surehand::clock::{Clock, Now};
use surehand::idempotency::IdempotencyKeys;
use surehand::rusqlite::{Connection, TransactionBehavior};
use tower_service::Service;

/// Longer than anything here takes.
pub(crate) const PATIENCE: Duration = Duration::from_secs(10);

/// A folder with a shop in it, and the time there.
pub(crate) struct Shop {
    pub(crate) folder: tempfile::TempDir,
    pub(crate) path: PathBuf,
    pub(crate) watch: Arc<Watch>,
}

impl Shop {
    pub(crate) fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("shop.db");
        let connection = Connection::open(&path).unwrap();
        connection.pragma_update(None, "journal_mode", "wal").unwrap();
        connection.execute_batch("CREATE TABLE orders (sku TEXT)").unwrap();
        Self { folder, path, watch: Arc::default() }
    }

    pub(crate) fn keys(&self) -> IdempotencyKeys {
        let watch: Arc<dyn Clock> = self.watch.clone();
        IdempotencyKeys::open(Database::new(&self.path).clock(watch)).unwrap()
    }

    /// What takes an order as it comes, in a transaction that knows of no key.
    pub(crate) fn ordering(&self) -> impl Fn(&str) + Clone + Send + Sync + 'static {
        let path = self.path.clone();
        move |sku| insert(&connect(&path), sku)
    }

    pub(crate) fn orders(&self) -> i64 {
        self.count("SELECT count(*) FROM orders")
    }

    /// How many answers are stored.
    pub(crate) fn answers(&self) -> i64 {
        self.count("SELECT count(*) FROM idempotency_response")
    }

    fn count(&self, sql: &str) -> i64 {
        connect(&self.path).query_row(sql, [], |row| row.get(0)).unwrap()
    }
}

pub(crate) fn connect(path: &Path) -> Connection {
    let connection = Connection::open(path).unwrap();
    connection.pragma_update(None, "synchronous", "FULL").unwrap();
    connection.busy_timeout(Duration::from_secs(30)).unwrap();
    connection
}

pub(crate) fn begin(connection: &mut Connection) -> surehand::rusqlite::Transaction<'_> {
    connection.transaction_with_behavior(TransactionBehavior::Immediate).unwrap()
}

pub(crate) fn insert(connection: &Connection, sku: &str) {
    connection.execute("INSERT INTO orders (sku) VALUES (?1)", [sku]).unwrap();
}

/// A clock that somebody sets.
#[derive(Debug)]
pub(crate) struct Watch(AtomicI64);

impl Default for Watch {
    fn default() -> Self {
        Self(AtomicI64::new(1_700_000_000_000))
    }
}

impl Watch {
    pub(crate) fn advance(&self, time: Duration) {
        self.0.fetch_add(i64::try_from(time.as_millis()).unwrap(), Ordering::SeqCst);
    }
}

impl Clock for Watch {
    fn now(&self) -> Now {
        Now { wall_ms: self.0.load(Ordering::SeqCst), tick: Duration::ZERO }
    }
}

/// A handler for every method of every path, behind the layer.
pub(crate) fn router<T: 'static>(keys: &IdempotencyKeys, handler: impl Handler<T, ()>) -> Router {
    Router::new().route("/{*path}", any(handler)).layer(keys.layer())
}

/// An order as it is placed everywhere here.
pub(crate) fn order(key: &str) -> Request<Body> {
    order_of(key, "A-1")
}

pub(crate) fn order_of(key: &str, sku: &str) -> Request<Body> {
    let request = Request::post("/orders").header("content-type", "text/plain");
    request.header("idempotency-key", key).body(Body::from(sku.to_owned())).unwrap()
}

/// A response, wholly read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Said {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

impl Said {
    pub(crate) async fn of(response: Response) -> Self {
        let (parts, body) = response.into_parts();
        let body = body.collect().await.unwrap().to_bytes();
        Self { status: parts.status, headers: parts.headers, body }
    }

    /// A problem document of that kind.
    #[track_caller]
    pub(crate) fn is_problem(&self, status: u16, kind: &str) {
        assert_eq!(self.status, status, "{self:?}");
        assert_eq!(self.headers["content-type"], "application/problem+json");
        let document: serde_json::Value = serde_json::from_slice(&self.body).unwrap();
        assert_eq!(document["type"], format!("urn:surehand:problem:{kind}"));
        assert_eq!(document["status"], status);
        assert!(document["detail"].is_string() && document["title"].is_string());
    }

    #[track_caller]
    pub(crate) fn is(&self, status: u16, body: &str) {
        assert_eq!((self.status.as_u16(), &self.body[..]), (status, body.as_bytes()), "{self:?}");
    }
}

pub(crate) async fn send(router: &Router, request: Request<Body>) -> Said {
    Said::of(router.clone().call(request).await.unwrap()).await
}
