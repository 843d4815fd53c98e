//! Signatures: what is believed was signed, with the key, as it is.

use crate::http::signature::{Refused, Secret, Signer, SigningKey, Verifier, VerifyingKey};

/// As long as a verifier believes a signature, unless it is told otherwise.
const TOLERANCE_S: i64 = 300;

fn secret() -> Secret {
    Secret::from_bytes(*b"the secret of the fuzz targets..").expect("32 bytes are a secret")
}

fn pair() -> SigningKey {
    "whsk_nWGxne/9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A=".parse().expect("a published key")
}

/// Verifies a request. It is believed only if its signature is the one that the key makes of it.
pub fn signature(id: &str, timestamp: &str, signatures: &str, body: &[u8], now: i64) {
    let verifier = Verifier::new(secret()).and(pair().verifying_key());
    let refused = verifier.verify(id, timestamp, signatures, body, now);
    // Of a time that is refused, only a request with a good signature is told.
    if matches!(refused, Ok(()) | Err(Refused::TooOld | Refused::TooNew)) {
        let signed_at: i64 = timestamp.parse().expect("a time that is believed is a number");
        assert_eq!(timestamp, signed_at.to_string(), "a time that was never signed");
        let ours = Signer::new(secret()).and(pair()).sign(id, signed_at, body);
        let is_ours = signatures.split(' ').any(|one| ours.split(' ').any(|own| own == one));
        assert!(is_ours, "{signatures:?} was never made");
        let is_timely = now.abs_diff(signed_at) <= TOLERANCE_S.unsigned_abs();
        assert_eq!(refused.is_ok(), is_timely, "signed at {signed_at}, and now it is {now}");
    }
}

/// Signs a request and verifies it, as it is and with each part of it changed.
pub fn signed(id: &str, body: &[u8], now: i64) {
    let now = now.checked_abs().unwrap_or(0);
    aged(id, body, now);
    for (signer, verifier) in [
        (Signer::new(secret()), Verifier::new(secret())),
        (Signer::new(pair()), Verifier::new(pair().verifying_key())),
    ] {
        let (stamp, signature) = (now.to_string(), signer.sign(id, now, body));
        let verify =
            |id: &str, stamp: &str, body: &[u8]| verifier.verify(id, stamp, &signature, body, now);
        if id.is_empty() || id.contains('.') {
            assert_eq!(verify(id, &stamp, body), Err(Refused::Malformed));
            continue;
        }
        assert_eq!(verify(id, &stamp, body), Ok(()), "what was signed");
        assert_eq!(verify(&format!("{id}x"), &stamp, body), Err(Refused::Wrong), "another id");
        let earlier = (now ^ 1).to_string();
        assert_eq!(verify(id, &earlier, body), Err(Refused::Wrong), "another time");
        assert_eq!(verify(id, &format!("0{stamp}"), body), Err(Refused::Wrong), "a longer time");
        let longer = [body, b"x"].concat();
        assert_eq!(verify(id, &stamp, &longer), Err(Refused::Wrong), "another body");
        if let [first, rest @ ..] = body {
            assert_eq!(verify(id, &stamp, rest), Err(Refused::Wrong), "a shorter body");
            let bent = [&[first ^ 1], rest].concat();
            assert_eq!(verify(id, &stamp, &bent), Err(Refused::Wrong), "a bent body");
        }
    }
}

/// Both signatures of it, when they are made and when they are worth nothing any more.
fn aged(id: &str, body: &[u8], now: i64) {
    let signatures = Signer::new(secret()).and(pair()).sign(id, now, body);
    for later in [-TOLERANCE_S - 1, -TOLERANCE_S, 0, TOLERANCE_S, TOLERANCE_S + 1] {
        signature(id, &now.to_string(), &signatures, body, now.saturating_add(later));
    }
}

/// Reads a key; one that is written again is the same.
pub fn key(text: &str) {
    // What is secret is not written again.
    let _ = text.parse::<Secret>();
    if let Ok(key) = text.parse::<SigningKey>() {
        let public = key.verifying_key();
        assert_eq!(public.to_text().parse(), Ok(public), "the public half");
    }
    if let Ok(key) = text.parse::<VerifyingKey>() {
        assert_eq!(key.to_text().parse(), Ok(key), "a verifying key");
    }
}
