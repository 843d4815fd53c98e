use super::*;
use std::error::Error;
use std::time::Duration;

const ID: &str = "msg_p5jXN8AQM9LWM0D4loKWxJek";
const AT: i64 = 1_614_265_330;
const STAMP: &str = "1614265330";
const BODY: &[u8] = br#"{"test": 2432232314}"#;

/// 32 letters each, so that a leak in any form is easy to find.
const SECRET_BYTES: &[u8; 32] = b"SYMMETRICsymmetricSYMMETRICsymme";
const SEED_BYTES: &[u8; 32] = b"ASYMMETRICasymmetricASYMMETRICas";

fn text(prefix: &str, bytes: &[u8]) -> String {
    written(prefix, bytes)
}

fn secret() -> Secret {
    Secret::from_bytes(SECRET_BYTES).unwrap()
}

fn signing_key() -> SigningKey {
    text("whsk_", SEED_BYTES).parse().unwrap()
}

/// What `verify` says of the good request with another id, time or list of signatures.
fn verdict(id: &str, timestamp: &str, signatures: &str) -> Result<(), Refused> {
    Verifier::new(secret()).verify(id, timestamp, signatures, BODY, AT)
}

fn good() -> String {
    Signer::new(secret()).sign(ID, AT, BODY)
}

fn pair(seed: &[u8], public: &SigningKey) -> String {
    let public = public.verifying_key().to_text();
    let public = STANDARD.decode(public.trim_start_matches("whpk_")).unwrap();
    text("whsk_", &[seed, &public].concat())
}

/// Nothing of a key: neither its letters, nor their base64, nor their numbers.
#[track_caller]
fn assert_silent(shown: &str) {
    for bytes in [SECRET_BYTES, SEED_BYTES] {
        let encoded = text("", bytes);
        let numbers = format!("{}, {}", bytes[0], bytes[1]);
        let hex = format!("{:02x}{:02x}", bytes[0], bytes[1]);
        let letters = std::str::from_utf8(&bytes[..9]).unwrap();
        for leak in [&encoded[..8], &numbers, &hex, letters] {
            assert!(!shown.contains(leak), "{leak:?} is in {shown:?}");
        }
    }
}

#[test]
fn no_debug_shows_a_key() {
    let public = signing_key().verifying_key();
    let signer = Signer::new(secret()).and(signing_key());
    let verifier = Verifier::new(secret()).and(public.clone());
    let shown = [
        format!("{:?} {:#?}", secret(), secret()),
        format!("{:?} {:#?}", signing_key(), signing_key()),
        format!("{signer:?} {signer:#?}"),
        format!("{verifier:?} {verifier:#?}"),
    ];
    shown.iter().for_each(|shown| assert_silent(shown));
    assert_eq!(format!("{:?}, {public:?}", secret()), "Secret(..), VerifyingKey(..)");
    assert_eq!(format!("{:?}", signing_key()), "SigningKey(..)");
}

#[test]
fn no_error_shows_what_was_taken_for_a_key() {
    let letters = std::str::from_utf8(SECRET_BYTES).unwrap();
    let encoded = text("", SECRET_BYTES);
    let other = "whsk_VEVTVFNJR05JTkdLRVlET05PVFVTRVRISVNGT1JBTlk=".parse().unwrap();
    let mut errors = Vec::new();
    for wrong in [format!("{letters}!"), format!("{encoded}\n"), format!("whkey_{encoded}")] {
        errors.push(wrong.parse::<Secret>().unwrap_err());
        errors.push(wrong.parse::<SigningKey>().unwrap_err());
        errors.push(wrong.parse::<VerifyingKey>().unwrap_err());
    }
    errors.push(format!("whsk_{encoded}").parse::<Secret>().unwrap_err());
    errors.push(Secret::from_bytes(&SECRET_BYTES[..23]).unwrap_err());
    errors.push(text("", &SECRET_BYTES[..31]).parse::<SigningKey>().unwrap_err());
    errors.push(pair(SEED_BYTES, &other).parse::<SigningKey>().unwrap_err());
    for error in errors {
        assert_silent(&format!("{error} {error:?} {error:#?}"));
        assert!(error.source().is_none());
    }
}

