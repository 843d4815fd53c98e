//! A repeated enqueue: one key with one content is one message.

use crate::error::{Error, ErrorKind, Result};
use crate::id::{Fingerprint, MessageId};
use crate::message::{Parts, fingerprint, headers_json};
use crate::store::log;
use rusqlite::Connection;
use std::collections::BTreeMap;

/// Who calls again does so in another trace (W3C Trace Context): that is no other content.
const TRACE: [&str; 2] = ["traceparent", "tracestate"];

/// What an idempotency key is used for.
#[derive(Clone, Copy)]
pub(super) struct Use<'a> {
    key: &'a str,
    content: Fingerprint,
}

impl<'a> Use<'a> {
    pub(super) fn of(key: &'a str, parts: &Parts, headers: &BTreeMap<String, String>) -> Self {
        let traced = |name: &str| TRACE.iter().any(|trace| trace.eq_ignore_ascii_case(name));
        let untraced = headers.iter().filter(|(name, _)| !traced(name));
        let content = Parts { headers: headers_json(untraced), ..parts.clone() };
        Self { key, content: fingerprint(MessageId::from_bytes([0; 16]), &content) }
    }

    /// The message the key was used for before, if it was; another content is a conflict.
    pub(super) fn first(self, connection: &Connection, now_ms: i64) -> Result<Option<MessageId>> {
        let Self { key, content } = self;
        match log::idempotent(connection, key, now_ms)? {
            Some((id, first)) if first == content => Ok(Some(id)),
            Some((id, _)) => Err(Error::new(
                ErrorKind::Conflict,
                format!("the idempotency key {key:?} was used for message {id} with other content"),
                "nothing was written; use a key for one content only",
            )),
            None => Ok(None),
        }
    }

    pub(super) fn remember(
        self,
        connection: &Connection,
        id: MessageId,
        until_ms: i64,
    ) -> Result<()> {
        log::remember_key(connection, self.key, id, self.content, until_ms)
    }
}
