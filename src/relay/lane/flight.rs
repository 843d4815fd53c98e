//! The messages a lane has in hand, and which of them are under way.

use super::{Lane, TickMs};
use crate::id::{KeyHash, MessageId, Seq};
use crate::store::delivery::{Counts, Standing};

/// A message in the window.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Flight {
    pub(super) id: MessageId,
    pub(super) key: Option<KeyHash>,
    pub(super) bytes: u32,
    pub(super) counts: Counts,
    pub(super) state: State,
    pub(super) why_again: Again,
}

/// Whether a message is under way.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum State {
    /// Not sent, or to be sent again. `blocked`: the consumer wants its predecessor first.
    Idle {
        blocked: bool,
        not_before: TickMs,
    },
    Flying {
        request: u64,
    },
    Acked {
        revision: Option<i64>,
    },
}

/// Why a message is sent again, for the counters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Again {
    First,
    Timeout,
    Failure,
    Crash,
    Outage,
    Blocked,
}

/// An exception, with what only memory knows of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Exception {
    pub(super) id: MessageId,
    pub(super) key: Option<KeyHash>,
    pub(super) standing: Standing,
    /// As it was sent last.
    pub(super) bytes: u32,
    pub(super) counts: Counts,
    pub(super) due: TickMs,
    pub(super) state: State,
    pub(super) why_again: Again,
    /// It was under way when an earlier incarnation ended, and may be what ended it.
    pub(super) doubtful: bool,
}

impl Lane {
    /// Identity and counts of a message of the window or the exceptions.
    pub(super) fn counts(&self, seq: Seq) -> Option<(MessageId, Option<KeyHash>, Counts)> {
        if let Some(Flight { id, key, counts, .. }) = self.window.get(seq) {
            return Some((*id, *key, *counts));
        }
        self.exceptions.get(&seq).map(|exception| (exception.id, exception.key, exception.counts))
    }

    pub(super) fn state_of(&self, seq: Seq) -> Option<State> {
        let flight = self.window.get(seq).map(|flight| flight.state);
        flight.or_else(|| self.exceptions.get(&seq).map(|exception| exception.state))
    }

    /// The request that a message is under way in.
    pub(super) fn request_of(&self, seq: Seq) -> Option<u64> {
        match self.state_of(seq)? {
            State::Flying { request } => Some(request),
            State::Idle { .. } | State::Acked { .. } => None,
        }
    }

    /// The request that was sent last, or 0.
    pub(super) fn newest_request(&self) -> u64 {
        self.next_request - 1
    }

    pub(super) fn flying_attempt(&self, seq: Seq) -> Option<u32> {
        let (state, attempt) = match (self.window.get(seq), self.exceptions.get(&seq)) {
            (Some(flight), _) => (flight.state, flight.counts.attempts),
            (None, Some(exception)) => (exception.state, exception.counts.attempts),
            (None, None) => return None,
        };
        matches!(state, State::Flying { .. }).then_some(attempt)
    }

    pub(super) fn attempt_under_way(&self, seq: Seq, id: MessageId) -> Option<u32> {
        let (known, _, _) = self.counts(seq)?;
        if known == id { self.flying_attempt(seq) } else { None }
    }

    pub(super) fn under_way(&self, is_meant: impl Fn(u64) -> bool) -> Vec<Seq> {
        let flies = |state: State| matches!(state, State::Flying { request } if is_meant(request));
        let window = self.window.iter().map(|(seq, one)| (seq, one.state));
        let others = self.exceptions.iter().map(|(seq, one)| (*seq, one.state));
        window.chain(others).filter(|(_, state)| flies(*state)).map(|(seq, _)| seq).collect()
    }

    pub(super) fn set_state(&mut self, seq: Seq, state: State) {
        if let Some(flight) = self.window.get_mut(seq) {
            flight.state = state;
        } else if let Some(exception) = self.exceptions.get_mut(&seq) {
            exception.state = state;
            if matches!(state, State::Acked { .. }) {
                self.done.insert(seq);
            }
        }
    }

    fn bytes(&self, seq: Seq) -> usize {
        let bytes = match (self.window.get(seq), self.exceptions.get(&seq)) {
            (Some(flight), _) => flight.bytes,
            (None, Some(exception)) => exception.bytes,
            (None, None) => 0,
        };
        bytes as usize
    }

    pub(super) fn enter_the_air(&mut self, seq: Seq) {
        self.flying += 1;
        self.flying_bytes += self.bytes(seq);
    }

    pub(super) fn leave_the_air(&mut self, seq: Seq) {
        if self.flying_attempt(seq).is_some() {
            self.flying -= 1;
            self.flying_bytes -= self.bytes(seq);
        }
    }

    /// Followers of this one may be free now.
    pub(super) fn wake_key(&mut self, key: KeyHash, seq: Seq) {
        for follower in self.keys.behind(key, seq) {
            let Some(exception) = self.exceptions.get(&follower) else { continue };
            if !matches!(exception.state, State::Idle { .. }) {
                // Under way or acknowledged: it holds nobody back.
                continue;
            }
            match exception.standing {
                Standing::Parked => drop(self.freed.insert(follower)),
                Standing::Waiting => drop(self.due.insert((exception.due, follower))),
                Standing::Dead => {}
                Standing::Skipped => continue,
            }
            // Behind one that is at rest nobody moves.
            break;
        }
    }
}
