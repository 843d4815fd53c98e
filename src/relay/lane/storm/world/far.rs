//! The network and the consumer.

use super::{Letter, Word, World};
use crate::failure::Failure;
use crate::handoff::{Applied, Outcome};
use crate::id::{Incarnation, Seq};
use crate::message::Envelope;
use crate::relay::lane::Trouble;
use crate::transport::Answer;
use std::collections::BTreeSet;
use std::time::Duration;

impl World {
    pub(super) fn a_letter_is_lost(&mut self) {
        if self.letters.is_empty() {
            return;
        }
        let place = self.chance.below(self.letters.len() as u64) as usize;
        let letter = self.letters.remove(place);
        match self.chance.below(4) {
            0 => {}
            1 => self.words.push(Word::Closed(letter.epoch, letter.request, None)),
            2 => {
                let trouble = Some(Trouble::Unreachable);
                self.words.push(Word::Closed(letter.epoch, letter.request, trouble));
            }
            _ => {
                for one in &letter.envelopes {
                    self.words.push(Word::Answer(letter.epoch, one.ticket(), Outcome::Unknown));
                }
                self.words.push(Word::Closed(letter.epoch, letter.request, None));
            }
        }
    }

    pub(super) fn a_letter_arrives(&mut self) {
        if self.letters.is_empty() {
            return;
        }
        let place = if self.healed { 0 } else { self.chance.below(self.letters.len() as u64) };
        let letter = self.letters.remove(place as usize);
        self.process(&letter);
        if !self.healed && self.chance.one_in(10) {
            // Twice.
            self.letters.push(letter);
        }
    }

    fn process(&mut self, letter: &Letter) {
        let Letter { epoch, request, statement, envelopes } = letter;
        if self.settings.remembers && *epoch != self.registered {
            return self.words.push(Word::Fenced(*epoch));
        }
        if self.settings.remembers {
            self.settled.union(statement);
            self.high = self.high.max(statement.last());
            let settled = self.settled.clone();
            self.remembered.retain(|seq| !settled.contains(*seq));
        }
        let mut failed = BTreeSet::new();
        for envelope in envelopes {
            let outcome = self.admit(envelope, &mut failed);
            if self.healed || !self.chance.one_in(12) {
                self.words.push(Word::Answer(*epoch, envelope.ticket(), outcome));
            }
        }
        if self.healed || !self.chance.one_in(8) {
            if self.settings.remembers && !statement.is_empty() {
                self.words.push(Word::Confirmed(*epoch, *request));
            }
        } else if self.chance.one_in(2) {
            self.words.push(Word::Closed(*epoch, *request, None));
        }
    }

    fn admit(&mut self, envelope: &Envelope, failed: &mut BTreeSet<String>) -> Outcome {
        let Envelope { seq, after, .. } = envelope;
        let key = self.key(*seq);
        if self.settings.remembers {
            let known = |seq: &Seq| self.settled.contains(*seq) || self.remembered.contains(seq);
            if known(seq) {
                return Outcome::Applied(Applied { duplicate: true, ..Applied::default() });
            }
            let blocked = *after != 0 && !known(after);
            if blocked || key.as_ref().is_some_and(|key| failed.contains(key)) {
                assert!(!self.healed || *after == 0 || self.cycles < 90, "{seq} after {after}");
                failed.extend(key);
                return Outcome::Blocked;
            }
        }
        if !self.healed {
            let outcome = match self.chance.below(12) {
                0..=1 => Some(Outcome::Failed(Failure::retry("no"))),
                2 => Some(Outcome::Failed(Failure::permanent("never"))),
                3 if self.chance.one_in(3) => {
                    let later = Duration::from_secs(self.chance.below(600));
                    Some(Outcome::Failed(Failure::retry("later").after(later)))
                }
                4 => Some(Outcome::Unknown),
                _ => None,
            };
            if let Some(outcome) = outcome {
                failed.extend(key);
                return outcome;
            }
        }
        self.take_effect(*seq, key);
        Outcome::delivered()
    }

    fn take_effect(&mut self, seq: Seq, key: Option<String>) {
        let is_first = self.effects.insert(seq);
        assert!(is_first || !self.settings.remembers, "{seq} took effect twice");
        self.remembered.insert(seq);
        self.high = self.high.max(seq);
        // A copy of one that was skipped or deleted is not recalled without an inbox.
        let settled = self.ever_skipped.contains(&seq) || self.deleted.contains(&seq);
        let counts = is_first && (self.settings.remembers || !settled);
        let Some(key) = key.filter(|_| counts) else {
            return;
        };
        let last = self.last_of_key.entry(key).or_default();
        // A row that is deleted settles what others, which are under way, come after.
        let mut deleted = self.deleted.range(seq..=*last.max(&mut seq.clone()));
        assert!(*last < seq || deleted.next().is_some(), "{seq} took effect after {last}");
        *last = seq.max(*last);
    }

    pub(super) fn a_word_arrives(&mut self) {
        if self.words.is_empty() {
            return;
        }
        let place = if self.healed { 0 } else { self.chance.below(self.words.len() as u64) };
        self.cycles = if self.healed { self.cycles } else { 0 };
        match self.words.remove(place as usize) {
            Word::Answer(epoch, ticket, outcome) => {
                let incarnation = Incarnation { epoch, nonce: 1 };
                self.lane.answered(Answer { incarnation, ticket, outcome }, self.now);
            }
            Word::Confirmed(epoch, request) if epoch == self.epoch => {
                self.lane.confirmed(request, self.now);
            }
            Word::Closed(epoch, request, trouble) if epoch == self.epoch => {
                self.lane.closed(request, trouble, self.now);
            }
            Word::Fenced(epoch) if epoch == self.epoch => self.lane.fenced(self.now),
            _ => {}
        }
    }
}
