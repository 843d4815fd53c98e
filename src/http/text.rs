//! Text in header fields, as the HTTP binding of CloudEvents writes it (section 3.1.3.2): whatever
//! is not printable ASCII, a space, a quotation mark or a percent sign is percent-encoded UTF-8.

use super::Unreadable;
use std::borrow::Cow;

/// A value as it stands in a header field. No text can end the field or begin another one.
pub(crate) fn encode(text: &str) -> Cow<'_, str> {
    if text.bytes().all(is_plain) {
        return Cow::Borrowed(text);
    }
    let mut encoded = String::with_capacity(text.len() + 16);
    for byte in text.bytes() {
        if is_plain(byte) {
            encoded.push(char::from(byte));
        } else {
            const DIGITS: &[u8; 16] = b"0123456789ABCDEF";
            encoded.push('%');
            encoded.push(char::from(DIGITS[usize::from(byte >> 4)]));
            encoded.push(char::from(DIGITS[usize::from(byte & 15)]));
        }
    }
    Cow::Owned(encoded)
}

fn is_plain(byte: u8) -> bool {
    byte.is_ascii_graphic() && byte != b'"' && byte != b'%'
}

/// The value that a header field holds.
pub(crate) fn decode(field: &[u8]) -> Result<String, Unreadable> {
    let mut bytes = Vec::with_capacity(field.len());
    let mut rest = field;
    while let [byte, after @ ..] = rest {
        let digits = after.first_chunk::<2>().filter(|_| *byte == b'%');
        match digits.and_then(|digits| Some((hex(digits[0])?, hex(digits[1])?))) {
            Some((high, low)) => {
                bytes.push(high << 4 | low);
                rest = &after[2..];
            }
            // A percent sign that encodes nothing stands for itself, as in other implementations.
            None => {
                bytes.push(*byte);
                rest = after;
            }
        }
    }
    String::from_utf8(bytes).map_err(|_| Unreadable::because("a header is not UTF-8"))
}

fn hex(digit: u8) -> Option<u8> {
    char::from(digit).to_digit(16).and_then(|value| u8::try_from(value).ok())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_examples_of_the_specification() {
        assert_eq!(encode("Euro \u{20AC} \u{1F600}"), "Euro%20%E2%82%AC%20%F0%9F%98%80");
        assert_eq!(decode(b"Euro%20%e2%82%ac").unwrap(), "Euro \u{20AC}");
        assert_eq!(decode(b"100% %zz").unwrap(), "100% %zz");
        assert!(decode(b"%FF").is_err());
    }

    proptest! {
        #[test]
        fn every_text_comes_back(text: String) {
            let encoded = encode(&text);
            prop_assert!(encoded.bytes().all(|byte| byte.is_ascii_graphic()));
            prop_assert_eq!(decode(encoded.as_bytes()).unwrap(), text);
        }

        #[test]
        fn no_field_breaks_the_reader(field: Vec<u8>) {
            let _ = decode(&field);
        }
    }
}
