//! What a receiver believes.
//!
//! A [`Verifier`] promises that a request which it accepts was signed by one of its keys, as it is,
//! and not long ago. That the same request is not sent twice is for the inbox to see.

use super::{ASYMMETRIC, Content, SYMMETRIC, Secret, VerifyingKey};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use ed25519_dalek::Signature;
use hmac::Mac;
use std::time::Duration;

/// A longer list is refused unread: each signature costs a calculation for each key.
const MOST_SIGNATURES: usize = 16;

const FIVE_MINUTES: Duration = Duration::from_secs(300);

/// Why a request is not believed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
#[non_exhaustive]
pub enum Refused {
    /// One of the three headers is not there. It is the caller who sees that.
    #[error(
        "the request is not signed: webhook-id, webhook-timestamp or webhook-signature is missing"
    )]
    Missing,
    /// A header does not say what it should: an id that is empty or has a full stop in it, a
    /// timestamp that is no whole number of seconds, no signature at all, or more than 16.
    #[error("webhook-id, webhook-timestamp or webhook-signature is malformed")]
    Malformed,
    /// Well signed, but longer ago than is tolerated.
    #[error("the request was signed too long ago")]
    TooOld,
    /// Well signed, but further in the future than is tolerated.
    #[error("the request was signed in the future: one of the two clocks is wrong")]
    TooNew,
    /// No signature is by a key that is known here, over this id, timestamp and body.
    #[error("the signature is wrong")]
    Wrong,
}

/// Believes requests that one of its keys has signed, a short time ago.
///
/// ```
/// use surehand::http::signature::{Refused, Secret, Signer, Verifier};
///
/// let secret: Secret = "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD".parse()?;
/// let verifier = Verifier::new(secret.clone());
/// let header = Signer::new(secret).sign("msg_1", 1_649_367_553, b"{}");
///
/// let verify = |body, now| verifier.verify("msg_1", "1649367553", &header, body, now);
/// assert_eq!(verify(b"{}", 1_649_367_555), Ok(()));
/// assert_eq!(verify(b"[]", 1_649_367_555), Err(Refused::Wrong));
/// assert_eq!(verify(b"{}", 1_649_368_555), Err(Refused::TooOld));
/// # Ok::<(), surehand::http::signature::InvalidKey>(())
/// ```
#[derive(Clone, Debug)]
#[must_use]
pub struct Verifier {
    secrets: Vec<Secret>,
    keys: Vec<VerifyingKey>,
    tolerance: Duration,
}

impl Verifier {
    /// Believes this key, a [`Secret`] or a [`VerifyingKey`], for five minutes.
    pub fn new(key: impl Into<Verifier>) -> Self {
        key.into()
    }

    /// Believes this key too: one good signature, by whichever key, is enough.
    pub fn and(mut self, key: impl Into<Verifier>) -> Self {
        let mut other = key.into();
        self.secrets.append(&mut other.secrets);
        self.keys.append(&mut other.keys);
        self
    }

    /// Sets how long ago, or how far in the future, a request may have been signed: five minutes
    /// unless it is set, in whole seconds, the rest dropped.
    pub fn tolerance(mut self, tolerance: Duration) -> Self {
        self.tolerance = tolerance;
        self
    }

    /// Whether to believe a request, by its id, its headers `webhook-timestamp` and
    /// `webhook-signature`, and its body exactly as it was received.
    ///
    /// `now` is in seconds since 1970 (UTC). Signatures of unknown versions are passed over.
    ///
    /// # Errors
    ///
    /// Says why the request is not believed. [`Refused::TooOld`] and [`Refused::TooNew`] are said
    /// of a request with a good signature only.
    pub fn verify(
        &self,
        id: &str,
        timestamp: &str,
        signatures: &str,
        body: &[u8],
        now: i64,
    ) -> Result<(), Refused> {
        // With a full stop in the id, `a.1` + `2` + body and `a` + `1` + `2.` body are the same
        // content: one signature would hold for both.
        if id.is_empty() || id.contains('.') {
            return Err(Refused::Malformed);
        }
        let signed_at = seconds(timestamp)?;
        let signatures = Signatures::read(signatures)?;
        // The signature comes before the time. Whoever wants to cost us work sends the right time,
        // so the other order would save nothing; in this one `TooOld` and `TooNew` come from a real
        // sender, and speak of its clock or of the way.
        let content = Content { id, timestamp, body };
        if !self.by_secret(&signatures, &content) && !self.by_key(&signatures, &content) {
            return Err(Refused::Wrong);
        }
        self.timely(signed_at, now)
    }

    /// Compares all with all, and each in constant time: how long it takes tells nothing.
    fn by_secret(&self, signatures: &Signatures, content: &Content<'_>) -> bool {
        let mut found = false;
        if signatures.symmetric.is_empty() {
            return found;
        }
        for secret in &self.secrets {
            let code = secret.code(content);
            for signature in &signatures.symmetric {
                found |= code.clone().verify_slice(signature).is_ok();
            }
        }
        found
    }

    /// Stops at the first match, for here everything is public.
    fn by_key(&self, signatures: &Signatures, content: &Content<'_>) -> bool {
        if self.keys.is_empty() || signatures.asymmetric.is_empty() {
            return false;
        }
        let whole = content.whole();
        let verifies = |key: &VerifyingKey| {
            signatures.asymmetric.iter().any(|signature| key.verifies(&whole, signature))
        };
        self.keys.iter().any(verifies)
    }

    fn timely(&self, signed_at: i64, now: i64) -> Result<(), Refused> {
        let tolerance = i64::try_from(self.tolerance.as_secs()).unwrap_or(i64::MAX);
        if now.saturating_sub(signed_at) > tolerance {
            return Err(Refused::TooOld);
        }
        if signed_at.saturating_sub(now) > tolerance {
            return Err(Refused::TooNew);
        }
        Ok(())
    }
}

impl From<Secret> for Verifier {
    fn from(secret: Secret) -> Self {
        Self { secrets: vec![secret], keys: Vec::new(), tolerance: FIVE_MINUTES }
    }
}

impl From<VerifyingKey> for Verifier {
    fn from(key: VerifyingKey) -> Self {
        Self { secrets: Vec::new(), keys: vec![key], tolerance: FIVE_MINUTES }
    }
}

/// The signatures of a list that can be read at all, by their kind.
struct Signatures {
    symmetric: Vec<Vec<u8>>,
    asymmetric: Vec<Signature>,
}

impl Signatures {
    fn read(list: &str) -> Result<Self, Refused> {
        let entries = || list.split(' ').filter(|entry| !entry.is_empty());
        if !(1..=MOST_SIGNATURES).contains(&entries().take(MOST_SIGNATURES + 1).count()) {
            return Err(Refused::Malformed);
        }
        let of = |version| {
            let texts = entries().filter_map(move |entry| entry.strip_prefix(version));
            texts.filter_map(|text| STANDARD.decode(text).ok())
        };
        let asymmetric = of(ASYMMETRIC).filter_map(|bytes| Signature::from_slice(&bytes).ok());
        Ok(Self { symmetric: of(SYMMETRIC).collect(), asymmetric: asymmetric.collect() })
    }
}

/// Digits only, where a parser would take a sign too.
fn seconds(timestamp: &str) -> Result<i64, Refused> {
    if !timestamp.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(Refused::Malformed);
    }
    timestamp.parse().map_err(|_| Refused::Malformed)
}
