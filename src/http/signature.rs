//! Signatures of requests, as Standard Webhooks 1.0 asks.
//!
//! What is signed is `{id}.{timestamp}.{body}`: with HMAC-SHA256 (`v1`, one [`Secret`] on both
//! sides) or with ed25519 (`v1a`, a [`SigningKey`] and its [`VerifyingKey`]). A [`Signer`] writes
//! the header `webhook-signature`, a [`Verifier`] reads it. No key is ever in a `Debug`, a log or
//! an error, and nothing here reads a clock: times are handed in, as seconds since 1970 (UTC).

mod key;
mod verifier;

pub use key::{InvalidKey, Secret, SigningKey, VerifyingKey};
pub use verifier::{Refused, Verifier};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

/// What a signature begins with, the comma after it included.
const SYMMETRIC: &str = "v1,";
const ASYMMETRIC: &str = "v1a,";

/// Signs requests, with one key or with several at once.
///
/// To change a key without an outage, sign with the old and the new one until every receiver knows
/// the new one.
///
/// ```
/// use surehand::http::signature::{Secret, Signer};
///
/// let old: Secret = "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD".parse()?;
/// let new = Secret::from_bytes(*b"32 bytes from a source of chance")?;
/// let signer = Signer::new(new).and(old);
/// let header = signer.sign("msg_27UH4WbU6Z5A5EzD8u03UvzRbpk", 1_649_367_553, b"{}");
/// assert_eq!(header.split(' ').count(), 2);
/// # Ok::<(), surehand::http::signature::InvalidKey>(())
/// ```
#[derive(Clone, Debug)]
#[must_use]
pub struct Signer {
    keys: Vec<Key>,
}

#[derive(Clone, Debug)]
enum Key {
    Symmetric(Secret),
    Asymmetric(SigningKey),
}

impl Signer {
    /// Signs with this key: a [`Secret`] or a [`SigningKey`].
    pub fn new(key: impl Into<Signer>) -> Self {
        key.into()
    }

    /// Signs with this key too; the signatures stand in the order in which the keys were added.
    ///
    /// Our [`Verifier`] refuses a list of more than 16 signatures.
    pub fn and(mut self, key: impl Into<Signer>) -> Self {
        self.keys.append(&mut key.into().keys);
        self
    }

    /// The value of `webhook-signature`: one signature for each key, with spaces between them.
    ///
    /// `timestamp` is in seconds since 1970 (UTC), and goes into `webhook-timestamp` in decimal
    /// digits. A verifier refuses one below 0, and an `id` that is empty or has a full stop in it.
    #[must_use]
    pub fn sign(&self, id: &str, timestamp: i64, body: &[u8]) -> String {
        let timestamp = timestamp.to_string();
        let content = Content { id, timestamp: &timestamp, body };
        // Only ed25519 needs the whole in one piece, and then once for all its keys.
        let mut whole = None;
        let mut signatures = Vec::with_capacity(self.keys.len());
        for key in &self.keys {
            signatures.push(match key {
                Key::Symmetric(secret) => secret.sign(&content),
                Key::Asymmetric(key) => key.sign(whole.get_or_insert_with(|| content.whole())),
            });
        }
        signatures.join(" ")
    }
}

impl From<Secret> for Signer {
    fn from(secret: Secret) -> Self {
        Self { keys: vec![Key::Symmetric(secret)] }
    }
}

impl From<SigningKey> for Signer {
    fn from(key: SigningKey) -> Self {
        Self { keys: vec![Key::Asymmetric(key)] }
    }
}

/// What is signed, in the parts it is made of, so that a body is not copied to be signed.
struct Content<'a> {
    id: &'a str,
    timestamp: &'a str,
    body: &'a [u8],
}

impl Content<'_> {
    fn parts(&self) -> [&[u8]; 5] {
        [self.id.as_bytes(), b".", self.timestamp.as_bytes(), b".", self.body]
    }

    fn whole(&self) -> Vec<u8> {
        self.parts().concat()
    }
}

fn written(version: &str, signature: &[u8]) -> String {
    let mut text = version.to_owned();
    STANDARD.encode_string(signature, &mut text);
    text
}

#[cfg(test)]
mod tests;
