//! The consumer at the other end: it does what a check told it to, and keeps what it was given.

use super::arrived::Arrived;
use super::board::{Board, Call};
use super::gate::Gate;
use crate::failure::Failure;
use crate::id::MessageId;
use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

/// The other end of a transport that ends in a function: hand it every message that comes out.
///
/// Clones are the same consumer.
#[derive(Clone)]
pub struct Consumer(Arc<Shared>);

struct Shared {
    board: Arc<Board>,
    gate: Gate,
    plans: Mutex<HashMap<MessageId, Plan>>,
}

/// What the consumer makes of a message, if not its best.
#[derive(Clone, Debug)]
pub(super) enum Plan {
    Fails(fn() -> Failure),
    Panics(&'static str),
    /// What is to be prepared for it fails; the handler does not.
    IsNotPrepared(fn() -> Failure),
}

impl Consumer {
    pub(super) fn new(board: Arc<Board>) -> Self {
        Self(Arc::new(Shared { board, gate: Gate::default(), plans: Mutex::default() }))
    }

    /// Takes a message, on a task: its result is what has to come back to the other end.
    ///
    /// # Errors
    ///
    /// When the check is about failures.
    ///
    /// # Panics
    ///
    /// When the check is about panics.
    pub async fn take(&self, message: impl Into<Arrived>) -> Result<(), Failure> {
        let call = self.begin(message.into());
        self.0.gate.pass().await;
        self.finish(call)
    }

    /// The same, on a thread.
    ///
    /// # Errors
    ///
    /// When the check is about failures.
    ///
    /// # Panics
    ///
    /// When the check is about panics.
    pub fn take_blocking(&self, message: impl Into<Arrived>) -> Result<(), Failure> {
        let call = self.begin(message.into());
        self.0.gate.pass_blocking();
        self.finish(call)
    }

    pub(super) fn gate(&self) -> &Gate {
        &self.0.gate
    }

    /// What to make of this message when it comes.
    pub(super) fn plan(&self, id: MessageId, plan: Plan) {
        let mut plans = self.0.plans.lock().unwrap_or_else(PoisonError::into_inner);
        plans.insert(id, plan);
    }

    pub(super) fn planned(&self, id: MessageId) -> Option<Plan> {
        self.0.plans.lock().unwrap_or_else(PoisonError::into_inner).get(&id).cloned()
    }

    /// From now on this message is made the best of.
    pub(super) fn forgive(&self, id: MessageId) {
        self.0.plans.lock().unwrap_or_else(PoisonError::into_inner).remove(&id);
    }

    fn begin(&self, arrived: Arrived) -> usize {
        self.0.board.note(|seen| {
            let under_way = |call: &&Call| {
                let alike = call.arrived.key.is_some() && call.arrived.key == arrived.key;
                alike && call.ended.is_none()
            };
            let beside = seen.calls.iter().filter(under_way).count();
            seen.calls.push(Call { arrived, ended: None, beside });
            seen.calls.len() - 1
        })
    }

    fn finish(&self, call: usize) -> Result<(), Failure> {
        let id = self.0.board.look(|seen| seen.calls[call].arrived.id);
        let plan = self.planned(id);
        let well = !matches!(plan, Some(Plan::Fails(_) | Plan::Panics(_)));
        self.0.board.note(|seen| {
            seen.calls[call].ended = Some(well);
            seen.done.extend(well.then_some(id));
        });
        match plan {
            Some(Plan::Fails(failure)) => Err(failure()),
            Some(Plan::Panics(text)) => panic!("{text}"),
            Some(Plan::IsNotPrepared(_)) | None => Ok(()),
        }
    }
}

impl fmt::Debug for Consumer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Consumer").field("gate", &self.0.gate).finish_non_exhaustive()
    }
}
