//! Who commits back to back lets one go first that waits for the same write lock.
//!
//! SQLite's lock is taken by whoever asks at the right moment, and a connection that begins anew at
//! once leaves no such moment: a relay beside it would wait for a second. The two sides of this
//! process tell each other here; other processes cannot.

use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// Clones are the same turnstile.
#[derive(Clone, Debug, Default)]
pub(crate) struct Turnstile(Arc<(Mutex<State>, Condvar)>);

#[derive(Debug, Default)]
struct State {
    waiting: usize,
    passed: u64,
}

/// One that waits for the lock or holds it; dropped when it has let go.
#[derive(Debug)]
#[must_use = "others are let pass until this is dropped"]
pub(crate) struct Turn<'a>(&'a Turnstile);

impl Turnstile {
    /// Asks to go first.
    pub(crate) fn enter(&self) -> Turn<'_> {
        self.lock().waiting += 1;
        Turn(self)
    }

    /// Waits until one that asked has had its turn, but not for longer than that; at once when
    /// nobody asked.
    pub(crate) fn give_way(&self, at_most: Duration) {
        let state = self.lock();
        let passed = state.passed;
        let is_ahead = |state: &mut State| state.waiting > 0 && state.passed == passed;
        // A poisoned state is a whole one.
        let _ = self.0.1.wait_timeout_while(state, at_most, is_ahead);
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // No foreign code runs under the lock.
        self.0.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        let mut state = self.0.lock();
        state.waiting -= 1;
        state.passed += 1;
        drop(state);
        self.0.0.1.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LONG: Duration = Duration::from_secs(60);

    #[test]
    fn nobody_waits_when_nobody_asked_or_for_one_that_has_gone() {
        let turnstile = Turnstile::default();
        turnstile.give_way(LONG);
        drop(turnstile.enter());
        turnstile.give_way(LONG);
    }

    #[test]
    fn who_asked_goes_first() {
        let turnstile = Turnstile::default();
        let turn = turnstile.enter();
        let (gone, went) = std::sync::mpsc::channel();
        std::thread::scope(|scope| {
            let other = turnstile.clone();
            scope.spawn(move || {
                other.give_way(LONG);
                gone.send(()).unwrap();
            });
            assert!(went.try_recv().is_err());
            drop(turn);
            went.recv_timeout(LONG).unwrap();
        });
    }

    #[test]
    fn one_that_never_lets_go_is_not_waited_for() {
        let turnstile = Turnstile::default();
        let _turn = turnstile.enter();
        turnstile.give_way(Duration::from_millis(1));
    }
}
