//! A request between its transactions: how far it has come, and which messages no transaction can
//! hold.

use super::handlers::Prepared;
use super::run::ESCAPED;
use crate::error::{Error, Result};
use crate::failure::Failure;
use crate::handoff::Request;
use crate::id::{KeyHash, Seq};
use std::collections::{HashMap, HashSet};

/// A request on its way through one or more transactions.
pub(super) struct Work<'a> {
    pub(super) request: &'a Request,
    pub(super) prepared: &'a HashMap<Seq, Result<Prepared, Failure>>,
    pub(super) next: usize,
    pub(super) failed_keys: HashSet<KeyHash>,
    /// Places that no transaction can hold, and why: not run again in this request.
    pub(super) broken: HashMap<Seq, String>,
    /// A commit was refused, for one of its messages: from now on each has its own.
    pub(super) alone: bool,
}

impl<'a> Work<'a> {
    pub(super) fn new(
        request: &'a Request,
        prepared: &'a HashMap<Seq, Result<Prepared, Failure>>,
    ) -> Self {
        Self {
            request,
            prepared,
            next: 0,
            failed_keys: HashSet::new(),
            broken: HashMap::new(),
            alone: false,
        }
    }

    /// Which of the messages before `next` a commit was refused for.
    ///
    /// # Errors
    ///
    /// That of the commit, when no message can be to blame.
    pub(super) fn refused_at_commit(&self, next: usize, error: Error) -> Result<Ended> {
        match next - self.next {
            1 if !self.broken.contains_key(&self.request.envelopes[self.next].seq) => {
                Ok(Ended::Broken { index: self.next, why: error.to_string() })
            }
            0 | 1 => Err(error),
            _ => Ok(Ended::Uncommitted),
        }
    }
}

/// How one transaction ended.
pub(super) enum Ended {
    Committed {
        next: usize,
        high: Seq,
    },
    Fenced,
    Rewound(String),
    /// This message is to blame that the transaction could not be committed: all of it is undone.
    Broken {
        index: usize,
        why: String,
    },
    /// One of several messages is.
    Uncommitted,
}

impl Ended {
    pub(super) fn escaped(index: usize) -> Self {
        Self::Broken { index, why: ESCAPED.into() }
    }
}
