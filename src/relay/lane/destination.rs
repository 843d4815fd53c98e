//! How the destination as a whole fares: outages, and how to come back from them.
//!
//! A destination that fails is a state of the subscription and writes no exceptions. After an
//! outage one message goes first, alone. When that one gets no answer either, another one is tried:
//! if that is answered, the destination lives and the silent one is at fault.

use super::{Moment, TickMs};
use crate::id::Seq;
use crate::store::subscription::Outage;

/// The wait after the first, second, ... failure in a row, in milliseconds.
const FIRST_WAIT_MS: i64 = 50;
const LONGEST_WAIT_MS: i64 = 30_000;
/// The longest that a destination is left alone because it asks for it: an hour.
const LONGEST_REST_MS: i64 = 3_600_000;

/// What went wrong with the destination.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Trouble {
    /// It said, or the transport found, that nobody is there.
    Unreachable,
    /// Everything under way ran out of time.
    Silent,
}

#[derive(Clone, Debug)]
#[cfg_attr(test, derive(Hash))]
pub(super) struct Destination {
    failures: u32,
    until: TickMs,
    until_wall_ms: i64,
    /// Asked to be left alone until then, whatever answers come to what was sent before.
    rests_until: TickMs,
    rests_until_wall_ms: i64,
    /// The last thing we heard was trouble: one message at a time.
    probing: bool,
    /// Went alone during this outage and got no answer.
    silent: Vec<Seq>,
    /// The newest request there was when an answer came last: it may be the answer to any of them.
    heard: u64,
    /// The newest request there was when trouble came last: what went since is a probe.
    troubled: u64,
}

impl Destination {
    pub(super) fn new(row: Outage, longest_wait_ms: i64, now: Moment) -> Self {
        let wait = (row.until_ms - now.wall_ms).clamp(0, longest_wait_ms.max(LONGEST_WAIT_MS));
        Self {
            failures: row.failures,
            until: now.tick + wait,
            until_wall_ms: row.until_ms,
            rests_until: now.tick,
            rests_until_wall_ms: 0,
            probing: row.failures > 0,
            silent: Vec::new(),
            heard: 0,
            troubled: 0,
        }
    }

    /// Notes trouble; the wait doubles with every failure in a row. `newest`: the last request.
    pub(super) fn fail(&mut self, trouble: Trouble, probed: Option<Seq>, newest: u64, now: Moment) {
        self.troubled = newest;
        self.failures = self.failures.saturating_add(1);
        self.probing = true;
        let doublings = self.failures.saturating_sub(1).min(16);
        let wait = match trouble {
            // The time the answers had was wait enough for a first try.
            Trouble::Silent if self.failures == 1 => 0,
            _ => (FIRST_WAIT_MS << doublings).min(LONGEST_WAIT_MS),
        };
        self.until = now.tick + wait;
        self.until_wall_ms = now.wall_ms + wait;
        if let (Trouble::Silent, Some(seq)) = (trouble, probed) {
            self.silent.push(seq);
        }
    }

    /// The destination asked to be left alone for so long.
    pub(super) fn rest_for(&mut self, rest_ms: i64, now: Moment) {
        let rest_ms = rest_ms.min(LONGEST_REST_MS);
        if now.tick + rest_ms > self.rests_until {
            self.rests_until = now.tick + rest_ms;
            self.rests_until_wall_ms = now.wall_ms + rest_ms;
        }
    }

    /// An answer came. Says who was silent alone while the destination lived.
    pub(super) fn answered(&mut self, newest: u64, now: Moment) -> Vec<Seq> {
        self.heard = newest;
        self.failures = 0;
        self.until = now.tick;
        self.until_wall_ms = 0;
        if now.tick >= self.rests_until {
            self.rests_until_wall_ms = 0;
        }
        self.probing = false;
        std::mem::take(&mut self.silent)
    }

    /// Whether an answer came after this request was sent.
    pub(super) fn heard_since(&self, request: u64) -> bool {
        self.heard >= request
    }

    /// Whether trouble came after this request was sent, and nothing else since.
    pub(super) fn is_troubled_since(&self, request: u64) -> bool {
        self.probing && self.troubled >= request
    }

    pub(super) fn is_available(&self, now: Moment) -> bool {
        now.tick >= self.until()
    }

    pub(super) fn until(&self) -> TickMs {
        self.until.max(self.rests_until)
    }

    pub(super) fn is_probing(&self) -> bool {
        self.probing
    }

    /// Whether this one should not be the one that goes alone.
    pub(super) fn was_silent(&self, seq: Seq) -> bool {
        self.silent.contains(&seq)
    }

    /// Forgets who went alone and got no answer; says whether anybody did.
    pub(super) fn forget_silent(&mut self) -> bool {
        !std::mem::take(&mut self.silent).is_empty()
    }

    pub(super) fn outage(&self) -> Outage {
        let until_ms = self.until_wall_ms.max(self.rests_until_wall_ms);
        Outage { failures: self.failures, until_ms }
    }
}

#[cfg(test)]
impl Destination {
    /// Every moment and request it remembers, for the model, in which time stands still and
    /// numbers are used again.
    pub(super) fn freeze(
        &mut self,
        instant: impl Fn(TickMs) -> TickMs,
        request: impl Fn(u64) -> u64,
    ) {
        self.until = instant(self.until);
        self.rests_until = instant(self.rests_until);
        self.rests_until_wall_ms = instant(self.rests_until_wall_ms);
        self.until_wall_ms = instant(self.until_wall_ms);
        // Only the first failure and those after it are told apart, but for the length of a wait.
        self.failures = self.failures.min(2);
        self.heard = request(self.heard);
        self.troubled = request(self.troubled);
    }
}
