//! Messages into the log, in somebody's transaction.

use super::idempotency::Use;
use super::{Outbox, bound};
use crate::clock::millis;
use crate::error::{ErrorKind, Result};
use crate::id::MessageId;
use crate::message::{Message, Parts, fingerprint};
use crate::store::log::{self, Appender, NewMessage};
#[cfg(feature = "testing")]
use crate::store::mistakes::tear;
use crate::store::transaction;
use rusqlite::Connection;

/// Writes one message after the other.
pub(super) struct Writer<'a> {
    outbox: &'a Outbox,
    connection: &'a Connection,
    bounded: bool,
    log: Appender<'a>,
}

impl<'a> Writer<'a> {
    pub(super) fn new(outbox: &'a Outbox, connection: &'a Connection, bounded: bool) -> Self {
        Self { outbox, connection, bounded, log: Appender::new(connection) }
    }

    /// Writes a message, with the next ones if some follow.
    pub(super) fn write(&mut self, message: Message) -> Result<MessageId> {
        let written = self.try_write(message);
        self.undo_if_full(written)
    }

    /// Writes what is not written yet.
    pub(super) fn finish(&mut self) -> Result<()> {
        let flushed = self.log.flush();
        self.undo_if_full(flushed)
    }

    /// SQLite may have undone one statement only, and what is left must not be committed.
    fn undo_if_full<T>(&self, result: Result<T>) -> Result<T> {
        result.inspect_err(|error| {
            if error.kind() == ErrorKind::DiskFull {
                let _ = transaction::rollback(self.connection);
            }
        })
    }

    fn try_write(&mut self, message: Message) -> Result<MessageId> {
        let headers = message.headers_json();
        message.check(headers.as_deref())?;
        let (connection, inner) = (self.connection, &*self.outbox.inner);
        let now_ms = inner.database.now().wall_ms;
        let parts = Parts {
            topic: message.topic.into(),
            key: message.key,
            headers,
            content_type: message.content_type,
            payload: message.payload,
        };
        let use_of_key = message.idempotency_key.as_deref();
        let use_of_key = use_of_key.map(|key| Use::of(key, &parts, &message.headers));
        if let Some(first) = use_of_key.map_or(Ok(None), |this| this.first(connection, now_ms))? {
            return Ok(first);
        }
        if self.bounded {
            // Those before it count.
            self.log.flush()?;
            bound::check(connection, &parts)?;
        }
        mistake!(MessageApart: tear(connection)?);
        let id = message.id.unwrap_or_else(|| MessageId::at(now_ms, inner.database.random()));
        let new = NewMessage {
            id,
            created_at_ms: now_ms,
            expires_at_ms: message.expires.map(|expires| expires.wall_ms(now_ms)),
            checksum: fingerprint(id, &parts),
            parts,
        };
        match message.due.map(|due| due.wall_ms(now_ms)) {
            Some(due) if due > now_ms => log::schedule(connection, &new, due)?,
            _ => self.log.add(new)?,
        }
        if let Some(this) = use_of_key {
            mistake!(KeyApart: self.log.flush()?; tear(connection)?);
            let until = now_ms.saturating_add(millis(inner.keep_idempotency_keys));
            this.remember(connection, id, until)?;
        }
        Ok(id)
    }
}
