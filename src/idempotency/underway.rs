//! Which keys this process is working on: a second request with one is told so instead of running.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, PoisonError};

/// A tenant and a key.
type Named = (String, String);

#[derive(Clone, Debug, Default)]
pub(super) struct Underway(Arc<Mutex<HashSet<Named>>>);

/// For as long as it is kept, nobody else in this process gets one for the same key.
#[derive(Debug)]
pub(super) struct Pass {
    all: Underway,
    named: Named,
}

impl Underway {
    /// A pass, unless somebody has it.
    pub(super) fn enter(&self, tenant: &str, key: &str) -> Option<Pass> {
        let named = (tenant.to_owned(), key.to_owned());
        let is_new = self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(named.clone());
        is_new.then(|| Pass { all: self.clone(), named })
    }
}

impl Drop for Pass {
    fn drop(&mut self) {
        self.all.0.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.named);
    }
}
