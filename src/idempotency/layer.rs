//! The layer, and the service it makes of another.

use super::claim::Claim;
use super::gate::{Admitted, Gate};
use crate::http::refusal::{refusal, unavailable};
use crate::http::underway::Pass;
use axum::extract::Request;
use axum::response::{IntoResponse, Response};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use tower_layer::Layer;
use tower_service::Service;
use tracing::Instrument;

/// Has a repeated request answered with the answer of the first:
/// [`IdempotencyKeys::layer`](super::IdempotencyKeys::layer).
#[derive(Clone, Debug)]
pub struct IdempotencyLayer {
    gate: Gate,
}

impl IdempotencyLayer {
    pub(super) fn new(gate: Gate) -> Self {
        Self { gate }
    }
}

impl<S> Layer<S> for IdempotencyLayer {
    type Service = IdempotencyService<S>;

    fn layer(&self, inner: S) -> IdempotencyService<S> {
        IdempotencyService { gate: self.gate.clone(), inner }
    }
}

/// A service behind an [`IdempotencyLayer`].
///
/// A request that is run for the first time is run to its end, in a task of its own: a client that
/// goes away stops nothing, and finds the answer when it comes again.
#[derive(Clone, Debug)]
pub struct IdempotencyService<S> {
    gate: Gate,
    inner: S,
}

impl<S> Service<Request> for IdempotencyService<S>
where
    S: Service<Request> + Clone + Send + 'static,
    S::Response: IntoResponse,
    S::Error: Send + 'static,
    S::Future: Send + 'static,
{
    type Response = Response;
    type Error = S::Error;
    type Future = Pin<Box<dyn Future<Output = Result<Response, S::Error>> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, request: Request) -> Self::Future {
        // The one that is ready goes along; its clone has to be asked anew.
        let clone = self.inner.clone();
        let mut inner = std::mem::replace(&mut self.inner, clone);
        let gate = self.gate.clone();
        Box::pin(async move {
            match gate.admit(request).await {
                Ok(Admitted::Free(request)) => {
                    inner.call(request).await.map(IntoResponse::into_response)
                }
                Ok(Admitted::Known(response)) => Ok(response),
                Ok(Admitted::New(request, claim, pass)) => {
                    let run = carry(gate, inner, request, (claim, pass));
                    ended(tokio::spawn(run.in_current_span()).await)
                }
                Err(problem) => Ok(refusal(&problem)),
            }
        })
    }
}

/// Runs a request to its end, with its key in hand.
async fn carry<S>(
    gate: Gate,
    mut inner: S,
    request: Request,
    (claim, pass): (Arc<Claim>, Pass),
) -> Result<Response, S::Error>
where
    S: Service<Request>,
    S::Response: IntoResponse,
{
    let response = inner.call(request).await?.into_response();
    let response = gate.conclude(&claim, response).await;
    drop(pass);
    Ok(response)
}

/// A panic goes on where it would have without a task.
fn ended<E>(task: Result<Result<Response, E>, tokio::task::JoinError>) -> Result<Response, E> {
    match task {
        Ok(response) => response,
        Err(error) => match error.try_into_panic() {
            Ok(panic) => std::panic::resume_unwind(panic),
            Err(_) => Ok(refusal(&unavailable("the service is going away"))),
        },
    }
}
