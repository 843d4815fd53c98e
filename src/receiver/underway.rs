//! Which messages of foreign senders are being worked on: a second request with one is told so
//! instead of waiting. A relay of ours waits for the true answer.

use crate::id::MessageId;
use std::collections::HashSet;
use std::sync::{Mutex, PoisonError};

type Named = (String, MessageId);

/// Ids by the source they are unique in.
#[derive(Debug, Default)]
pub(super) struct Underway(Mutex<HashSet<Named>>);

/// For as long as it is kept, nobody else gets one for the same message.
pub(super) struct Pass<'a> {
    all: &'a Underway,
    named: Named,
}

impl Underway {
    /// A pass, unless somebody has it.
    pub(super) fn enter(&self, source: &str, id: MessageId) -> Option<Pass<'_>> {
        let named = (source.to_owned(), id);
        let is_new = self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(named.clone());
        is_new.then_some(Pass { all: self, named })
    }
}

impl Drop for Pass<'_> {
    fn drop(&mut self) {
        self.all.0.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.named);
    }
}
