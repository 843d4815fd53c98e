//! A signed request: lines with the id, the timestamp, the signatures and the time now, and the
//! body. The id is read as a key too.

#![no_main]

use libfuzzer_sys::fuzz_target;
use surehand::testing::wire;

fuzz_target!(|message: &[u8]| {
    let mut lines = message.splitn(5, |byte| *byte == b'\n');
    let mut next = || lines.next().unwrap_or_default();
    let text = |line| str::from_utf8(line).unwrap_or_default();
    let (id, timestamp, signatures) = (text(next()), text(next()), text(next()));
    let (now, body) = (text(next()).parse().unwrap_or(0), next());
    wire::key(id);
    wire::signature(id, timestamp, signatures, body, now);
    wire::signed(id, body, now);
});
