//! The key of a request, for a handler that stores its answer itself.

use super::answer::Answer;
use super::body::{Held, hold};
use super::claim::Claim;
use super::field;
use crate::error::{Error, ErrorKind, Result};
use crate::http::problem::{Kind, Problem};
use crate::http::refusal::refusal;
use crate::store::transaction::rollback;
use crate::transaction::{InTransaction, inside};
use axum::body::Body;
use axum::extract::{FromRequestParts, OptionalFromRequestParts};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use http::request::Parts;
use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

/// The idempotency key of a request that is run for the first time: an extractor, and an extension
/// of the request.
///
/// As an `Option` it is none for a request without a key, where keys are optional.
#[derive(Clone, Debug)]
pub struct IdempotencyKey {
    claim: Arc<Claim>,
}

/// Marks a response whose transaction has to be committed by the time it is given.
#[derive(Clone, Copy, Debug)]
pub(super) struct Promised;

impl IdempotencyKey {
    pub(super) fn new(claim: Arc<Claim>) -> Self {
        Self { claim }
    }

    /// The key itself: 1 to 255 printable ASCII characters, unique within its tenant only.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.claim.key
    }

    /// Stores the answer in the handler's own transaction, and gives it back to be returned: effect
    /// and answer are committed together, or neither is. From then on the layer stores nothing of
    /// its own for this request; after a rollback the key is free again.
    ///
    /// Whatever its status, the answer is stored. The client gets what is stored: layers between
    /// this handler and the idempotency layer have no part in it. An answer that is returned
    /// without a commit becomes a 500.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Conflict`] when another process was faster with this key: roll back, and return
    /// anything, the client gets the answer that is stored. [`ErrorKind::InvalidMessage`] when the
    /// body is a stream, or longer than
    /// [`longest_response`](super::IdempotencyKeys::longest_response);
    /// [`ErrorKind::NotInTransaction`] after a raw `COMMIT`, [`ErrorKind::WrongDatabase`] when the
    /// transaction is on another database, [`ErrorKind::Replaced`] when the file is gone. After
    /// any of them the transaction must not be committed. An error of kind [`ErrorKind::DiskFull`]
    /// has rolled it back.
    pub fn answer(
        &self,
        transaction: &impl InTransaction,
        response: impl IntoResponse,
    ) -> Result<Response> {
        // Also if it fails: then there is to be no answer but the one of another try.
        self.claim.take_over();
        let connection = inside(transaction)?;
        self.claim.memory.check_host(connection)?;
        let (parts, body) = response.into_response().into_parts();
        let body = whole(body, self.claim.settings.longest_response)?;
        let answer = Answer { status: parts.status, headers: parts.headers, body };
        let kept = self.claim.remember(connection, &answer).inspect_err(|error| {
            // SQLite may have undone one statement only, and what is left must not be committed.
            if error.kind() == ErrorKind::DiskFull {
                let _ = rollback(connection);
            }
        })?;
        if !kept {
            return Err(answered_before());
        }
        let mut response = answer.into_response();
        response.extensions_mut().insert(Promised);
        Ok(response)
    }
}

/// A body that is there: it is asked once, and nobody waits inside a transaction.
fn whole(body: Body, most: usize) -> Result<Bytes> {
    let held = pin!(hold(body, most)).poll(&mut Context::from_waker(Waker::noop()));
    let why = match held {
        Poll::Ready(Held::Whole(bytes)) => return Ok(bytes),
        Poll::Ready(Held::TooLong(_)) => format!("the answer has more than {most} bytes"),
        Poll::Ready(Held::Cut) => "the body of the answer failed".to_owned(),
        Poll::Pending => "the body of the answer is a stream".to_owned(),
    };
    Err(Error::new(
        ErrorKind::InvalidMessage,
        why,
        "the answer was not stored, so roll back; give a complete body within the limit",
    ))
}

fn answered_before() -> Error {
    Error::new(
        ErrorKind::Conflict,
        "a request with this idempotency key was answered already",
        "roll back: the client gets the answer that is stored",
    )
}

impl<S: Send + Sync> FromRequestParts<S> for IdempotencyKey {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Response> {
        if let Some(key) = parts.extensions.get::<Self>() {
            return Ok(key.clone());
        }
        Err(refusal(&if parts.headers.contains_key(field::NAME) {
            Problem::new(Kind::Failed, "no layer has looked at the idempotency key")
        } else {
            missing()
        }))
    }
}

impl<S: Send + Sync> OptionalFromRequestParts<S> for IdempotencyKey {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Option<Self>, Response> {
        Ok(parts.extensions.get::<Self>().cloned())
    }
}

pub(super) fn missing() -> Problem {
    Problem::new(Kind::Missing, "`Idempotency-Key` has to be there")
}
