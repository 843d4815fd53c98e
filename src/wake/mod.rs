//! How a waiting worker learns that there may be work.
//!
//! [`Doorbell`] carries the news inside a process and [`WalWatcher`] brings it in from other
//! processes that write to the same database. Both promise hints and nothing more: a hint may
//! come without work, so a worker looks again, and may be missing, so a worker also polls.
//! Neither ever opens the database.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

#[cfg(not(target_os = "linux"))]
mod elsewhere;
#[cfg(target_os = "linux")]
mod linux;
mod turnstile;

#[cfg(not(target_os = "linux"))]
pub(crate) use elsewhere::WalWatcher;
#[cfg(target_os = "linux")]
pub(crate) use linux::WalWatcher;

pub(crate) use turnstile::Turnstile;

type Listener = Arc<dyn Fn() + Send + Sync>;

#[derive(Clone, Default)]
struct Listeners {
    next_key: u64,
    by_key: Vec<(u64, Listener)>,
}

/// Calls every registered listener when it is rung; clones are the same bell.
#[derive(Clone, Default)]
pub struct Doorbell {
    // Ringing takes the inner `Arc` and lets go of the lock, so no listener runs under it.
    listeners: Arc<Mutex<Arc<Listeners>>>,
    turnstile: Turnstile,
}

impl Doorbell {
    /// A bell that nobody listens to yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Calls every listener, one after the other, on this thread.
    ///
    /// Listeners may ring, listen and stop listening from inside the call. A listener's panic
    /// reaches the caller, and the listeners behind it are not called.
    pub fn ring(&self) {
        let listeners = Arc::clone(&self.lock());
        for (_, listener) in &listeners.by_key {
            listener();
        }
    }

    /// Calls `listener` at every ring until the returned guard is dropped.
    ///
    /// A ring that has already begun when the guard is dropped may still call it once more.
    pub fn listen(&self, listener: Arc<dyn Fn() + Send + Sync>) -> Listening {
        let mut guard = self.lock();
        let listeners = Arc::make_mut(&mut guard);
        let key = listeners.next_key;
        listeners.next_key += 1;
        listeners.by_key.push((key, listener));
        Listening { bell: self.clone(), key }
    }

    /// Between those who commit and those who listen.
    pub(crate) fn turnstile(&self) -> &Turnstile {
        &self.turnstile
    }

    fn forget(&self, key: u64) -> Option<(u64, Listener)> {
        let mut guard = self.lock();
        let index = guard.by_key.binary_search_by_key(&key, |entry| entry.0).ok()?;
        Some(Arc::make_mut(&mut guard).by_key.remove(index))
    }

    fn lock(&self) -> MutexGuard<'_, Arc<Listeners>> {
        // No foreign code runs under the lock, so a poisoned list is still a whole one.
        self.listeners.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Doorbell {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let listeners = self.lock().by_key.len();
        formatter.debug_struct("Doorbell").field("listeners", &listeners).finish()
    }
}

/// Keeps a listener registered with its [`Doorbell`]; dropping it unregisters the listener.
#[derive(Debug)]
#[must_use = "the listener is unregistered when this is dropped"]
pub struct Listening {
    bell: Doorbell,
    key: u64,
}

impl Drop for Listening {
    fn drop(&mut self) {
        // The listener is freed here, after the lock: what it owns may use this very bell.
        drop(self.bell.forget(self.key));
    }
}

#[cfg(test)]
mod tests;
