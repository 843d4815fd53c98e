//! What went in comes out.

use super::super::arrived::{Arrived, Place};
use super::super::desk::named;
use super::super::stage::{Checked, Not, Stage, TOPIC, held, skipped, topics};
use crate::handoff::Outcome;
use crate::limits;
use crate::message::{Envelope, Message, fingerprint};
use serde_json::Value;
use std::slice;

/// Delivers messages one by one, and gives back what arrived of each.
fn carried(stage: &Stage, envelopes: &[Envelope]) -> Result<Vec<Arrived>, Not> {
    stage.greet()?;
    let mut all = Vec::new();
    for envelope in envelopes {
        let handed = stage.deliver(slice::from_ref(envelope))?;
        stage.applied(handed, slice::from_ref(envelope))?;
        let arrived = stage.board.look(|seen| {
            let mut calls = seen.calls.iter().rev();
            calls.find(|call| call.arrived.id == envelope.id).map(|call| call.arrived.clone())
        });
        let lost = || format!("{} is applied, and did not arrive under its id", named(envelope));
        all.push(arrived.ok_or_else(lost)?);
    }
    Ok(all)
}

/// Compares one part of all messages.
fn compare<T: PartialEq>(
    stage: &Stage,
    envelopes: &[Envelope],
    part: impl Fn(&Arrived) -> T,
    show: impl Fn(&T) -> String,
) -> Checked {
    let all = carried(stage, envelopes)?;
    envelopes.iter().zip(&all).try_for_each(|(envelope, arrived)| {
        let (sent, came) = (part(&Arrived::from(envelope)), part(arrived));
        held(sent == came, || {
            format!(
                "{} was sent with {} and came with {}",
                named(envelope),
                show(&sent),
                show(&came)
            )
        })
    })
}

pub(in super::super) fn payloads(stage: &mut Stage) -> Checked {
    let every_byte: Vec<u8> = (0..=u8::MAX).cycle().take(limits::PAYLOAD_BYTES).collect();
    let payloads: [&[u8]; 6] =
        [b"", b"\0", b"{\"n\": 1}\r\n", "gr\u{fc}n".as_bytes(), &[0xff, 0xfe, 0xc3], &every_byte];
    let message = |payload: &[u8]| stage.desk.envelope(Message::new(TOPIC).payload(payload));
    let envelopes = payloads.map(message);
    let shown = |payload: &Vec<u8>| {
        let head = &payload[..payload.len().min(16)];
        format!("{} bytes of payload ({head:?}...)", payload.len())
    };
    compare(stage, &envelopes, |arrived| arrived.payload.clone(), shown)
}

pub(in super::super) fn headers(stage: &mut Stage) -> Checked {
    let message = || Message::new(TOPIC);
    let many = (0..100).fold(message(), |message, number| {
        message.header(format!("header-{number}"), format!("value {number}"))
    });
    let odd =
        message().header("empty", "").header("Tenant", "n\u{f6}rd\"lich\"").header("tenant", "s");
    let long = message().header("long", "x".repeat(limits::HEADER_BYTES - 11));
    let lines = message().header("lines", "a\r\nb: c\t\0");
    let trace = message().traceparent("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01");
    let envelopes =
        [message(), many, odd, long, lines, trace].map(|message| stage.desk.envelope(message));
    let headers = |arrived: &Arrived| -> Value {
        let text = arrived.headers.as_deref().unwrap_or("{}");
        serde_json::from_str(text).unwrap_or(Value::Null)
    };
    compare(stage, &envelopes, headers, |headers| format!("headers {}", head(headers)))
}

fn head(headers: &Value) -> String {
    let text = headers.to_string();
    if text.len() > 200 { format!("of {} bytes", text.len()) } else { text }
}

pub(in super::super) fn names(stage: &mut Stage) -> Checked {
    let mut envelopes: Vec<Envelope> =
        topics().map(|topic| stage.desk.envelope(Message::new(topic))).into();
    let long = "k".repeat(limits::KEY_BYTES);
    for key in ["a", "", "A b/c?d=e&f#g%20+", "\u{1f980} gr\u{fc}n", "two\r\nlines\0", &long] {
        envelopes.push(stage.desk.envelope(Message::new(TOPIC).key(key)));
    }
    let long = "c".repeat(limits::CONTENT_TYPE_BYTES);
    for content_type in ["Application/JSON", "text/plain; charset=\"utf-8\"", "", &long] {
        envelopes.push(stage.desk.envelope(Message::new(TOPIC).content_type(content_type)));
    }
    let parts = |arrived: &Arrived| {
        (arrived.topic.clone(), arrived.key.clone(), arrived.content_type.clone())
    };
    compare(stage, &envelopes, parts, |parts| format!("{parts:?}"))
}

/// Numbers beyond what a JSON number or 32 bits hold, and a time before 1970.
pub(in super::super) fn places(stage: &mut Stage) -> Checked {
    let plain = || stage.desk.envelope(Message::new(TOPIC));
    let large = (1 << 53) + 1;
    let mut envelopes = [
        Envelope { attempt: u32::MAX, ..plain() },
        Envelope { seq: large, revision: i64::MAX, ..plain() },
        Envelope { seq: large + 4, after: large, ..plain() },
        Envelope { created_at_ms: -1, ..plain() },
        Envelope { created_at_ms: i64::MAX, ..plain() },
    ];
    if !stage.remembers()? {
        envelopes[2].after = 0;
    }
    for envelope in &mut envelopes {
        envelope.fingerprint = fingerprint(envelope.id, &envelope.parts);
    }
    let all = carried(stage, &envelopes)?;
    if stage.ends_in_inbox() {
        let again = Envelope { attempt: 2, ..envelopes[1].clone() };
        let handed = stage.deliver(slice::from_ref(&again))?;
        let answer = stage.answer(handed, &again)?;
        let revision = match &*answer.outcome {
            Outcome::Applied(applied) => applied.revision,
            _ => None,
        };
        held(revision == Some(i64::MAX), || format!("the revision came back as {revision:?}"))?;
    }
    for (envelope, arrived) in envelopes.iter().zip(all) {
        let (sent, came): (Option<Place>, _) = (Arrived::from(envelope).place, arrived.place);
        if came.is_none() {
            return skipped("what arrives has no place");
        }
        held(sent == came, || format!("{sent:?} came as {came:?}"))?;
    }
    Ok(())
}

/// As many messages as a relay sends at once, with as much in them.
pub(in super::super) fn largest(stage: &mut Stage) -> Checked {
    const MESSAGES: usize = 256;
    const PAYLOAD: usize = 4 * 1024;
    const HEADER: usize = 2 * 1024;
    stage.greet()?;
    let message = |number| {
        let message = Message::new(TOPIC).payload([0xa5; PAYLOAD]);
        message.header("number", number).header("long", "x".repeat(HEADER))
    };
    let envelopes: Vec<_> =
        (0..MESSAGES).map(|number| stage.desk.envelope(message(number.to_string()))).collect();
    let handed = stage.deliver(&envelopes)?;
    stage.applied(handed, &envelopes)?;
    let effects = stage.effects().len();
    held(effects == MESSAGES, || format!("{MESSAGES} messages had {effects} effects"))
}
