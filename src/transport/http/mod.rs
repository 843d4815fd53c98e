//! Over HTTP: to a receiver of ours, or to any service that answers 2xx after its own commit.
//!
//! It promises to take nothing for an acknowledgement but an answer that says so, to follow no
//! redirect, and to answer for a message only what was said of it. The wire is in `docs/http.md`.

pub(crate) mod answer;
mod builder;
mod client;
mod errand;
pub(crate) mod form;
mod pace;
mod send;

pub use builder::HttpBuilder;

use super::{Greeter, Hello, Request, Settler, Transport};
use errand::Errand;
use send::Endpoint;
use std::fmt;
use std::sync::Arc;
use tokio::runtime::Handle;

/// Delivers messages by POST to one endpoint.
///
/// Each message is a request of its own, a CloudEvent in JSON signed as Standard Webhooks asks,
/// unless [`batches`](HttpBuilder::batches) are asked for. A 2xx acknowledges; what other answers
/// mean is a table in `docs/http.md`.
///
/// ```no_run
/// use surehand::http::Secret;
/// use surehand::transport::Http;
/// use surehand::{Relay, Subscription};
///
/// # async fn run() -> Result<(), Box<dyn std::error::Error>> {
/// let secret: Secret = std::env::var("WAREHOUSE_SECRET")?.parse()?;
/// let warehouse = Http::signed("https://warehouse.example/inbox", secret).start()?;
/// let relay = Relay::open("shop.db")?.subscribe(Subscription::new("warehouse"), warehouse);
/// relay.run_until(std::future::pending()).await?;
/// # Ok(())
/// # }
/// ```
#[must_use]
pub struct Http {
    endpoint: Arc<Endpoint>,
    runtime: Handle,
    topics: Vec<String>,
}

impl Transport for Http {
    fn deliver(&self, request: Request, settler: Settler) {
        let errand = Errand::new(request, settler);
        self.runtime.spawn(Arc::clone(&self.endpoint).run(errand));
    }

    fn hello(&self, hello: Hello, greeter: Greeter) {
        self.runtime.spawn(Arc::clone(&self.endpoint).greet(hello, greeter));
    }

    fn remembers(&self) -> bool {
        self.endpoint.form.to_inbox
    }

    fn topics(&self) -> Vec<String> {
        self.topics.clone()
    }

    fn capacity(&self) -> usize {
        self.endpoint.capacity()
    }
}

impl fmt::Debug for Http {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Http").field("to", &self.endpoint.place()).finish_non_exhaustive()
    }
}
