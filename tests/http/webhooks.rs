//! Requests are Standard Webhooks to somebody else: held against the library of its authors.

mod sent;
mod taken;

use standardwebhooks::Webhook;

/// The same secret as `secret(number)`.
fn theirs(number: u8) -> Webhook {
    Webhook::from_bytes(vec![number; 32]).unwrap()
}
