//! The header field: a string as structured fields write it (RFC 9651), or a bare token.

use crate::http::problem::{Kind, Problem};
use http::HeaderMap;
use http::header::HeaderName;

pub(super) const NAME: HeaderName = HeaderName::from_static("idempotency-key");
const LONGEST: usize = 255;

/// The key that the fields hold, if they hold one. In quotation marks and without it is the same.
pub(super) fn read(fields: &HeaderMap) -> Result<Option<String>, Problem> {
    let mut values = fields.get_all(NAME).iter();
    let Some(value) = values.next() else { return Ok(None) };
    if values.next().is_some() {
        return Err(unreadable("`Idempotency-Key` is there more than once"));
    }
    let key = match value.as_bytes().trim_ascii() {
        [b'"', rest @ ..] => string(rest),
        bare => token(bare),
    };
    let key = key.ok_or_else(|| unreadable("`Idempotency-Key` is no string in quotation marks"))?;
    if key.is_empty() || key.len() > LONGEST {
        return Err(unreadable("`Idempotency-Key` has 1 to 255 characters"));
    }
    Ok(Some(key))
}

fn unreadable(why: &str) -> Problem {
    Problem::new(Kind::Unreadable, why)
}

/// What stands before the closing quotation mark, after which nothing may come.
fn string(text: &[u8]) -> Option<String> {
    let mut key = String::new();
    let mut bytes = text.iter();
    loop {
        let byte = match bytes.next()? {
            b'"' => return bytes.as_slice().is_empty().then_some(key),
            b'\\' => bytes.next().filter(|byte| matches!(byte, b'"' | b'\\'))?,
            byte => Some(byte).filter(|byte| matches!(byte, b' '..=b'~'))?,
        };
        key.push(char::from(*byte));
    }
}

/// Clients older than the draft send it without quotation marks. A comma would be a second value,
/// and a semicolon a parameter.
fn token(text: &[u8]) -> Option<String> {
    let is_bare = |byte: &u8| byte.is_ascii_graphic() && !b"\"\\,;".contains(byte);
    text.iter().all(is_bare).then(|| text.iter().map(|byte| char::from(*byte)).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderValue;
    use proptest::prelude::*;

    fn key(field: &[u8]) -> Option<String> {
        let mut fields = HeaderMap::new();
        fields.insert(NAME, HeaderValue::from_bytes(field).ok()?);
        read(&fields).ok().flatten()
    }

    #[test]
    fn a_string_and_a_token_are_one_key() {
        assert_eq!(key(b"\"8e03978e\""), Some("8e03978e".into()));
        assert_eq!(key(b" 8e03978e "), Some("8e03978e".into()));
        assert_eq!(key(br#""a \"b\" \\ c""#), Some(r#"a "b" \ c"#.into()));
        assert_eq!(key(&[b'a'; LONGEST]), Some("a".repeat(LONGEST)));
    }

    #[test]
    fn what_is_neither_is_refused() {
        let longer = [b'a'; LONGEST + 1];
        let fields: [&[u8]; 14] = [
            b"",
            b"\"\"",
            b"\"",
            b"\"a",
            b"a\"",
            b"\"a\"b",
            b"\"a\" ;p=1",
            b"a;p=1",
            b"a, b",
            b"a b",
            b"\"\\x\"",
            b"\"\tb\"",
            b"\"\xc3\xa4\"",
            &longer,
        ];
        for field in fields {
            assert_eq!(key(field), None, "{field:?}");
        }
        let mut twice = HeaderMap::new();
        twice.append(NAME, HeaderValue::from_static("a"));
        twice.append(NAME, HeaderValue::from_static("a"));
        assert!(read(&twice).is_err());
        assert_eq!(read(&HeaderMap::new()), Ok(None));
    }

    proptest! {
        #[test]
        fn a_key_is_printable_whatever_comes(field: Vec<u8>) {
            if let Some(key) = key(&field) {
                prop_assert!(key.bytes().all(|byte| matches!(byte, b' '..=b'~')));
            }
        }
    }
}
