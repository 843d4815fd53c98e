//! Messages into any function: an SDK, a queue, a mail server.

use super::{Outcome, Request, Settler, Transport};
use crate::failure::Failure;
use crate::handoff::lines;
use crate::message::Envelope;
use std::fmt;
use std::future::Future;
use std::sync::Arc;
use tokio::runtime::Handle;
use tokio::sync::Semaphore;

/// Hands every message to an async function; `Ok` acknowledges it.
///
/// Messages of one key are handed over one after the other, in order; others at the same time, up
/// to 64 of them unless [`concurrency`](Function::concurrency) says otherwise. The function may see
/// a message more than once: give [`Envelope::id`] to the other side as its idempotency key.
///
/// ```no_run
/// # async fn publish(_: &str, _: String, _: &[u8]) -> Result<(), std::io::Error> { Ok(()) }
/// # async fn run() -> Result<(), surehand::Error> {
/// use surehand::{Envelope, Relay, transport};
///
/// let broker = transport::function(async |envelope: Envelope| {
///     publish(envelope.topic(), envelope.id().to_string(), envelope.payload()).await?;
///     Ok(())
/// });
/// Relay::open("shop.db")?.deliver_to(broker).run_until(std::future::pending()).await
/// # }
/// ```
///
/// # Panics
///
/// Outside a tokio runtime: the function runs on the one that this is called from.
pub fn function<F, R>(call: F) -> Function
where
    F: Fn(Envelope) -> R + Send + Sync + 'static,
    R: Future<Output = Result<(), Failure>> + Send + 'static,
{
    Function {
        call: Arc::new(move |envelope| Box::pin(call(envelope))),
        runtime: Handle::current(),
        calls: CALLS,
        permits: Arc::new(Semaphore::new(CALLS)),
    }
}

/// How many calls run at the same time unless told otherwise.
const CALLS: usize = 64;

type Pending = std::pin::Pin<Box<dyn Future<Output = Result<(), Failure>> + Send>>;
type Call = dyn Fn(Envelope) -> Pending + Send + Sync;

/// See [`function`].
#[derive(Clone)]
#[must_use]
pub struct Function {
    call: Arc<Call>,
    runtime: Handle,
    calls: usize,
    permits: Arc<Semaphore>,
}

impl Function {
    /// How many calls run at the same time, at the most.
    pub fn concurrency(mut self, calls: usize) -> Self {
        self.calls = calls.max(1);
        self.permits = Arc::new(Semaphore::new(self.calls));
        self
    }

    /// One after the other; after a failure the rest of the key has to wait.
    async fn hand_over(self, envelopes: Vec<Envelope>, settler: Settler) {
        let mut blocked = false;
        for envelope in envelopes {
            let ticket = envelope.ticket();
            if blocked {
                settler.settle(ticket, Outcome::Blocked);
                continue;
            }
            let Ok(_permit) = self.permits.acquire().await else { return };
            // On a task of its own, so that a panic is a failure of this message alone; the call
            // as well, which may panic before there is a future.
            let call = Arc::clone(&self.call);
            let outcome = match self.runtime.spawn(async move { call(envelope).await }).await {
                Ok(Ok(())) => Outcome::delivered(),
                Ok(Err(failure)) => Outcome::Failed(failure),
                Err(error) => match error.try_into_panic() {
                    Ok(panic) => Outcome::Failed(Failure::panicked("the function", &*panic)),
                    Err(_) => Outcome::Unknown,
                },
            };
            blocked = !matches!(outcome, Outcome::Applied(_));
            settler.settle(ticket, outcome);
        }
    }
}

impl Transport for Function {
    fn deliver(&self, request: Request, settler: Settler) {
        for line in lines(request.envelopes) {
            self.runtime.spawn(self.clone().hand_over(line, settler.clone()));
        }
    }

    /// Some wait for a call to end, so that none is idle while the relay fetches more.
    fn capacity(&self) -> usize {
        self.calls.saturating_mul(4)
    }
}

impl fmt::Debug for Function {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Function").finish_non_exhaustive()
    }
}
