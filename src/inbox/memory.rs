//! What the store remembers of a source, as the decision needs it.

use super::{Memory, Seen};
use crate::error::{Error, Result};
use crate::handoff::{Hello, Welcome};
use crate::id::{MessageId, Seq};
use crate::store::inbox as rows;
use crate::watermark::Ranges;
use rusqlite::Connection;

/// A source's memory during one transaction.
pub(super) struct Remembered<'a> {
    pub(super) connection: &'a Connection,
    pub(super) source: i64,
    pub(super) settled: Ranges,
}

impl Memory for Remembered<'_> {
    type Error = Error;

    fn is_settled(&self, seq: Seq) -> bool {
        self.settled.contains(seq)
    }

    fn at(&mut self, seq: Seq) -> Result<Option<Seen>> {
        Ok(rows::seen_at(self.connection, self.source, seq)?.map(|row| seen(&row)))
    }

    fn by_id(&mut self, id: MessageId) -> Result<Option<Seen>> {
        Ok(rows::seen_id(self.connection, self.source, id)?.map(|row| seen(&row)))
    }
}

fn seen(row: &rows::SeenRow) -> Seen {
    Seen { seq: row.seq, id: row.id, revision: row.revision, fingerprint: row.fingerprint }
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
