//! Which messages may go now (rule 21), and what has to be read for it.

use super::statement::Standpoint;
use super::{Doubt, Exception, Keys, Lane, Moment, Standing, State, Wants};
use crate::id::{KeyHash, Seq};
use std::collections::{BTreeSet, HashSet};

/// Rows read at a time while only one message may go: filtered ones are passed in one go.
const ROWS_PER_PROBE: usize = 64;

/// What may be done with a message now.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Go {
    Send,
    Park,
    Wait,
}

impl Lane {
    /// What the next cycle should read; none when there is nothing to do but to wait.
    pub(crate) fn wants(&mut self, now: Moment) -> Option<Wants> {
        if !self.may_send(now) {
            return None;
        }
        if self.statements.standpoint() == Standpoint::Behind {
            return self.statements.is_due(now.tick).then(Wants::default);
        }
        self.end_doubt();
        let alone = self.goes_alone();
        let room = self.room();
        if room == 0 {
            return (!alone && self.statements.is_due(now.tick)).then(Wants::default);
        }
        let mut at = self.candidates(room, self.doubt.is_some(), now);
        let (space, bytes) = self.space();
        let in_doubt = self.doubt.is_none_or(|run| self.cursor < run.to);
        let doubtful = self.doubt.is_some() && self.has_doubtful();
        let fits = at.len() < room && space > 0 && bytes > 0;
        let fresh = (self.more && fits && !self.stalled && in_doubt && !doubtful).then(|| {
            let rows = if alone { ROWS_PER_PROBE } else { (room - at.len()).min(space) };
            (self.cursor, (rows, bytes.min(self.settings.most_bytes_at_once())))
        });
        if at.is_empty() && fresh.is_none() {
            // Everybody that may go was tried alone: begin again with the first. And nobody of the
            // doubtful run may go: then whoever may goes before it, alone like them.
            let again = self.destination.forget_silent() || self.doubt.is_some();
            at = if again { self.candidates(room, false, now) } else { at };
        }
        let statement = at.is_empty() && fresh.is_none() && self.statements.is_due(now.tick);
        (statement || !at.is_empty() || fresh.is_some()).then_some(Wants { at, fresh })
    }

    /// How many messages may join those under way.
    fn room(&self) -> usize {
        if self.goes_alone() {
            return usize::from(self.flying == 0);
        }
        if self.flying_bytes >= self.settings.window_bytes {
            return 0;
        }
        let most = self.settings.window.min(self.settings.capacity);
        self.settings.most_at_once().min(most.saturating_sub(self.flying))
    }

    /// How many messages and bytes may be read: the cycle that reads them takes those at the front
    /// that are acknowledged out of the window.
    fn space(&self) -> (usize, usize) {
        let acked = self.window.values().take_while(|one| matches!(one.state, State::Acked { .. }));
        let (count, bytes) =
            acked.fold((0, 0), |(count, bytes), one| (count + 1, bytes + one.bytes as usize));
        let held = (self.window_bytes - bytes).max(self.flying_bytes);
        (
            self.settings.window.saturating_sub(self.window.len() - count),
            self.settings.window_bytes.saturating_sub(held),
        )
    }

    pub(super) fn may_send(&self, now: Moment) -> bool {
        self.destination.is_available(now)
    }

    /// After a crash or an outage one message goes, and the next when that one was answered.
    pub(super) fn goes_alone(&self) -> bool {
        self.doubt.is_some() || self.destination.is_probing()
    }

    /// Whether an exception has to be tried alone. One that its key holds back keeps no other key
    /// waiting.
    fn has_doubtful(&self) -> bool {
        let doubtful = |one: &Exception| one.doubtful && one.standing == Standing::Waiting;
        self.exceptions
            .range(..=self.cursor)
            .any(|(seq, one)| doubtful(one) && !self.is_held_back(one.key, *seq))
    }

    fn is_held_back(&self, key: Option<KeyHash>, seq: Seq) -> bool {
        key.is_some_and(|key| self.keys.held_back(key, seq))
    }

    fn end_doubt(&mut self) {
        let Some(run) = self.doubt else { return };
        let window_open =
            self.window.iter().take_while(|(seq, _)| *seq <= run.to).any(|(seq, flight)| {
                !matches!(flight.state, State::Acked { .. }) && !self.is_held_back(flight.key, seq)
            });
        let passed = self.cursor >= run.to || !self.more;
        if self.flying == 0 && passed && !window_open && !self.has_doubtful() {
            self.doubt = None;
            self.doubt_row = Doubt::default();
        }
    }

