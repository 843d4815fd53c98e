//! What the sender and the receiver of HTTP requests share.
//!
//! Messages travel as CloudEvents 1.0, signed as Standard Webhooks 1.0 asks; a refusal is a problem
//! document (RFC 9457). Nothing here does any input or output. `docs/http.md` is the wire.
