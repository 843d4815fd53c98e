//! Handlers: what the consumer does with a message, by topic.

use super::Effect;
use crate::failure::Failure;
use crate::message::{Envelope, Json};
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::any::Any;
use std::collections::HashMap;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

/// What a handler gets of a message: [`Json`] of your type, or the bytes as they came.
pub trait Payload: Sized {
    /// Reads it from the envelope.
    ///
    /// # Errors
    ///
    /// When the payload is not what the handler expects. The message becomes a dead letter at once:
    /// it would not decode the next time either.
    fn read(envelope: &Envelope) -> Result<Self, Failure>;
}

impl<T: DeserializeOwned> Payload for Json<T> {
    fn read(envelope: &Envelope) -> Result<Self, Failure> {
        serde_json::from_slice(envelope.payload()).map(Json).map_err(|error| {
            Failure::permanent(format!("the payload does not decode as JSON: {error}"))
        })
    }
}

impl Payload for Vec<u8> {
    fn read(envelope: &Envelope) -> Result<Self, Failure> {
        Ok(envelope.payload().to_vec())
    }
}

/// What a `prepare` step found out, handed to the handler by reference.
pub(crate) type Prepared = Box<dyn Any + Send>;
pub(crate) type Preparing = Pin<Box<dyn Future<Output = Result<Prepared, Failure>> + Send>>;
type Prepare = Arc<dyn Fn(Envelope) -> Preparing + Send + Sync>;
type Reply = Option<Vec<u8>>;
type Apply = Box<dyn Fn(&Effect<'_>, Option<&Prepared>) -> Result<Reply, Failure> + Send>;

pub(super) struct Handler {
    apply: Apply,
    prepare: Option<Prepare>,
}

impl Handler {
    pub(super) fn plain<P, R, F>(handle: F) -> Self
    where
        P: Payload,
        R: Serialize,
        F: Fn(&Effect<'_>, P) -> Result<R, Failure> + Send + 'static,
    {
        let apply = move |effect: &Effect<'_>, _: Option<&Prepared>| {
            reply(&handle(effect, P::read(effect.envelope())?)?)
        };
        Self { apply: Box::new(apply), prepare: None }
    }

    pub(super) fn prepared<P, S, R, B, W, F>(prepare: B, handle: F) -> Self
    where
        P: Payload,
        S: Send + 'static,
        R: Serialize,
        B: Fn(Envelope) -> W + Send + Sync + 'static,
        W: Future<Output = Result<S, Failure>> + Send + 'static,
        F: Fn(&Effect<'_>, P, &S) -> Result<R, Failure> + Send + 'static,
    {
        let prepare = move |envelope: Envelope| -> Preparing {
            let work = prepare(envelope);
            Box::pin(async move { Ok(Box::new(work.await?) as Prepared) })
        };
        let apply = move |effect: &Effect<'_>, prepared: Option<&Prepared>| {
            let prepared = prepared.and_then(|any| any.downcast_ref());
            let prepared =
                prepared.ok_or_else(|| Failure::retry("the message was not prepared"))?;
            reply(&handle(effect, P::read(effect.envelope())?, prepared)?)
        };
        Self { apply: Box::new(apply), prepare: Some(Arc::new(prepare)) }
    }

    pub(super) fn apply(
        &self,
        effect: &Effect<'_>,
        prepared: Option<&Prepared>,
    ) -> Result<Reply, Failure> {
        (self.apply)(effect, prepared)
    }

    pub(super) fn prepare(&self) -> Option<Prepare> {
        self.prepare.clone()
    }
}

impl fmt::Debug for Handler {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Handler").field("prepares", &self.prepare.is_some()).finish_non_exhaustive()
    }
}

/// `()` has nothing to say; anything else is kept as JSON as long as the message is remembered.
fn reply<R: Serialize>(value: &R) -> Result<Reply, Failure> {
    if size_of::<R>() == 0 {
        return Ok(None);
    }
    let json = serde_json::to_vec(value).map_err(Failure::permanent)?;
    Ok((json != b"null").then_some(json))
}

/// The `prepare` steps of an inbox, by topic: run outside the transaction, and so outside the
/// inbox's thread.
#[derive(Clone, Default)]
pub(crate) struct Preparers(Arc<HashMap<String, Prepare>>);

impl Preparers {
    pub(super) fn of(handlers: &HashMap<String, Handler>) -> Self {
        let prepares = handlers
            .iter()
            .filter_map(|(topic, handler)| Some((topic.clone(), handler.prepare()?)));
        Self(Arc::new(prepares.collect()))
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The work to do before this message's transaction, if there is any.
    pub(crate) fn start(&self, envelope: &Envelope) -> Option<Preparing> {
        let prepare = Arc::clone(self.0.get(envelope.topic())?);
        let envelope = envelope.clone();
        // Called where the future runs, so that a panic of the call is caught there too.
        Some(Box::pin(async move { prepare(envelope).await }))
    }
}

impl fmt::Debug for Preparers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}
