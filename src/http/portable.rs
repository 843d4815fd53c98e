//! JSON that other readers take as well.
//!
//! JSON allows what many readers refuse: half of a surrogate pair, a number that no double holds,
//! hundreds of levels. As the data of an event it would take the event down with it, and in a batch
//! all the others.

use serde::Deserializer;
use serde::de::{DeserializeSeed, Error, MapAccess, SeqAccess, Visitor};
use std::fmt;

/// Some readers stop at 64, and an event in a batch has two of its own.
const DEEPEST: usize = 60;

/// Whether the text is one value that every reader takes, with no blanks around it.
pub(crate) fn is_portable(text: &str) -> bool {
    let mut reader = serde_json::Deserializer::from_str(text);
    let is_blank = |byte: Option<&u8>| byte.is_some_and(u8::is_ascii_whitespace);
    let bytes = text.as_bytes();
    !is_blank(bytes.first())
        && !is_blank(bytes.last())
        && Levels(DEEPEST).deserialize(&mut reader).is_ok()
        && reader.end().is_ok()
}

/// How many levels a value may have.
#[derive(Clone, Copy)]
struct Levels(usize);

impl Levels {
    fn inner<E: Error>(self) -> Result<Self, E> {
        self.0.checked_sub(1).map(Self).ok_or_else(|| E::custom("it is too deep"))
    }
}

impl<'de> DeserializeSeed<'de> for Levels {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, value: D) -> Result<(), D::Error> {
        value.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Levels {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_bool<E>(self, _: bool) -> Result<(), E> {
        Ok(())
    }

    fn visit_i64<E>(self, _: i64) -> Result<(), E> {
        Ok(())
    }

    fn visit_u64<E>(self, _: u64) -> Result<(), E> {
        Ok(())
    }

    fn visit_f64<E>(self, _: f64) -> Result<(), E> {
        Ok(())
    }

    fn visit_str<E>(self, _: &str) -> Result<(), E> {
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<(), A::Error> {
        let inner = self.inner()?;
        while items.next_element_seed(inner)?.is_some() {}
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<(), A::Error> {
        let inner = self.inner()?;
        while members.next_key_seed(inner)?.is_some() {
            members.next_value_seed(inner)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_every_reader_takes() {
        for text in ["0", "-1.5e3", "null", "true", "\"\\ud83d\\ude00\"", "[]", "{\"a\": [1, {}]}"]
        {
            assert!(is_portable(text), "{text}");
        }
        let refused = [
            "",
            " 1",
            "1\n",
            "1 2",
            "[1,]",
            "{\"a\"}",
            "NaN",
            "\"\\ud800\"",
            "{\"\\udfff\":1}",
            "1e999",
            "-1e999",
            "\"\n\"",
        ];
        for text in refused {
            assert!(!is_portable(text), "{text}");
        }
    }

    #[test]
    fn levels_are_counted() {
        let deep = |levels| ["[".repeat(levels), "]".repeat(levels)].concat();
        assert!(is_portable(&deep(DEEPEST)));
        assert!(!is_portable(&deep(DEEPEST + 1)));
        assert!(!is_portable(&deep(100_000)));
    }
}
