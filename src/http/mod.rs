//! What the sender and the receiver of HTTP requests share.
//!
//! Messages travel as CloudEvents 1.0, signed as Standard Webhooks 1.0 asks; a refusal is a problem
//! document (RFC 9457). Nothing here does any input or output. `docs/http.md` is the wire.

#![cfg_attr(
    all(feature = "http", feature = "http-server"),
    doc = "",
    doc = include_str!("../../docs/http.md")
)]

pub(crate) mod answers;
pub(crate) mod binary;
pub(crate) mod control;
pub(crate) mod event;
pub(crate) mod media;
pub(crate) mod place;
pub(crate) mod portable;
pub(crate) mod problem;
#[cfg(feature = "http-server")]
pub(crate) mod refusal;
pub mod signature;
pub(crate) mod structured;
pub(crate) mod text;
#[cfg(feature = "http-server")]
pub(crate) mod underway;

pub use signature::{Secret, Signer, SigningKey, Verifier, VerifyingKey};

/// Why a request or an answer cannot be read, in a sentence.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Unreadable(pub(crate) String);

impl Unreadable {
    pub(crate) fn because(why: impl Into<String>) -> Self {
        Self(why.into())
    }
}

impl std::fmt::Display for Unreadable {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}
