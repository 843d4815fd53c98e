//! What a request is, and where it goes: a control, one event, or a batch.

use super::body::Body;
use super::gate::Gate;
use super::heard::{self, said};
use super::{answer, batch};
use crate::error::ErrorKind;
use crate::handoff::Applied;
use crate::http::control::Control;
use crate::http::event::{Event, message_id, time_ms};
use crate::http::place::Placed;
use crate::http::problem::{Kind, Problem};
use crate::http::refusal::{in_progress, unavailable};
use crate::http::{Unreadable, binary, media, place, structured};
use crate::id::MessageId;
use crate::inbox::Received;
use crate::message::Message;
use axum::response::Response;
use http::{HeaderMap, header};
use serde_json::value::RawValue;
use std::collections::BTreeMap;

/// What a request claims to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form {
    Control,
    Batch,
    Structured,
    Binary,
    Webhook,
}

impl Form {
    /// By its fields alone.
    pub(super) fn of(fields: &HeaderMap, is_signed: bool) -> Result<Self, Problem> {
        let media_type = fields.get(header::CONTENT_TYPE).and_then(|field| field.to_str().ok());
        match media_type.map(media::essence).as_deref() {
            Some(media::CONTROL) => Ok(Self::Control),
            Some(media::BATCH) => Ok(Self::Batch),
            Some(media::EVENT) => Ok(Self::Structured),
            _ if binary::is_event(fields) && is_signed => {
                let why = "attributes in header fields are not signed: send the event as JSON";
                Err(Problem::new(Kind::MediaType, why))
            }
            _ if binary::is_event(fields) => Ok(Self::Binary),
            // Without an id it is not signed, and that is what it is told.
            _ if fields.contains_key("webhook-id") || is_signed => Ok(Self::Webhook),
            _ => {
                let why = "neither a CloudEvent nor a webhook: no `webhook-id`";
                Err(Problem::new(Kind::MediaType, why))
            }
        }
    }
}

/// Has it done, and says what became of it.
pub(super) async fn dispatch(
    gate: &Gate,
    form: Form,
    fields: &HeaderMap,
    body: &Body,
) -> Result<Response, Problem> {
    let bytes = &body.bytes;
    let event = match form {
        Form::Control => return control(gate, Control::read(bytes).map_err(unreadable)?).await,
        Form::Batch => return batch::batch(gate, bytes).await,
        Form::Webhook => return of(receive(gate, webhook(gate, fields, bytes)?).await),
        Form::Structured => structured::read(bytes),
        Form::Binary => binary::read(fields, bytes),
    };
    let event = event.map_err(unreadable)?;
    if place::is_placed(&event) {
        let placed = place::read(event).map_err(unreadable)?;
        return of(deliver(gate, placed).await);
    }
    of(receive(gate, foreign(gate, event).map_err(unreadable)?).await)
}

fn of(became: Result<Applied, Problem>) -> Result<Response, Problem> {
    became.map(answer::applied)
}

async fn control(gate: &Gate, control: Control) -> Result<Response, Problem> {
    match control {
        Control::Hello(hello) => match heard::greet(&gate.local, hello).await {
            Some(welcome) => Ok(answer::welcome(&welcome)),
            None => Err(unavailable("the inbox could not answer")),
        },
        Control::Settled(hello, settled) => {
            let request = hello.request(settled, Vec::new());
            match heard::deliver(&gate.local, request).await.refusal {
                None => Ok(answer::merged()),
                Some(refusal) => Err(refusal),
            }
        }
    }
}

/// One message of a relay.
async fn deliver(gate: &Gate, placed: Placed) -> Result<Applied, Problem> {
    let Placed { hello, settled, envelope } = placed;
    let ticket = envelope.ticket();
    let request = hello.request(settled, vec![envelope]);
    heard::deliver(&gate.local, request).await.of_message(ticket)
}

/// One message of a sender that has no outbox of ours.
pub(super) async fn receive(gate: &Gate, received: Received) -> Result<Applied, Problem> {
    let pass = gate.underway.enter(&received.sender, &received.id.to_string());
    let _pass = pass.ok_or_else(in_progress)?;
    match gate.local.receive(received).await {
        Some(Ok(outcome)) => said(&outcome),
        Some(Err(error)) if error.kind() == ErrorKind::InvalidMessage => {
            Err(Problem::new(Kind::Unreadable, error.to_string()))
        }
        Some(Err(error)) => Err(unavailable(error.to_string())),
        None => Err(unavailable("the inbox is gone")),
    }
}

/// An event without a place. One that says no time counts as new now.
pub(super) fn foreign(gate: &Gate, event: Event<'_>) -> Result<Received, Unreadable> {
    let id = message_id(event.required("id")?);
    let sender = event.required("source")?.to_owned();
    let created_at_ms = event.created_at_ms()?;
    Ok(received(gate, sender, id, created_at_ms, event.into_message()?))
}

/// The topic of a webhook that names none.
const WEBHOOK: &str = "webhook";

fn webhook(gate: &Gate, fields: &HeaderMap, body: &[u8]) -> Result<Received, Problem> {
    let field = |name: &http::HeaderName| {
        let value = binary::only(fields, name).map_err(unreadable)?;
        value.to_str().map_err(|_| Problem::new(Kind::Unreadable, format!("`{name}` is garbled")))
    };
    let id = message_id(field(&http::HeaderName::from_static("webhook-id"))?);
    // What is suggested for payloads; each of the two counts, whatever the rest is.
    let members: BTreeMap<String, &RawValue> = serde_json::from_slice(body).unwrap_or_default();
    let text = |name| serde_json::from_str::<String>(members.get(name)?.get()).ok();
    let topic = text("type").filter(|topic| !topic.is_empty());
    let mut message = Message::new(topic.unwrap_or(WEBHOOK.into())).payload(body);
    if fields.contains_key(header::CONTENT_TYPE) {
        message = message.content_type(field(&header::CONTENT_TYPE)?);
    }
    // Of when it happened, the same at every attempt; `webhook-timestamp` is of the attempt.
    let time = text("timestamp").and_then(|time| time_ms(&time).ok());
    Ok(received(gate, gate.limits.sender.clone(), id, time, message))
}

fn received(
    gate: &Gate,
    sender: String,
    id: MessageId,
    created_at_ms: Option<i64>,
    message: Message,
) -> Received {
    let now_ms = || gate.limits.clock.now().wall_ms;
    let created_at_ms = created_at_ms.unwrap_or_else(now_ms);
    Received { sender, horizon: gate.limits.horizon, id, created_at_ms, message }
}

pub(super) fn unreadable(why: Unreadable) -> Problem {
    Problem::new(Kind::Unreadable, why.0)
}
