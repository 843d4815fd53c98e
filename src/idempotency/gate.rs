//! What is let in, and what is answered for it.

use super::Settings;
use super::answer::Answer;
use super::body::{self, Held};
use super::claim::{Claim, fingerprint};
use super::field;
use super::key::{IdempotencyKey, Promised, missing};
use super::memory::Memory;
use crate::error::Error;
use crate::http::problem::{Kind, Problem};
use crate::http::refusal::{in_progress, refusal, unavailable};
use crate::http::underway::Pass;
use crate::store::idempotency::ResponseRow;
use axum::extract::Request;
use axum::response::Response;
use http::{Method, StatusCode};
use std::sync::Arc;

/// What all requests share.
#[derive(Clone, Debug)]
pub(super) struct Gate {
    pub(super) memory: Arc<Memory>,
    pub(super) settings: Arc<Settings>,
}

/// What becomes of a request.
pub(super) enum Admitted {
    /// None of ours: it runs as if there was no layer.
    Free(Request),
    /// It was answered before.
    Known(Response),
    /// It is to run; nobody else has its key meanwhile.
    New(Request, Arc<Claim>, Pass),
}

impl Gate {
    pub(super) async fn admit(&self, request: Request) -> Result<Admitted, Problem> {
        // The other methods are idempotent by themselves (RFC 9110, section 9.2.2).
        if !matches!(*request.method(), Method::POST | Method::PATCH) {
            return Ok(Admitted::Free(request));
        }
        let Some(key) = field::read(request.headers())? else {
            return if self.settings.is_optional {
                Ok(Admitted::Free(request))
            } else {
                Err(missing())
            };
        };
        let (mut parts, body) = request.into_parts();
        let tenant = (self.settings.tenant)(&parts);
        let body = body::read(body, self.settings.longest_body).await?;
        let fingerprint = fingerprint(&parts, &body);
        // First the pass and then the look: whoever had it before has stored its answer by now.
        let pass = self.memory.underway.enter(&tenant, &key).ok_or_else(in_progress)?;
        let claim = Claim::new((&self.memory, &self.settings), (tenant, key), fingerprint);
        let claim = Arc::new(claim);
        if let Some(row) = self.memory.find(&claim).await.map_err(|error| unreadable(&error))? {
            return again(&claim, row).map(Admitted::Known);
        }
        parts.extensions.insert(IdempotencyKey::new(Arc::clone(&claim)));
        Ok(Admitted::New(Request::from_parts(parts, body.into()), claim, pass))
    }

    /// What the client is told after the handler ran.
    pub(super) async fn conclude(&self, claim: &Arc<Claim>, response: Response) -> Response {
        let concluded = if claim.is_taken_over() {
            self.committed(claim, response).await
        } else if is_final(response.status()) {
            self.keep(claim, response).await
        } else {
            Ok(response)
        };
        concluded.unwrap_or_else(|problem| refusal(&problem))
    }

    /// The handler has stored its answer, or has not: what counts is what was committed.
    async fn committed(&self, claim: &Arc<Claim>, response: Response) -> Result<Response, Problem> {
        let found = self.memory.find(claim).await.map_err(|error| unreadable(&error))?;
        match found {
            Some(row) => again(claim, row),
            None if response.extensions().get::<Promised>().is_some() => {
                tracing::error!("a handler gave its answer and did not commit it");
                Err(Problem::new(Kind::Failed, "nothing was committed"))
            }
            None => Ok(response),
        }
    }

    /// Stores the answer of a handler that does not.
    async fn keep(&self, claim: &Arc<Claim>, response: Response) -> Result<Response, Problem> {
        let (parts, body) = response.into_parts();
        let body = match body::hold(body, self.settings.longest_response).await {
            Held::Whole(body) => body,
            Held::TooLong(body) => {
                let most = self.settings.longest_response;
                tracing::warn!(most, "an answer is too long to be kept: its request may run again");
                return Ok(Response::from_parts(parts, body));
            }
            Held::Cut => return Err(Problem::new(Kind::Failed, "the answer was cut off")),
        };
        let (status, headers) = (parts.status, parts.headers.clone());
        let answer = Answer { status, headers, body: body.clone() };
        match self.memory.remember(claim, answer).await {
            Ok(None) => {}
            // Another process was faster: one key has one answer.
            Ok(Some(row)) => return again(claim, row),
            // It ran, and a refusal would only have it run again.
            Err(error) => {
                tracing::error!(%error, "an answer could not be kept: its request may run again");
            }
        }
        Ok(Response::from_parts(parts, body.into()))
    }
}

/// The stored answer, to who asks for the same.
fn again(claim: &Claim, row: ResponseRow) -> Result<Response, Problem> {
    if row.fingerprint != claim.fingerprint {
        let why = "this idempotency key was used with another request";
        return Err(Problem::new(Kind::Conflict, why));
    }
    Answer::of(row).map(Answer::into_response)
}

/// Whether a handler that says this is done with the request. The others say that it may be tried
/// again, and it is with the same key.
fn is_final(status: StatusCode) -> bool {
    const LATER: [StatusCode; 3] =
        [StatusCode::REQUEST_TIMEOUT, StatusCode::TOO_EARLY, StatusCode::TOO_MANY_REQUESTS];
    !status.is_server_error() && !status.is_informational() && !LATER.contains(&status)
}

fn unreadable(error: &Error) -> Problem {
    tracing::warn!(%error, "the answers to idempotency keys cannot be read");
    unavailable("it cannot be known whether this was answered before")
}