#[test]
fn a_secret_has_24_to_64_bytes() {
    for length in [0, 1, 23, 65, 1_000] {
        let expected = InvalidKey::Length { found: length, expected: "24 to 64" };
        assert_eq!(Secret::from_bytes(vec![7; length]).unwrap_err(), expected);
        let parsed = text("whsec_", &vec![7; length]).parse::<Secret>();
        assert_eq!(parsed.unwrap_err(), expected);
    }
    for length in [24, 32, 64] {
        assert!(Secret::from_bytes(vec![7; length]).is_ok());
        assert!(text("whsec_", &vec![7; length]).parse::<Secret>().is_ok());
    }
}

#[test]
fn a_key_is_the_same_with_and_without_its_prefix() {
    for prefix in ["", "whsec_"] {
        let signer = Signer::new(text(prefix, SECRET_BYTES).parse::<Secret>().unwrap());
        assert_eq!(signer.sign(ID, AT, BODY), good());
    }
    let public = signing_key().verifying_key();
    for prefix in ["", "whsk_"] {
        let key: SigningKey = text(prefix, SEED_BYTES).parse().unwrap();
        assert_eq!(key.verifying_key(), public);
    }
    let encoded = public.to_text();
    assert_eq!(encoded.parse(), Ok(public.clone()));
    assert_eq!(encoded.strip_prefix("whpk_").unwrap().parse(), Ok(public));
}

#[test]
fn a_key_of_another_kind_is_told_apart() {
    let key = |prefix| text(prefix, SECRET_BYTES);
    for prefix in ["whsk_", "whpk_"] {
        let expected = InvalidKey::Kind { expected: "whsec_" };
        assert_eq!(key(prefix).parse::<Secret>().unwrap_err(), expected);
    }
    for prefix in ["whsec_", "whpk_"] {
        let expected = InvalidKey::Kind { expected: "whsk_" };
        assert_eq!(key(prefix).parse::<SigningKey>().unwrap_err(), expected);
    }
    for prefix in ["whsec_", "whsk_"] {
        let expected = InvalidKey::Kind { expected: "whpk_" };
        assert_eq!(key(prefix).parse::<VerifyingKey>().unwrap_err(), expected);
    }
    assert_eq!(key("WHSEC_").parse::<Secret>().unwrap_err(), InvalidKey::Encoding);
}

#[test]
fn a_signing_key_may_bring_its_public_half() {
    let whole: SigningKey = pair(SEED_BYTES, &signing_key()).parse().unwrap();
    assert_eq!(
        Signer::new(whole).sign(ID, AT, BODY),
        Signer::new(signing_key()).sign(ID, AT, BODY)
    );
    let strange = pair(SECRET_BYTES, &signing_key());
    assert_eq!(strange.parse::<SigningKey>().unwrap_err(), InvalidKey::Pair);
    let short = text("whsk_", &SEED_BYTES[..31]).parse::<SigningKey>();
    assert_eq!(short.unwrap_err(), InvalidKey::Length { found: 31, expected: "32 or 64" });
}

#[test]
fn a_verifying_key_is_a_strong_point_of_the_curve() {
    let parse = |bytes: &[u8]| text("whpk_", bytes).parse::<VerifyingKey>();
    let mut neutral = [0; 32];
    neutral[0] = 1;
    assert_eq!(parse(&neutral), Err(InvalidKey::Point), "everything verifies by this one");
    let mut outside = [0; 32];
    outside[0] = 2;
    assert_eq!(parse(&outside), Err(InvalidKey::Point), "there is no such point");
    assert_eq!(parse(&[7; 33]), Err(InvalidKey::Length { found: 33, expected: "32" }));
}

#[test]
fn an_id_is_not_empty_and_has_no_full_stop() {
    // The same bytes are signed: only where the id ends is said differently.
    let signature = Signer::new(secret()).sign("a.1614265329", AT, BODY);
    let shifted = [STAMP.as_bytes(), b".", BODY].concat();
    let verifier = Verifier::new(secret());
    assert_eq!(verifier.verify("a", "1614265329", &signature, &shifted, AT), Ok(()));
    assert_eq!(verdict("a.1614265329", STAMP, &signature), Err(Refused::Malformed));
    let signature = Signer::new(secret()).sign("", AT, BODY);
    assert_eq!(verdict("", STAMP, &signature), Err(Refused::Malformed));
}

