//! What is nearly right, and what is not right at all.

use proptest::prelude::*;
use proptest::sample::{Index, select};

/// What the readers look for.
const WORDS: &[&str] = &[
    "{",
    "}",
    "[",
    "]",
    "\"",
    ",",
    ":",
    "null",
    "true",
    "0",
    "-1",
    "1e999",
    "9223372036854775808",
    "\\ud800",
    "\\u0000",
    "%",
    "%FF",
    "%e2%82",
    "\n",
    "\n\n",
    " ",
    "ce-",
    "ce-id: ",
    "ce-specversion: 1.0\n",
    "ce-source: ",
    "content-type: ",
    "\"specversion\":\"1.0\"",
    "\"specversion\"",
    "\"1.0\"",
    "\"id\":",
    "\"source\":",
    "\"type\":",
    "\"data\":",
    "\"data_base64\":",
    "\"datacontenttype\":\"application/json\"",
    "\"time\":",
    "\"9999-12-31T23:59:60Z\"",
    "\"-009999-01-01T00:00:00Z\"",
    "\"sequence\":",
    "\"reply\":",
    "\"problem\":",
    "\"revision\":",
    "\"duplicate\":",
    "\"after_ms\":",
    "\"detail\":",
    "\"urn:surehand:problem:failed\"",
    "\"urn:surehand:problem:busy\"",
    "\"11111111-1111-1111-1111-111111111111\"",
    "\"33333333-3333-3333-3333-333333333333\"",
    "urn:surehand:11111111-1111-1111-1111-111111111111",
    "\"registered\":",
    "\"refused\":",
    "\"high\":",
    "\"settled_to\":",
    "\"epoch\":",
    "\"nonce\":",
    "\"settled\":",
    "\"1-17,19\"",
    "surehandkey",
    "surehandheaders",
    "surehandsubscription",
    "surehandcreated",
];

/// Bytes and words that a reader knows, in any order.
pub(crate) fn soup() -> impl Strategy<Value = Vec<u8>> {
    let piece = prop_oneof![
        4 => select(WORDS).prop_map(|word| word.as_bytes().to_vec()),
        1 => prop::collection::vec(any::<u8>(), 0..6),
        1 => "[a-z0-9]{0,6}".prop_map(String::into_bytes),
    ];
    prop::collection::vec(piece, 0..24).prop_map(|pieces| pieces.concat())
}

/// One change of a document.
#[derive(Clone, Debug)]
pub(crate) struct Bent {
    place: Index,
    other: Index,
    how: How,
}

#[derive(Clone, Debug)]
enum How {
    Cut,
    End,
    Double,
    Flip(u8),
    Put(Vec<u8>),
    Swap(Vec<u8>),
}

/// A change of some kind.
pub(crate) fn bent() -> impl Strategy<Value = Bent> {
    let put = || {
        prop_oneof![
            select(WORDS).prop_map(|word| word.as_bytes().to_vec()),
            prop::collection::vec(any::<u8>(), 1..4),
        ]
    };
    let how = prop_oneof![
        Just(How::Cut),
        Just(How::End),
        Just(How::Double),
        (1..=u8::MAX).prop_map(How::Flip),
        put().prop_map(How::Put),
        put().prop_map(How::Swap),
    ];
    (any::<Index>(), any::<Index>(), how).prop_map(|(place, other, how)| Bent { place, other, how })
}

impl Bent {
    /// Which of so many fields is to be changed; none if it is the body, as often as not.
    pub(crate) fn field(&self, fields: usize) -> Option<usize> {
        (fields > 0 && self.other.index(2) == 0).then(|| self.place.index(fields))
    }

    /// Changes a text: at a quotation mark, a brace or a comma more often than elsewhere.
    pub(crate) fn apply(&self, text: &mut Vec<u8>) {
        let joints: Vec<usize> =
            (0..text.len()).filter(|at| b"\"{}[],:".contains(&text[*at])).collect();
        let place = |index: Index| match joints.is_empty() || index.index(4) == 0 {
            true => index.index(text.len() + 1),
            false => joints[index.index(joints.len())],
        };
        let (one, two) = (place(self.place), place(self.other));
        let (from, to) = (one.min(two), one.max(two));
        match &self.how {
            How::Cut => drop(text.drain(from..to)),
            How::End => text.truncate(from),
            How::Double => {
                let copy = text[from..to].to_vec();
                drop(text.splice(to..to, copy));
            }
            How::Flip(bits) => {
                if let Some(byte) = text.get_mut(from) {
                    *byte ^= bits;
                }
            }
            How::Put(word) => drop(text.splice(from..from, word.iter().copied())),
            How::Swap(word) => drop(text.splice(from..to, word.iter().copied())),
        }
    }
}
