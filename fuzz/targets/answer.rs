//! An answer: a line with the status, one with the `Retry-After`, and the body.

#![no_main]

use libfuzzer_sys::fuzz_target;
use surehand::testing::wire;

fuzz_target!(|message: &[u8]| {
    let mut lines = message.splitn(3, |byte| *byte == b'\n');
    let mut next = || lines.next().unwrap_or_default();
    let (status, wait, document) = (next(), next(), next());
    let text = |line| str::from_utf8(line).unwrap_or_default();
    wire::answer(text(status).parse().unwrap_or(200), text(wait), document);
});
