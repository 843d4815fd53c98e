//! The keys, and how they are written.
//!
//! A key never leaves its type: there is no `Display`, `Debug` shows dots, and an error says what
//! is wrong with a key without a byte of it. Secret ones are overwritten when they are dropped.

use super::{ASYMMETRIC, Content, SYMMETRIC, written};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use ed25519_dalek::Signer as _;
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use std::fmt;
use std::str::FromStr;
use zeroize::Zeroizing;

const SECRET_PREFIX: &str = "whsec_";
const SIGNING_PREFIX: &str = "whsk_";
const VERIFYING_PREFIX: &str = "whpk_";

/// Why a text or some bytes are no key. It never says which text or bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum InvalidKey {
    /// It is a key of another kind.
    #[error("this is a key of another kind: one that begins with `{expected}` is needed")]
    Kind {
        /// What the key has to begin with.
        expected: &'static str,
    },
    /// What follows the prefix is not base64.
    #[error("the key is not base64: A-Z, a-z, 0-9, + and /, padded by =, and no white space")]
    Encoding,
    /// It is too short or too long.
    #[error("the key has {found} bytes, and needs {expected}")]
    Length {
        /// How many bytes the key has.
        found: usize,
        /// How many bytes it may have, in words.
        expected: &'static str,
    },
    /// The two halves of a signing key are not of one pair.
    #[error("the public half of the signing key does not belong to its secret half")]
    Pair,
    /// No signature by this ed25519 key could be trusted, or there is no such key.
    #[error("the verifying key is no public key of ed25519, or a weak one")]
    Point,
}

/// A secret that sender and receiver share, for signatures by HMAC-SHA256 (`v1`).
///
/// It is written `whsec_` and base64; the prefix may be left out. It has 24 to 64 bytes, which have
/// to be random: take them from the system's source of randomness.
///
/// ```
/// use surehand::http::signature::Secret;
///
/// let secret: Secret = "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD".parse()?;
/// assert_eq!(format!("{secret:?}"), "Secret(..)");
/// assert!("whsec_dG9vIHNob3J0".parse::<Secret>().is_err());
/// # Ok::<(), surehand::http::signature::InvalidKey>(())
/// ```
#[derive(Clone)]
pub struct Secret(Zeroizing<Vec<u8>>);

impl Secret {
    /// The secret of these bytes.
    ///
    /// # Errors
    ///
    /// [`InvalidKey::Length`] when they are fewer than 24 or more than 64.
    pub fn from_bytes(bytes: impl Into<Vec<u8>>) -> Result<Self, InvalidKey> {
        Self::checked(Zeroizing::new(bytes.into()))
    }

    fn checked(bytes: Zeroizing<Vec<u8>>) -> Result<Self, InvalidKey> {
        if (24..=64).contains(&bytes.len()) {
            return Ok(Self(bytes));
        }
        Err(InvalidKey::Length { found: bytes.len(), expected: "24 to 64" })
    }

    pub(super) fn sign(&self, content: &Content<'_>) -> String {
        written(SYMMETRIC, &self.code(content).finalize().into_bytes())
    }

    /// The code of the content, to be compared in constant time.
    pub(super) fn code(&self, content: &Content<'_>) -> Hmac<Sha256> {
        let mut code = Hmac::new_from_slice(&self.0).expect("HMAC takes a key of any length");
        content.parts().iter().for_each(|part| code.update(part));
        code
    }
}

impl FromStr for Secret {
    type Err = InvalidKey;

    fn from_str(text: &str) -> Result<Self, InvalidKey> {
        Self::checked(decoded(text, SECRET_PREFIX)?)
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(..)")
    }
}

