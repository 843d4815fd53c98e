//! What this process is working on: a second request with it is told so instead of being run.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, PoisonError};

/// Whose it is, and its name there.
type Named = (String, String);

#[derive(Clone, Debug, Default)]
pub(crate) struct Underway(Arc<Mutex<HashSet<Named>>>);

/// For as long as it is kept, nobody else in this process gets one for the same.
#[derive(Debug)]
pub(crate) struct Pass {
    all: Underway,
    named: Named,
}

impl Underway {
    /// A pass, unless somebody has it.
    pub(crate) fn enter(&self, whose: &str, name: &str) -> Option<Pass> {
        let named = (whose.to_owned(), name.to_owned());
        let is_new = self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(named.clone());
        is_new.then(|| Pass { all: self.clone(), named })
    }
}

impl Drop for Pass {
    fn drop(&mut self) {
        self.all.0.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.named);
    }
}
