//! What the store remembers of a source, as the decision needs it: read once, and kept as long as
//! nobody else writes.

use super::known::Known;
use super::{Memory, Seen};
use crate::error::Result;
use crate::handoff::{Hello, Welcome};
use crate::id::{MessageId, Seq};
use crate::store::inbox::{self as rows, SourceRow};
use crate::watermark::Ranges;
use rusqlite::Connection;
use std::convert::Infallible;

/// A source's memory, as the store has it at one of its changes.
#[derive(Debug)]
pub(super) struct Remembered {
    pub(super) source: i64,
    pub(super) changes: i64,
    pub(super) settled: Ranges,
    pub(super) known: Known,
}

impl Remembered {
    pub(super) fn read(connection: &Connection, source: &SourceRow) -> Result<Self> {
        Ok(Self {
            source: source.number,
            changes: source.changes,
            settled: rows::settled(connection, source.number)?,
            known: Known::of(rows::seen(connection, source.number)?),
        })
    }

    /// Merges a statement (rule 13); says whether it told anything new.
    pub(super) fn merge(&mut self, connection: &Connection, stated: &Ranges) -> Result<bool> {
        let mut settled = self.settled.clone();
        settled.union(stated);
        mistake!(HorizonOffByOne: settled.insert(settled.last() + 1, settled.last() + 1));
        if settled == self.settled {
            return Ok(false);
        }
        rows::settle(connection, self.source, &self.settled, &settled)?;
        for (first, last) in settled.difference(&self.settled).iter() {
            self.known.forget(first, last);
        }
        self.settled = settled;
        Ok(true)
    }
}

impl Memory for Remembered {
    type Error = Infallible;

    fn is_settled(&self, seq: Seq) -> bool {
        self.settled.contains(seq)
    }

    fn at(&mut self, seq: Seq) -> Result<Option<Seen>, Infallible> {
        Ok(self.known.at(seq))
    }

    fn by_id(&mut self, id: MessageId) -> Result<Option<Seen>, Infallible> {
        Ok(self.known.by_id(id))
    }
}

/// Rule 3: the incarnation is registered unless a later one is, or a copy's of the same epoch.
pub(super) fn register(connection: &Connection, consumer: &str, hello: &Hello) -> Result<Welcome> {
    let Hello { store, subscription, incarnation } = *hello;
    let Some(source) = rows::find(connection, consumer, store, subscription)? else {
        rows::create(connection, consumer, store, subscription, incarnation)?;
        return Ok(Welcome::Registered { high: 0, settled_to: 0 });
    };
    let registered = source.incarnation;
    let later = registered.epoch > incarnation.epoch;
    let copy = registered.epoch == incarnation.epoch && registered.nonce != incarnation.nonce;
    if later || copy {
        return Ok(Welcome::Refused { registered });
    }
    rows::register(connection, source.number, incarnation)?;
    mistake!(MemoryEndsWithEpoch: crate::store::mistakes::forget_seen(connection, source.number)?);
    let settled_to = rows::settled(connection, source.number)?.floor();
    Ok(Welcome::Registered { high: source.high, settled_to })
}
