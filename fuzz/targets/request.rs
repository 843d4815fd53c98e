//! A request: fields, an empty line, and the body, as HTTP/1.1 writes them.

#![no_main]

use libfuzzer_sys::fuzz_target;
use surehand::testing::wire;

fuzz_target!(|message: &[u8]| {
    let (fields, body) = wire::fields(message);
    wire::request(&fields, body);
});
