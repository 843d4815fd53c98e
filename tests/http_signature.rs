//! Signatures of requests, held against the reference library of Standard Webhooks and against
//! vectors that others have published.

use proptest::prelude::*;
use standardwebhooks::{
    HEADER_WEBHOOK_ID, HEADER_WEBHOOK_SIGNATURE, HEADER_WEBHOOK_TIMESTAMP, Webhook,
};
use surehand::clock::{Clock, System};
use surehand::http::signature::{Refused, Secret, Signer, SigningKey, Verifier, VerifyingKey};

const ID: &str = "msg_27UH4WbU6Z5A5EzD8u03UvzRbpk";
const AT: i64 = 1_649_367_553;
const BODY: &[u8] = br#"{"email":"test@example.com","username":"test_user"}"#;

const OLD: &str = "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD";
const NEW: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
const SIGNING: &str = "whsk_VEVTVFNJR05JTkdLRVlET05PVFVTRVRISVNGT1JBTlk=";
const OTHER_SIGNING: &str = "whsk_V0VCSE9PS0FTWU1NRVRSSUNURVNUUFJJVkFURUtFWTE=";

fn secret(text: &str) -> Secret {
    text.parse().unwrap()
}

fn signing_key() -> SigningKey {
    SIGNING.parse().unwrap()
}

/// The reference library asks the machine for the time.
fn now() -> i64 {
    System.now().wall_ms / 1_000
}

fn theirs_accepts(theirs: &Webhook, id: &str, at: i64, signatures: &str, body: &[u8]) -> bool {
    let mut headers = http::HeaderMap::new();
    headers.insert(HEADER_WEBHOOK_ID, id.parse().unwrap());
    headers.insert(HEADER_WEBHOOK_TIMESTAMP, at.into());
    headers.insert(HEADER_WEBHOOK_SIGNATURE, signatures.parse().unwrap());
    theirs.verify(body, &headers).is_ok()
}

fn verify(verifier: &Verifier, signatures: &str) -> Result<(), Refused> {
    verifier.verify(ID, &AT.to_string(), signatures, BODY, AT)
}

proptest! {
    #[test]
    fn what_we_sign_the_reference_accepts(
        key in proptest::collection::vec(any::<u8>(), 24..=64),
        id in "[!-\\-/-~]{1,80}",
        body in any::<String>(),
        skew in -200..200_i64,
    ) {
        let at = now() + skew;
        let theirs = Webhook::from_bytes(key.clone()).unwrap();
        let ours = Signer::new(Secret::from_bytes(key).unwrap());
        let signature = ours.sign(&id, at, body.as_bytes());
        prop_assert_eq!(&signature, &theirs.sign(&id, at, body.as_bytes()).unwrap());
        prop_assert!(theirs_accepts(&theirs, &id, at, &signature, body.as_bytes()));
    }

    #[test]
    fn what_the_reference_signs_we_accept_and_nothing_else(
        key in proptest::collection::vec(any::<u8>(), 24..=64),
        id in "[!-\\-/-~]{1,80}",
        at in 0..i64::MAX,
        body in any::<String>(),
        place in any::<prop::sample::Index>(),
    ) {
        let theirs = Webhook::from_bytes(key.clone()).unwrap();
        let signature = theirs.sign(&id, at, body.as_bytes()).unwrap();
        let verifier = Verifier::new(Secret::from_bytes(key.clone()).unwrap());
        let (stamp, body) = (at.to_string(), body.into_bytes());
        prop_assert_eq!(verifier.verify(&id, &stamp, &signature, &body, at), Ok(()));

        let mut longer = body.clone();
        longer.insert(place.index(body.len() + 1), b'x');
        let other_id = format!("{id}x");
        let other_stamp = (at ^ 1).to_string();
        let mut other_key = key;
        let bent = place.index(other_key.len());
        other_key[bent] ^= 1;
        let other = Verifier::new(Secret::from_bytes(other_key).unwrap());
        for refused in [
            verifier.verify(&id, &stamp, &signature, &longer, at),
            verifier.verify(&other_id, &stamp, &signature, &body, at),
            verifier.verify(&id, &other_stamp, &signature, &body, at),
            other.verify(&id, &stamp, &signature, &body, at),
        ] {
            prop_assert_eq!(refused, Err(Refused::Wrong));
        }
    }

    #[test]
    fn a_pair_of_keys_agrees_on_any_bytes(
        id in "[!-\\-/-~]{1,80}",
        at in 0..i64::MAX,
        body in proptest::collection::vec(any::<u8>(), 0..300),
        bit in any::<prop::sample::Index>(),
    ) {
        let signature = Signer::new(signing_key()).sign(&id, at, &body);
        let verifier = Verifier::new(signing_key().verifying_key());
        let stamp = at.to_string();
        prop_assert_eq!(verifier.verify(&id, &stamp, &signature, &body, at), Ok(()));

        let mut bent = [id.as_bytes(), &body].concat();
        let bit = bit.index(body.len().max(1) * 8);
        if let Some(byte) = bent[id.len()..].get_mut(bit / 8) {
            *byte ^= 1 << (bit % 8);
            let refused = verifier.verify(&id, &stamp, &signature, &bent[id.len()..], at);
            prop_assert_eq!(refused, Err(Refused::Wrong));
        }
    }

    #[test]
    fn no_header_makes_a_verifier_panic_or_believe(
        id in any::<String>(),
        timestamp in any::<String>(),
        signatures in "((v1|v1a|v2)?,?[A-Za-z0-9+/=,]{0,90} ?){0,20}",
        now: i64,
    ) {
        let verifier = Verifier::new(secret(OLD)).and(signing_key().verifying_key());
        prop_assert!(verifier.verify(&id, &timestamp, &signatures, BODY, now).is_err());
        prop_assert!(verify(&verifier, &signatures).is_err());
    }
}

