//! Requests as a relay writes them: what a receiver reads of one is what was sent.

use super::Written;
use super::request::{holds, map};
use crate::handoff::Hello;
use crate::http::control::Control;
use crate::http::event::Event;
use crate::http::{binary, place, structured};
use crate::id::{Incarnation, MessageId, StoreId, SubscriptionId};
use crate::message::{Envelope, Message, Parts, fingerprint};
use crate::transport::http::form::{Draft, Form};
use crate::watermark::Ranges;

const NOW_S: i64 = 1_700_000_000;

/// A message of a relay, with all that is said beside it.
#[derive(Clone, Debug)]
pub struct Sent {
    /// What was enqueued.
    pub message: Message,
    /// Its id.
    pub id: [u8; 16],
    /// Whose it is.
    pub store: [u8; 16],
    /// Over which subscription it comes.
    pub subscription: [u8; 16],
    /// Which opening of that.
    pub incarnation: Incarnation,
    /// Its place, from 1.
    pub seq: i64,
    /// Its revision.
    pub revision: i64,
    /// The attempt.
    pub attempt: u32,
    /// The place of the one before it.
    pub after: i64,
    /// When it was enqueued.
    pub created_at_ms: i64,
    /// What is settled.
    pub settled: Ranges,
}

/// Writes a message in every form there is, and reads each; returns the requests.
pub fn sent(sent: &Sent) -> Vec<Written> {
    let (hello, envelope) = (hello(sent), envelope(sent));
    let mut written = Vec::new();
    for (to_inbox, is_binary) in [(true, false), (true, true), (false, false), (false, true)] {
        let form = Form { signer: None, to_inbox, binary: is_binary, batch: None, gzip: false };
        let draft = form.single(&hello, &envelope, NOW_S);
        let event = match binary::is_event(&draft.fields) {
            true => binary::read(&draft.fields, &draft.body),
            false => structured::read(&draft.body),
        };
        let event = event.expect("what a relay sends can be read");
        check(event, to_inbox, &Ranges::new(), sent, &envelope);
        written.push(undressed(draft));
        let batch = std::slice::from_ref(&envelope);
        let draft = form.batch(&hello, &sent.settled, batch, NOW_S);
        let events = structured::split(&draft.body, 1).expect("a batch can be read");
        let [only] = events.as_slice() else { panic!("{} events of one", events.len()) };
        let event = structured::read(only.get().as_bytes()).expect("a batch can be read");
        check(event, to_inbox, &sent.settled, sent, &envelope);
        written.push(undressed(draft));
    }
    written
}

/// Says what is settled, and hello: reads both, and returns the requests.
pub fn settled(sent: &Sent) -> Vec<Written> {
    let form = Form { signer: None, to_inbox: true, binary: false, batch: None, gzip: false };
    let hello = hello(sent);
    let controls = [Control::Hello(hello), Control::Settled(hello, sent.settled.clone())];
    let mut written = Vec::new();
    for control in controls {
        let draft = form.control(&control, NOW_S);
        assert_eq!(Control::read(&draft.body), Ok(control), "a control");
        written.push(undressed(draft));
    }
    written
}

fn check(event: Event<'_>, to_inbox: bool, settled: &Ranges, sent: &Sent, envelope: &Envelope) {
    holds(&event);
    if to_inbox {
        let placed = place::read(event).expect("a place that is written can be read");
        assert_eq!(placed.hello, hello(sent));
        assert_eq!(placed.settled, *settled);
        assert_eq!(format!("{:?}", placed.envelope), format!("{envelope:?}"));
        assert!(placed.envelope.is_intact(), "the fingerprint");
        return;
    }
    assert!(!place::is_placed(&event), "a place is told to inboxes only");
    let read = event.into_message().expect("what a relay sends can be read");
    let (topic, key) = (read.topic.as_str(), read.key.as_deref());
    assert_eq!((topic, key), (envelope.topic(), envelope.key()));
    assert_eq!(read.headers_json(), envelope.parts.headers);
    assert_eq!(read.content_type.as_deref(), envelope.content_type());
    assert_eq!(read.payload, envelope.payload());
}

fn hello(sent: &Sent) -> Hello {
    Hello {
        store: StoreId::from_bytes(sent.store),
        subscription: SubscriptionId::from_bytes(sent.subscription),
        incarnation: sent.incarnation,
    }
}

fn envelope(sent: &Sent) -> Envelope {
    let message = &sent.message;
    let id = MessageId::from_bytes(sent.id);
    let parts = Parts {
        topic: message.topic.as_str().into(),
        key: message.key.clone(),
        headers: message.headers_json(),
        content_type: message.content_type.clone(),
        payload: message.payload.clone(),
    };
    Envelope {
        seq: sent.seq,
        id,
        revision: sent.revision,
        fingerprint: fingerprint(id, &parts),
        attempt: sent.attempt,
        after: sent.after,
        created_at_ms: sent.created_at_ms,
        parts,
    }
}

/// As bytes; they are the same fields when they are read as such.
fn undressed(draft: Draft) -> Written {
    let pair = |(name, value): (&http::HeaderName, &http::HeaderValue)| {
        (name.as_str().as_bytes().to_vec(), value.as_bytes().to_vec())
    };
    let fields: Vec<_> = draft.fields.iter().map(pair).collect();
    let (mut again, mut fields_sent) = (map(&fields), draft.fields.clone());
    // For whoever looks on; blanks around them may be lost.
    for trace in ["traceparent", "tracestate"] {
        again.remove(trace);
        fields_sent.remove(trace);
    }
    assert_eq!(again, fields_sent, "no field is lost on its way");
    (fields, draft.body.to_vec())
}