#[test]
fn a_timestamp_is_made_of_digits() {
    assert_eq!(verdict(ID, STAMP, &good()), Ok(()));
    let wrong = [
        "",
        "-1",
        "+1614265330",
        " 1614265330",
        "1614265330 ",
        "1614265330.0",
        "0x10",
        "1e9",
        "\u{661}",
        "9223372036854775808",
        "99999999999999999999999999",
    ];
    for timestamp in wrong {
        assert_eq!(verdict(ID, timestamp, &good()), Err(Refused::Malformed), "{timestamp:?}");
    }
    // The text itself is signed, and not the number it stands for.
    assert_eq!(verdict(ID, "01614265330", &good()), Err(Refused::Wrong));
}

#[test]
fn a_list_has_one_signature_at_least_and_sixteen_at_most() {
    for empty in ["", " ", "    "] {
        assert_eq!(verdict(ID, STAMP, empty), Err(Refused::Malformed));
    }
    let list = |wrong: usize| format!("{}{}", "v1,AAAA ".repeat(wrong), good());
    assert_eq!(verdict(ID, STAMP, &list(15)), Ok(()));
    assert_eq!(verdict(ID, STAMP, &list(16)), Err(Refused::Malformed));
    assert_eq!(verdict(ID, STAMP, &list(100_000)), Err(Refused::Malformed));
    let unknown = format!("{}{}", "v9,AAAA ".repeat(16), good());
    assert_eq!(verdict(ID, STAMP, &unknown), Err(Refused::Malformed), "unknown ones count too");
    assert_eq!(verdict(ID, STAMP, &format!("  {}  v2,a ", good())), Ok(()));
}

#[test]
fn the_tolerance_goes_both_ways_and_its_ends_belong_to_it() {
    let verdict = |tolerance: Option<u64>, age: i64| {
        let mut verifier = Verifier::new(secret());
        if let Some(seconds) = tolerance {
            verifier = verifier.tolerance(Duration::from_secs(seconds));
        }
        verifier.verify(ID, STAMP, &good(), BODY, AT + age)
    };
    for (tolerance, reach) in [(None, 300), (Some(0), 0), (Some(7), 7), (Some(86_400), 86_400)] {
        assert_eq!(verdict(tolerance, reach), Ok(()));
        assert_eq!(verdict(tolerance, -reach), Ok(()));
        assert_eq!(verdict(tolerance, reach + 1), Err(Refused::TooOld));
        assert_eq!(verdict(tolerance, -reach - 1), Err(Refused::TooNew));
    }
}

#[test]
fn no_time_overflows() {
    let verify = |tolerance: Duration, at: i64, now: i64| {
        let signature = Signer::new(secret()).sign(ID, at, BODY);
        let verifier = Verifier::new(secret()).tolerance(tolerance);
        verifier.verify(ID, &at.to_string(), &signature, BODY, now)
    };
    let (short, long) = (Duration::from_secs(300), Duration::MAX);
    assert_eq!(verify(short, i64::MAX, i64::MIN), Err(Refused::TooNew));
    assert_eq!(verify(short, 5, i64::MIN), Err(Refused::TooNew));
    assert_eq!(verify(short, 0, i64::MAX), Err(Refused::TooOld));
    assert_eq!(verify(long, i64::MAX, i64::MIN), Ok(()));
    assert_eq!(verify(long, 0, i64::MAX), Ok(()));
}

#[test]
fn only_a_well_signed_request_is_told_that_it_is_late() {
    let verifier = Verifier::new(secret());
    for (age, refused) in [(301, Refused::TooOld), (-301, Refused::TooNew)] {
        assert_eq!(verifier.verify(ID, STAMP, &good(), BODY, AT + age), Err(refused));
        let forged = verifier.verify(ID, STAMP, &good(), b"{}", AT + age);
        assert_eq!(forged, Err(Refused::Wrong));
    }
}

#[test]
fn adding_a_key_keeps_the_tolerance() {
    let other = Secret::from_bytes(*SEED_BYTES).unwrap();
    let verifier = Verifier::new(secret()).tolerance(Duration::from_secs(7)).and(other);
    assert_eq!(verifier.verify(ID, STAMP, &good(), BODY, AT + 7), Ok(()));
    assert_eq!(verifier.verify(ID, STAMP, &good(), BODY, AT + 8), Err(Refused::TooOld));
}