#[test]
fn the_published_vector_of_version_one_holds() {
    let signature = Signer::new(secret(OLD)).sign(ID, AT, BODY);
    assert_eq!(signature, "v1,tZ1I4/hDygAJgO5TYxiSd6Sd0kDW6hPenDe+bTa3Kkw=");
}

#[test]
fn the_published_vector_of_version_one_a_holds() {
    let (id, body) = ("msg_p5jXN8AQM9LWM0D4loKWxJek", br#"{"test": 2432232314}"#);
    let signature = Signer::new(signing_key()).sign(id, 1_614_265_330, body);
    let expected = "v1a,tQ9V2XOqn7jL/DQenEFpqIugdBVtiMmER5mhSkXBNwM0mkATuDe6KYYUuxqtaiHeYGb7KaaBR\
                    dM5WqyeFiL8Ag==";
    assert_eq!(signature, expected);
}

/// RFC 8032, section 7.1, test 1: the keys only, for the message there is empty.
#[test]
fn the_public_half_of_a_published_seed_is_the_published_one() {
    let key: SigningKey = "nWGxne/9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A=".parse().unwrap();
    let public = "whpk_11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=";
    assert_eq!(key.verifying_key(), public.parse::<VerifyingKey>().unwrap());
    assert_eq!(key.verifying_key().to_text(), public);
}

#[test]
fn a_change_of_secrets_is_seen_by_neither_side() {
    let signatures = Signer::new(secret(NEW)).and(secret(OLD)).sign(ID, AT, BODY);
    let (old, new) = (Verifier::new(secret(OLD)), Verifier::new(secret(NEW)));
    let both = Verifier::new(secret(OLD)).and(secret(NEW));
    for verifier in [&old, &new, &both] {
        assert_eq!(verify(verifier, &signatures), Ok(()));
    }
    let (by_new, by_old) = signatures.split_once(' ').unwrap();
    assert_eq!(by_new, Signer::new(secret(NEW)).sign(ID, AT, BODY));
    assert_eq!(verify(&both, by_old), Ok(()));
    assert_eq!(verify(&both, by_new), Ok(()));
    assert_eq!(verify(&old, by_new), Err(Refused::Wrong));
    assert_eq!(verify(&new, by_old), Err(Refused::Wrong));
}

#[test]
fn the_reference_accepts_either_secret_of_a_change() {
    let at = now();
    let signer = Signer::new(secret(NEW)).and(signing_key()).and(secret(OLD));
    let signatures = signer.sign(ID, at, BODY);
    for text in [OLD, NEW] {
        let theirs = Webhook::new(text).unwrap();
        assert!(theirs_accepts(&theirs, ID, at, &signatures, BODY));
    }
}

#[test]
fn a_sender_may_move_from_a_secret_to_a_pair() {
    let public = || signing_key().verifying_key();
    let signatures = Signer::new(secret(OLD)).and(signing_key()).sign(ID, AT, BODY);
    assert_eq!(signatures.split(' ').count(), 2);
    for verifier in [
        Verifier::new(secret(OLD)),
        Verifier::new(public()),
        Verifier::new(secret(NEW)).and(public()),
    ] {
        assert_eq!(verify(&verifier, &signatures), Ok(()));
    }
}

#[test]
fn a_change_of_pairs_is_seen_by_neither_side() {
    let (old, new) = (signing_key(), OTHER_SIGNING.parse::<SigningKey>().unwrap());
    let (old_known, new_known) = (old.verifying_key(), new.verifying_key());
    let signatures = Signer::new(new).and(old).sign(ID, AT, BODY);
    let (old, new) = (Verifier::new(old_known.clone()), Verifier::new(new_known.clone()));
    let both = Verifier::new(old_known).and(new_known);
    for verifier in [&old, &new, &both] {
        assert_eq!(verify(verifier, &signatures), Ok(()));
    }
    let (by_new, by_old) = signatures.split_once(' ').unwrap();
    assert_eq!(verify(&both, by_old), Ok(()));
    assert_eq!(verify(&both, by_new), Ok(()));
    assert_eq!(verify(&old, by_new), Err(Refused::Wrong));
    assert_eq!(verify(&new, by_old), Err(Refused::Wrong));
}

#[test]
fn a_signature_counts_for_its_own_version_only() {
    let verifier = Verifier::new(secret(OLD)).and(signing_key().verifying_key());
    let symmetric = Signer::new(secret(OLD)).sign(ID, AT, BODY);
    let asymmetric = Signer::new(signing_key()).sign(ID, AT, BODY);
    let (symmetric, asymmetric) = (&symmetric["v1,".len()..], &asymmetric["v1a,".len()..]);
    for list in [
        format!("v1a,{symmetric}"),
        format!("v1,{asymmetric}"),
        format!("v2,{symmetric}"),
        format!("V1,{symmetric}"),
        format!("v11,{symmetric} v1b,{asymmetric}"),
        symmetric.to_owned(),
        format!(",{symmetric}"),
    ] {
        assert_eq!(verify(&verifier, &list), Err(Refused::Wrong), "{list}");
    }
}

#[test]
fn unknown_and_garbled_signatures_beside_a_good_one_do_no_harm() {
    let verifier = Verifier::new(secret(OLD)).and(signing_key().verifying_key());
    for signer in [Signer::new(secret(OLD)), Signer::new(signing_key())] {
        let good = signer.sign(ID, AT, BODY);
        for other in ["v2,AAAA", "v1,", "v1", "v1,AAAA", "v1,!!!!", "v1a,AAAA", ",", "v1a,%"] {
            assert_eq!(verify(&verifier, &format!("{other} {good}")), Ok(()), "{other}");
            assert_eq!(verify(&verifier, &format!("{good} {other}")), Ok(()), "{other}");
            assert_eq!(verify(&verifier, other), Err(Refused::Wrong), "{other}");
        }
    }
}

#[test]
fn a_part_of_a_signature_is_none() {
    let verifier = Verifier::new(secret(OLD)).and(signing_key().verifying_key());
    for signer in [Signer::new(secret(OLD)), Signer::new(signing_key())] {
        let good = signer.sign(ID, AT, BODY);
        for end in 1..good.len() {
            assert_eq!(verify(&verifier, &good[..end]), Err(Refused::Wrong), "{end}");
        }
        assert_eq!(verify(&verifier, &format!("{good}=")), Err(Refused::Wrong));
    }
}