    /// Places to read again: idle ones of the window, due exceptions, parked ones that are free;
    /// or only those of them that the process before this one may have died of.
    fn candidates(&mut self, room: usize, doubtful_only: bool, now: Moment) -> Vec<Seq> {
        let mut going = Going::default();
        let mut found = BTreeSet::new();
        let again = self.again.iter().copied().filter(|seq| self.is_rested(*seq, now));
        let due = self.due.iter().take_while(|(due, _)| *due <= now.tick).map(|(_, seq)| *seq);
        let mut candidates: BTreeSet<Seq> = again.chain(due).collect();
        candidates.extend(self.freed.iter().copied());
        // What is not read yet may have to go first.
        candidates.retain(|seq| *seq <= self.cursor);
        if doubtful_only {
            let run = self.doubt.map_or(0, |run| run.to);
            candidates.retain(|seq| match self.exceptions.get(seq) {
                Some(exception) => exception.doubtful,
                None => *seq <= run,
            });
            self.shrink_to_doubtful(&mut candidates);
        }
        let mut held = Vec::new();
        let alone = self.goes_alone();
        // Any number may be parked beside the one that goes alone.
        let (mut full, most) = (false, if alone { self.settings.batch } else { room });
        for seq in candidates {
            if found.len() >= most {
                break;
            }
            match self.may_go(seq, &going) {
                Go::Wait => held.push(seq),
                Go::Park => drop(found.insert(seq)),
                Go::Send if alone && (full || self.destination.was_silent(seq)) => {}
                Go::Send => {
                    full = true;
                    self.take_with_followers(seq, room, &mut going, &mut found);
                }
            }
        }
        for seq in held {
            self.hold(seq);
        }
        found.into_iter().collect()
    }

    /// In doubt, exceptions that may have taken the process down go before the log's run.
    fn shrink_to_doubtful(&self, candidates: &mut BTreeSet<Seq>) {
        if candidates.iter().any(|seq| self.exceptions.contains_key(seq)) {
            candidates.retain(|seq| self.exceptions.contains_key(seq));
        }
    }

    /// One that goes, and the parked ones behind it that may go in the same request.
    fn take_with_followers(
        &self,
        seq: Seq,
        room: usize,
        going: &mut Going,
        found: &mut BTreeSet<Seq>,
    ) {
        found.insert(seq);
        let Some(key) = self.key_of(seq) else { return };
        going.0.insert(seq);
        // Between here and one that is not reached yet there may be others of the key.
        for follower in self.keys.behind(key, seq).take_while(|seq| *seq <= self.cursor) {
            let parked = self.exceptions.get(&follower).is_some_and(|exception| {
                exception.standing == Standing::Parked
                    && matches!(exception.state, State::Idle { blocked: false, .. })
            });
            if !parked || found.len() >= room || self.goes_alone() {
                break;
            }
            found.insert(follower);
            going.0.insert(follower);
        }
    }

    /// Out of the sets that are looked through; its key's head brings it back.
    fn hold(&mut self, seq: Seq) {
        self.freed.remove(&seq);
        if let Some(exception) = self.exceptions.get(&seq) {
            self.due.remove(&(exception.due, seq));
        }
    }

    fn is_rested(&self, seq: Seq, now: Moment) -> bool {
        self.window.get(seq).is_some_and(|flight| {
            matches!(flight.state, State::Idle { not_before, .. } if not_before <= now.tick)
        })
    }

    fn key_of(&self, seq: Seq) -> Option<KeyHash> {
        let window = self.window.get(seq).map(|flight| flight.key);
        window.or_else(|| self.exceptions.get(&seq).map(|exception| exception.key)).flatten()
    }

    /// Whether a message of the window or the exceptions may go (rule 21).
    fn may_go(&self, seq: Seq, going: &Going) -> Go {
        let state = match (self.window.get(seq), self.exceptions.get(&seq)) {
            (Some(flight), _) => flight.state,
            (None, Some(one)) if matches!(one.standing, Standing::Waiting | Standing::Parked) => {
                one.state
            }
            _ => return Go::Wait,
        };
        let State::Idle { blocked, .. } = state else { return Go::Wait };
        let Some(key) = self.key_of(seq) else { return Go::Send };
        self.may_follow(key, seq, blocked, going)
    }

    pub(super) fn may_follow(&self, key: KeyHash, seq: Seq, blocked: bool, going: &Going) -> Go {
        mistake!(RetryOvertaken: return Go::Send);
        if !going.lets_pass(&self.keys, key, seq) {
            let parkable = match self.exceptions.get(&seq) {
                Some(exception) => exception.standing == Standing::Waiting,
                None => self.exceptions.len() < self.settings.max_exceptions,
            };
            let held = parkable && self.keys.ahead(key, seq).any(|one| self.is_held(one));
            return if held { Go::Park } else { Go::Wait };
        }
        // Without an inbox at the other end nobody checks `after`: wait for the answer.
        let careful = blocked || !self.settings.remembers;
        let in_the_air = |earlier: Seq| self.is_flying(earlier);
        if careful && self.keys.before(key, seq).any(in_the_air) { Go::Wait } else { Go::Send }
    }

    /// An exception that is not on its way.
    fn is_held(&self, seq: Seq) -> bool {
        self.exceptions.get(&seq).is_some_and(|one| matches!(one.state, State::Idle { .. }))
    }

    fn is_flying(&self, seq: Seq) -> bool {
        self.request_of(seq).is_some()
    }
}

/// Messages that go in the request being put together, and so hold nobody back.
#[derive(Default)]
pub(super) struct Going(HashSet<Seq>);

impl Going {
    fn lets_pass(&self, keys: &Keys, key: KeyHash, seq: Seq) -> bool {
        if self.0.is_empty() {
            return !keys.held_back(key, seq);
        }
        keys.at_rest_before(key, seq).all(|earlier| self.0.contains(&earlier))
    }
}
