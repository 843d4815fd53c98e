//! The way in: what is checked in which order, and what is held meanwhile.

use super::body::{self, Body};
use super::dispatch::{self, Form};
use super::{KIBIBYTE, Limits};
use crate::http::problem::{Kind, Problem};
use crate::http::refusal::{COME_AGAIN, refusal};
use crate::http::underway::Underway;
use crate::transport::Local;
use axum::Router;
use axum::extract::{Request, State};
use axum::response::Response;
use axum::routing::post;
use http::HeaderMap;
use std::sync::Arc;
use tokio::sync::{Semaphore, TryAcquireError};

/// What all requests share.
pub(super) struct Gate {
    pub(super) local: Local,
    pub(super) limits: Limits,
    pub(super) underway: Underway,
    bodies: Semaphore,
    /// A permit for each KiB that bodies hold.
    budget: Arc<Semaphore>,
    queue: Semaphore,
}

impl Gate {
    pub(super) fn new(local: Local, limits: Limits) -> Self {
        let bodies = Semaphore::new(limits.bodies.min(Semaphore::MAX_PERMITS));
        let kibibytes = limits.budget_bytes.div_ceil(KIBIBYTE).min(Semaphore::MAX_PERMITS);
        let budget = Arc::new(Semaphore::new(kibibytes));
        let queue = Semaphore::new(limits.queue.min(Semaphore::MAX_PERMITS));
        Self { local, limits, underway: Underway::default(), bodies, budget, queue }
    }

    pub(super) fn into_router(self) -> Router {
        let refused = || async { refusal(&Problem::new(Kind::Method, "POST an event")) };
        Router::new().route("/", post(take).fallback(refused)).with_state(Arc::new(self))
    }

    /// What can be refused before the body is read, is.
    async fn let_in(&self, request: Request) -> Result<Response, Problem> {
        let body_slot = self.bodies.try_acquire().map_err(busy)?;
        let (parts, body) = request.into_parts();
        let form = Form::of(&parts.headers, self.limits.verifier.is_some())?;
        let signed = self.signed(&parts.headers)?;
        let budget = Arc::clone(&self.budget);
        let read = body::read(&parts.headers, body, &self.limits, budget);
        let read = tokio::time::timeout(self.limits.body_timeout, read).await;
        let body =
            read.map_err(|_| Problem::new(Kind::Slow, "the body did not come in time"))??;
        drop(body_slot);
        if let Some(signed) = signed {
            self.verify(&signed, &body)?;
        }
        // Slow bodies hold no place here.
        let _place = self.queue.try_acquire().map_err(busy)?;
        dispatch::dispatch(self, form, &parts.headers, &body).await
    }

    /// What a signature needs; nothing where none is asked for.
    fn signed<'a>(&self, fields: &'a HeaderMap) -> Result<Option<Signed<'a>>, Problem> {
        if self.limits.verifier.is_none() {
            return Ok(None);
        }
        let field = |name: &str| {
            let mut values = fields.get_all(name).iter();
            let missing = || Problem::new(Kind::Unsigned, format!("`{name}` has to be there once"));
            let value = values.next().filter(|_| values.next().is_none()).ok_or_else(missing)?;
            value.to_str().map_err(|_| Problem::new(Kind::Unsigned, format!("`{name}` is garbled")))
        };
        let (id, timestamp) = (field("webhook-id")?, field("webhook-timestamp")?);
        Ok(Some(Signed { id, timestamp, signatures: field("webhook-signature")? }))
    }

    fn verify(&self, signed: &Signed<'_>, body: &Body) -> Result<(), Problem> {
        let Some(verifier) = &self.limits.verifier else { return Ok(()) };
        let now_s = self.limits.clock.now().wall_ms.div_euclid(1_000);
        let Signed { id, timestamp, signatures } = signed;
        verifier
            .verify(id, timestamp, signatures, &body.bytes, now_s)
            .map_err(|refused| Problem::new(Kind::Unsigned, refused.to_string()))
    }
}

struct Signed<'a> {
    id: &'a str,
    timestamp: &'a str,
    signatures: &'a str,
}

async fn take(State(gate): State<Arc<Gate>>, request: Request) -> Response {
    gate.let_in(request).await.unwrap_or_else(|problem| refusal(&problem))
}

fn busy(_: TryAcquireError) -> Problem {
    Problem::new(Kind::Busy, "as much as can be is on its way already").after(COME_AGAIN)
}
