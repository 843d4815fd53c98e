//! How a message, a batch or a control becomes the fields and the body of a POST.

use crate::handoff::Hello;
use crate::http::control::Control;
use crate::http::event::{Event, message_id};
use crate::http::{Signer, binary, media, place, structured};
use crate::message::Envelope;
use crate::watermark::Ranges;
use bytes::Bytes;
use flate2::Compression;
use flate2::write::GzEncoder;
use http::HeaderMap;
use http::header::{CONTENT_ENCODING, CONTENT_TYPE, HeaderName, HeaderValue};
use std::io::Write;

const WEBHOOK_ID: HeaderName = HeaderName::from_static("webhook-id");
const WEBHOOK_TIMESTAMP: HeaderName = HeaderName::from_static("webhook-timestamp");
const WEBHOOK_SIGNATURE: HeaderName = HeaderName::from_static("webhook-signature");
const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");
/// The attribute of that name, beside a document too.
const ATTEMPT_FIELD: HeaderName = HeaderName::from_static("ce-surehandattempt");
/// Smaller bodies are not worth compressing.
const SMALL_BYTES: usize = 1024;

/// How an endpoint is spoken to.
#[derive(Clone, Debug)]
pub(crate) struct Form {
    pub(crate) signer: Option<Signer>,
    pub(crate) to_inbox: bool,
    pub(crate) binary: bool,
    /// How many messages one request holds at the most; none when each goes alone.
    pub(crate) batch: Option<usize>,
    pub(crate) gzip: bool,
}

/// A request to be made.
#[derive(Debug)]
pub(crate) struct Draft {
    pub(crate) fields: HeaderMap,
    pub(crate) body: Bytes,
}

impl Form {
    fn event<'a>(&self, hello: &Hello, envelope: &'a Envelope) -> Event<'a> {
        if !self.to_inbox {
            return Event::of(hello.store, envelope);
        }
        let mut event = Event::for_inbox(hello.store, envelope);
        place::state(&mut event, hello, envelope);
        event
    }

    /// A request with one message. `now_s`: the time of this attempt, in seconds since 1970.
    ///
    /// The body is the same at every attempt (but to an inbox), so that an endpoint that compares
    /// what comes under one `Idempotency-Key` sees no difference.
    pub(crate) fn single(&self, hello: &Hello, envelope: &Envelope, now_s: i64) -> Draft {
        let event = self.event(hello, envelope);
        let mut fields = HeaderMap::new();
        // What cannot stand in a header field can still stand in a document.
        let is_binary = self.binary && binary::write(&event, &mut fields).is_ok();
        let body = if is_binary {
            envelope.payload().to_vec()
        } else {
            fields.clear();
            fields.insert(CONTENT_TYPE, HeaderValue::from_static(media::EVENT));
            let mut document = Vec::with_capacity(512 + envelope.payload().len());
            structured::write(&event, &mut document);
            document
        };
        fields.insert(ATTEMPT_FIELD, envelope.attempt().into());
        for name in ["traceparent", "tracestate"] {
            let value = event.get(name).and_then(|value| HeaderValue::try_from(value).ok());
            if let Some(value) = value {
                fields.insert(HeaderName::from_static(name), value);
            }
        }
        let id = envelope.id().to_string();
        let value = HeaderValue::try_from(&id).expect("a UUID is plain text");
        fields.insert(IDEMPOTENCY_KEY, value);
        self.dress(fields, body, &id, now_s)
    }

    /// A request with several.
    pub(crate) fn batch(
        &self,
        hello: &Hello,
        settled: &Ranges,
        envelopes: &[Envelope],
        now_s: i64,
    ) -> Draft {
        let payloads: usize = envelopes.iter().map(|envelope| envelope.payload().len()).sum();
        let mut body = Vec::with_capacity(payloads + 640 * envelopes.len());
        let events = envelopes.iter().enumerate();
        structured::array(&mut body, events, |body, (index, envelope)| {
            let mut event = self.event(hello, envelope);
            if index == 0 && self.to_inbox {
                place::state_settled(&mut event, settled);
            }
            structured::write(&event, body);
        });
        let mut fields = HeaderMap::new();
        fields.insert(CONTENT_TYPE, HeaderValue::from_static(media::BATCH));
        let ids: Vec<String> = envelopes.iter().map(|one| one.id().to_string()).collect();
        self.dress(fields, body, &message_id(&ids.concat()).to_string(), now_s)
    }

    /// A hello or a statement.
    pub(crate) fn control(&self, control: &Control, now_s: i64) -> Draft {
        let mut fields = HeaderMap::new();
        fields.insert(CONTENT_TYPE, HeaderValue::from_static(media::CONTROL));
        let body = control.write();
        let id = message_id(&String::from_utf8_lossy(&body)).to_string();
        self.dress(fields, body, &id, now_s)
    }

    /// Adds who sends it and when. The signature is over the body as it is before compression.
    fn dress(&self, mut fields: HeaderMap, body: Vec<u8>, id: &str, now_s: i64) -> Draft {
        fields.insert(WEBHOOK_ID, HeaderValue::try_from(id).expect("a UUID is plain text"));
        fields.insert(WEBHOOK_TIMESTAMP, now_s.into());
        if let Some(signer) = &self.signer {
            let signature = HeaderValue::try_from(signer.sign(id, now_s, &body));
            fields.insert(WEBHOOK_SIGNATURE, signature.expect("base64 is plain text"));
        }
        let body = if self.gzip && body.len() > SMALL_BYTES {
            fields.insert(CONTENT_ENCODING, HeaderValue::from_static("gzip"));
            compressed(&body)
        } else {
            body
        };
        Draft { fields, body: body.into() }
    }
}

fn compressed(body: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::with_capacity(body.len() / 4), Compression::fast());
    let written = encoder.write_all(body).and_then(|()| encoder.finish());
    written.expect("memory takes what is written")
}