/// The sender's half of an ed25519 pair, for signatures that the receiver cannot make (`v1a`).
///
/// It is written `whsk_` and base64 of the 32 bytes of the seed, or of the seed and the 32 bytes of
/// the public key; the prefix may be left out. Give the receiver the text of
/// [`verifying_key`](Self::verifying_key).
///
/// ```
/// use surehand::http::signature::{SigningKey, VerifyingKey};
///
/// let key: SigningKey = "whsk_VEVTVFNJR05JTkdLRVlET05PVFVTRVRISVNGT1JBTlk=".parse()?;
/// let text = key.verifying_key().to_text();
/// let known_to_the_receiver: VerifyingKey = text.parse()?;
/// assert_eq!(known_to_the_receiver, key.verifying_key());
/// # Ok::<(), surehand::http::signature::InvalidKey>(())
/// ```
#[derive(Clone)]
pub struct SigningKey(ed25519_dalek::SigningKey);

impl SigningKey {
    /// The key that verifies what this one signs.
    #[must_use]
    pub fn verifying_key(&self) -> VerifyingKey {
        VerifyingKey(self.0.verifying_key())
    }

    pub(super) fn sign(&self, content: &[u8]) -> String {
        written(ASYMMETRIC, &self.0.sign(content).to_bytes())
    }
}

impl FromStr for SigningKey {
    type Err = InvalidKey;

    fn from_str(text: &str) -> Result<Self, InvalidKey> {
        let bytes = decoded(text, SIGNING_PREFIX)?;
        if let Ok(seed) = bytes.as_slice().try_into() {
            return Ok(Self(ed25519_dalek::SigningKey::from_bytes(seed)));
        }
        if let Ok(pair) = bytes.as_slice().try_into() {
            let key = ed25519_dalek::SigningKey::from_keypair_bytes(pair);
            return key.map(Self).map_err(|_| InvalidKey::Pair);
        }
        Err(InvalidKey::Length { found: bytes.len(), expected: "32 or 64" })
    }
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SigningKey(..)")
    }
}

/// The receiver's half of an ed25519 pair: it verifies and cannot sign (`v1a`).
///
/// It is written `whpk_` and base64 of its 32 bytes; the prefix may be left out.
///
/// ```
/// use surehand::http::signature::VerifyingKey;
///
/// let key: VerifyingKey = "whpk_11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=".parse()?;
/// assert_eq!(key.to_text(), "whpk_11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=");
/// # Ok::<(), surehand::http::signature::InvalidKey>(())
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct VerifyingKey(ed25519_dalek::VerifyingKey);

impl VerifyingKey {
    /// The key as `whpk_` and base64, to be given to the receiver. It is no secret.
    #[must_use]
    pub fn to_text(&self) -> String {
        written(VERIFYING_PREFIX, self.0.as_bytes())
    }

    pub(super) fn verifies(&self, content: &[u8], signature: &ed25519_dalek::Signature) -> bool {
        // Strictly: whoever sees a signature cannot make another one of it.
        self.0.verify_strict(content, signature).is_ok()
    }
}

impl FromStr for VerifyingKey {
    type Err = InvalidKey;

    fn from_str(text: &str) -> Result<Self, InvalidKey> {
        let bytes = decoded(text, VERIFYING_PREFIX)?;
        let Ok(point) = bytes.as_slice().try_into() else {
            return Err(InvalidKey::Length { found: bytes.len(), expected: "32" });
        };
        match ed25519_dalek::VerifyingKey::from_bytes(point) {
            Ok(key) if !key.is_weak() => Ok(Self(key)),
            _ => Err(InvalidKey::Point),
        }
    }
}

impl fmt::Debug for VerifyingKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("VerifyingKey(..)")
    }
}

/// The bytes of a key, which are overwritten even where they turn out to be none.
fn decoded(text: &str, prefix: &'static str) -> Result<Zeroizing<Vec<u8>>, InvalidKey> {
    let kinds = [SECRET_PREFIX, SIGNING_PREFIX, VERIFYING_PREFIX];
    let encoded = match text.strip_prefix(prefix) {
        Some(encoded) => encoded,
        None if kinds.iter().any(|kind| text.starts_with(kind)) => {
            return Err(InvalidKey::Kind { expected: prefix });
        }
        None => text,
    };
    let mut bytes = Zeroizing::new(Vec::new());
    // The decoder's own error would quote a byte.
    STANDARD.decode_vec(encoded, &mut bytes).map_err(|_| InvalidKey::Encoding)?;
    Ok(bytes)
}
