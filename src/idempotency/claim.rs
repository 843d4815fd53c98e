//! One request with a key: whose it is, what the key stands for, and who stores the answer.

use super::Settings;
use super::answer::Answer;
use super::memory::Memory;
use crate::clock::millis;
use crate::error::Result;
use crate::store::idempotency::{self, Place, ResponseRow};
use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::request::Parts;
use rusqlite::Connection;
use sha2::{Digest, Sha256};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

#[derive(Debug)]
pub(super) struct Claim {
    pub(super) memory: Arc<Memory>,
    pub(super) settings: Arc<Settings>,
    pub(super) tenant: String,
    pub(super) key: String,
    pub(super) fingerprint: [u8; 32],
    /// Whether the handler took it upon itself to store the answer.
    taken_over: AtomicBool,
}

impl Claim {
    pub(super) fn new(
        (memory, settings): (&Arc<Memory>, &Arc<Settings>),
        (tenant, key): (String, String),
        fingerprint: [u8; 32],
    ) -> Self {
        let (memory, settings) = (Arc::clone(memory), Arc::clone(settings));
        let taken_over = AtomicBool::new(false);
        Self { memory, settings, tenant, key, fingerprint, taken_over }
    }

    pub(super) fn take_over(&self) {
        self.taken_over.store(true, Ordering::SeqCst);
    }

    pub(super) fn is_taken_over(&self) -> bool {
        self.taken_over.load(Ordering::SeqCst)
    }

    /// The answer that is stored for this key, whatever it was to.
    pub(super) fn find(&self, connection: &Connection) -> Result<Option<ResponseRow>> {
        let (_, older_ms) = self.times_ms();
        idempotency::find(connection, self.place(), older_ms)
    }

    /// Keeps the answer, unless there is one; says whether it did.
    pub(super) fn remember(&self, connection: &Connection, answer: &Answer) -> Result<bool> {
        let row = answer.row(self.fingerprint);
        idempotency::remember(connection, self.place(), &row, self.times_ms())
    }

    fn place(&self) -> Place<'_> {
        Place { tenant: &self.tenant, key: &self.key }
    }

    /// Now, and when was what is too old now.
    fn times_ms(&self) -> (i64, i64) {
        let now_ms = self.memory.now_ms();
        (now_ms, now_ms.saturating_sub(millis(self.settings.keep_for)))
    }
}

/// What a key stands for: method, path and query, content type and body. Each with its length, so
/// that no two can be mistaken for one.
pub(super) fn fingerprint(parts: &Parts, body: &Bytes) -> [u8; 32] {
    let target = parts.uri.path_and_query().map_or("", |target| target.as_str());
    let content_type = parts.headers.get(CONTENT_TYPE).map_or(&b""[..], |field| field.as_bytes());
    let mut hash = Sha256::new();
    for part in [parts.method.as_str().as_bytes(), target.as_bytes(), content_type, body] {
        hash.update(u64::try_from(part.len()).unwrap_or(u64::MAX).to_le_bytes());
        hash.update(part);
    }
    hash.finalize().into()
}
