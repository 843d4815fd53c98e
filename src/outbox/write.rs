//! Messages into the log, in somebody's transaction.

use super::idempotency::Use;
use super::{Outbox, bound};
use crate::clock::millis;
use crate::error::{ErrorKind, Result};
use crate::id::MessageId;
use crate::message::{Message, fingerprint};
use crate::store::log::{self, Appender, NewMessage};
#[cfg(feature = "testing")]
use crate::store::mistakes::tear;
use crate::store::transaction;
use crate::transaction::still_inside;
use rusqlite::Connection;

/// What is known of the database that the transaction is on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Host {
    /// Whether it is ours.
    Unknown,
    /// Ours, and nobody bounds it.
    Free,
    Bounded,
}

/// Writes one message after the other.
pub(super) struct Writer<'a> {
    outbox: &'a Outbox,
    connection: &'a Connection,
    host: Host,
    log: Appender<'a>,
}

impl<'a> Writer<'a> {
    pub(super) fn new(outbox: &'a Outbox, connection: &'a Connection, host: Host) -> Self {
        Self { outbox, connection, host, log: Appender::new(connection) }
    }

    /// Writes a message and nothing after it.
    pub(super) fn write_one(mut self, message: Message) -> Result<MessageId> {
        let id = self.write(message)?;
        self.finish()?;
        Ok(id)
    }

    /// Writes a message, with the next ones if some follow.
    pub(super) fn write(&mut self, message: Message) -> Result<MessageId> {
        let written = self.try_write(message);
        self.undo_if_full(written)
    }

    /// Writes what is not written yet, if the transaction is still there: outside of it, that would
    /// be committed alone.
    pub(super) fn finish(&mut self) -> Result<()> {
        if self.log.is_empty() {
            return Ok(());
        }
        let flushed = still_inside(self.connection).and_then(|()| self.log.flush());
        self.undo_if_full(flushed)
    }

    /// SQLite may have undone one statement only, and what is left must not be committed.
    fn undo_if_full<T>(&mut self, result: Result<T>) -> Result<T> {
        result.inspect_err(|error| {
            if error.kind() == ErrorKind::DiskFull {
                let _ = transaction::rollback(self.connection);
                self.log.forget();
            }
        })
    }

    fn try_write(&mut self, mut message: Message) -> Result<MessageId> {
        still_inside(self.connection)?;
        let headers = message.headers_json();
        message.check(headers.as_deref())?;
        let (connection, inner) = (self.connection, &*self.outbox.inner);
        let now = inner.database.now();
        let now_ms = now.wall_ms;
        let parts = message.take_parts(headers);
        let is_one_row = message.idempotency_key.is_none() && message.due.is_none();
        if self.host == Host::Unknown {
            if is_one_row && self.outbox.was_free() {
                self.outbox.check_file(now_ms)?;
            } else {
                self.host = self.outbox.check_host(connection)?;
            }
        }
        let use_of_key = message.idempotency_key.as_deref();
        let use_of_key = use_of_key.map(|key| Use::of(key, &parts, &message.headers));
        if let Some(first) = use_of_key.map_or(Ok(None), |this| this.first(connection, now_ms))? {
            return Ok(first);
        }
        if self.host == Host::Bounded {
            // Those before it count.
            self.log.flush()?;
            bound::check(connection, &parts)?;
        }
        mistake!(MessageApart: tear(connection)?);
        let id = message.id.unwrap_or_else(|| inner.ids.next(&inner.database, now));
        let new = NewMessage {
            id,
            created_at_ms: now_ms,
            expires_at_ms: message.expires.map(|expires| expires.wall_ms(now_ms)),
            checksum: fingerprint(id, &parts),
            parts,
        };
        if self.host == Host::Unknown {
            return self.insert_here(new);
        }
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

    /// Asks whether the database is ours, and writes, with one statement; looks closer if not.
    fn insert_here(&mut self, new: NewMessage) -> Result<MessageId> {
        let (connection, id) = (self.connection, new.id);
        match log::insert_here(connection, self.outbox.inner.store, &new) {
            Ok(true) => return Ok(id),
            Ok(false) => self.host = self.outbox.check_host(connection)?,
            Err(error) => {
                if error.kind() == ErrorKind::Sqlite {
                    self.outbox.check_host(connection)?;
                }
                return Err(error);
            }
        }
        if self.host == Host::Bounded {
            bound::check(connection, &new.parts)?;
        }
        self.log.add(new)?;
        Ok(id)
    }
}
