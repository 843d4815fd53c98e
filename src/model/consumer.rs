//! The consumer's file: what `store::inbox` keeps in SQLite, and the effects beside it.

use super::scope::{Number, Rules};
use crate::handoff::Welcome;
use crate::id::{Incarnation, MessageId, Seq};
use crate::inbox::{Memory, Seen};
use crate::watermark::Ranges;
use std::collections::BTreeMap;
use std::convert::Infallible;
use std::hash::{Hash, Hasher};

/// What a handler did.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Effect {
    pub(super) number: Number,
    pub(super) seq: Seq,
    pub(super) revision: i64,
}

/// One image of the file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Consumer {
    pub(super) registered: Option<Incarnation>,
    pub(super) high: Seq,
    pub(super) settled: Ranges,
    pub(super) seen: BTreeMap<Seq, Seen>,
    pub(super) effects: Vec<Effect>,
}

impl Hash for Consumer {
    fn hash<H: Hasher>(&self, state: &mut H) {
        let Self { registered, high, settled, seen, effects } = self;
        (registered, high, settled, effects).hash(state);
        for (seq, one) in seen {
            (seq, one.id, one.revision, one.fingerprint).hash(state);
        }
    }
}

impl Consumer {
    /// `inbox::memory::register`.
    pub(super) fn register(&mut self, incarnation: Incarnation, rules: &Rules) -> Welcome {
        if let Some(registered) = self.registered {
            let later = registered.epoch > incarnation.epoch;
            let copy =
                registered.epoch == incarnation.epoch && registered.nonce != incarnation.nonce;
            if rules.refuse_lower_hello && (later || copy) {
                return Welcome::Refused { registered };
            }
            if !rules.memory_survives && registered != incarnation {
                self.settled = Ranges::new();
                self.seen.clear();
            }
        }
        self.registered = Some(incarnation);
        Welcome::Registered { high: self.high, settled_to: self.settled.floor() }
    }

    /// `inbox::process::remember` and `store::inbox::settle`; says whether anything was new.
    pub(super) fn merge(&mut self, statement: &Ranges, rules: &Rules) -> bool {
        let before = self.settled.clone();
        if rules.union {
            self.settled.union(statement);
        } else {
            self.settled = statement.clone();
        }
        if rules.prune_ids {
            let settled = &self.settled;
            self.seen.retain(|seq, _| !settled.contains(*seq));
        }
        self.settled != before
    }
}

impl Memory for Consumer {
    type Error = Infallible;

    fn is_settled(&self, seq: Seq) -> bool {
        self.settled.contains(seq)
    }

    fn at(&mut self, seq: Seq) -> Result<Option<Seen>, Infallible> {
        Ok(self.seen.get(&seq).copied())
    }

    fn by_id(&mut self, id: MessageId) -> Result<Option<Seen>, Infallible> {
        Ok(self.seen.values().find(|seen| seen.id == id).copied())
    }
}
