//! A batch: each event has its own answer, and one that is bad spoils no other.

use super::answer;
use super::dispatch::{foreign, receive, unreadable};
use super::gate::Gate;
use super::heard;
use crate::handoff::{Applied, Hello, Ticket};
use crate::http::place::Placed;
use crate::http::problem::{Kind, Problem};
use crate::http::refusal::unavailable;
use crate::http::{Unreadable, answers, place, structured};
use crate::id::Seq;
use crate::inbox::Received;
use crate::message::Envelope;
use crate::watermark::Ranges;
use axum::response::Response;
use serde_json::value::RawValue;

/// What is said of one event, by its place in the array.
struct Said {
    id: String,
    seq: Option<Seq>,
    became: Result<Applied, Problem>,
}

/// Events of one opening of one subscription, on their way together.
struct Group {
    hello: Hello,
    settled: Ranges,
    envelopes: Vec<Envelope>,
    /// Where the answer about each belongs.
    places: Vec<(usize, Ticket)>,
}

/// Applies what a batch holds.
pub(super) async fn batch(gate: &Gate, document: &[u8]) -> Result<Response, Problem> {
    let most = gate.limits.batch;
    let events = structured::split(document, most).map_err(unreadable)?;
    if events.len() > most {
        return Err(Problem::new(Kind::TooLarge, format!("a batch has at most {most} events")));
    }
    let mut said = Vec::with_capacity(events.len());
    let mut groups: Vec<Group> = Vec::new();
    for (index, raw) in events.into_iter().enumerate() {
        let one = match read(gate, raw) {
            Ok(Read::Placed(placed)) => join(&mut groups, index, *placed),
            Ok(Read::Foreign(id, received)) => {
                Said { id, seq: None, became: receive(gate, *received).await }
            }
            Err(why) => nameless(index, raw, &why),
        };
        said.push(one);
    }
    let is_placed = !groups.is_empty();
    let only = groups.len() == 1 && groups[0].places.len() == said.len();
    for group in groups {
        let refusal = apply(gate, group, &mut said).await;
        if let Some(refusal) = refusal.filter(|_| only) {
            return Err(refusal);
        }
    }
    let all = said.iter().map(|one| (one.id.as_str(), one.seq, &one.became));
    Ok(answer::itemised(answers::document(all), is_placed))
}

enum Read {
    Placed(Box<Placed>),
    Foreign(String, Box<Received>),
}

fn read(gate: &Gate, raw: &RawValue) -> Result<Read, Unreadable> {
    let event = structured::read(raw.get().as_bytes())?;
    if place::is_placed(&event) {
        return Ok(Read::Placed(Box::new(place::read(event)?)));
    }
    let id = event.required("id")?.to_owned();
    Ok(Read::Foreign(id, Box::new(foreign(gate, event)?)))
}

/// Puts a message with others of its relay; what became of it is filled in later.
fn join(groups: &mut Vec<Group>, index: usize, placed: Placed) -> Said {
    let Placed { hello, settled, envelope } = placed;
    let ticket = envelope.ticket();
    let at = groups.iter().position(|group| group.hello == hello).unwrap_or_else(|| {
        let (settled, envelopes) = (Ranges::new(), Vec::new());
        groups.push(Group { hello, settled, envelopes, places: Vec::new() });
        groups.len() - 1
    });
    let group = &mut groups[at];
    group.settled.union(&settled);
    // The same one twice in one batch is a duplicate of itself.
    group.places.push((index, ticket));
    group.envelopes.push(envelope);
    let became = Err(unavailable("it was not answered"));
    Said { id: ticket.id.to_string(), seq: Some(ticket.seq), became }
}

/// Applies a group, and fills in what became of each; returns why all of it was refused.
async fn apply(gate: &Gate, group: Group, said: &mut [Said]) -> Option<Problem> {
    let Group { hello, settled, mut envelopes, places } = group;
    envelopes.sort_by_key(Envelope::seq);
    let request = hello.request(settled, envelopes);
    let heard = heard::deliver(&gate.local, request).await;
    for (index, ticket) in places {
        said[index].became = heard.of_message(ticket);
    }
    heard.refusal
}

/// The answer about an event that cannot be read: by its id, if it has one, and by where it stands.
fn nameless(index: usize, raw: &RawValue, why: &Unreadable) -> Said {
    let name: Option<structured::Name<'_>> = serde_json::from_str(raw.get()).ok();
    let id = name.and_then(|name| name.id).unwrap_or_default().into_owned();
    let detail = format!("event {} of the batch: {why}", index + 1);
    Said { id, seq: None, became: Err(Problem::new(Kind::Unreadable, detail)) }
}
