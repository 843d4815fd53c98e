//! What became of each event of a batch: a JSON array, in any order, each naming its event.

use super::problem::Problem;
use super::structured::{array, string};
use super::{Unreadable, structured};
use crate::handoff::{Applied, Outcome, Ticket};
use crate::id::{MessageId, Seq};
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;
use std::borrow::Cow;
use std::collections::HashMap;

/// Appends the answer about one event.
///
/// `seq`: its place, where it has one; an id may be there twice.
pub(crate) fn write(
    document: &mut Vec<u8>,
    id: &str,
    seq: Option<Seq>,
    said: &Result<Applied, Problem>,
) {
    document.extend_from_slice(b"{\"id\":");
    string(document, id);
    if let Some(seq) = seq {
        document.extend_from_slice(format!(",\"sequence\":\"{seq:019}\"").as_bytes());
    }
    match said {
        Ok(applied) => {
            if let Some(revision) = applied.revision {
                document.extend_from_slice(format!(",\"revision\":\"{revision}\"").as_bytes());
            }
            if applied.duplicate {
                document.extend_from_slice(b",\"duplicate\":true");
            }
            if let Some(reply) = &applied.reply {
                document.extend_from_slice(b",\"reply\":");
                document.extend_from_slice(reply);
            }
        }
        Err(problem) => {
            document.extend_from_slice(b",\"problem\":");
            document.extend_from_slice(&problem.write());
        }
    }
    document.push(b'}');
}

/// All answers to a batch.
pub(crate) fn document<'a>(
    answers: impl IntoIterator<Item = (&'a str, Option<Seq>, &'a Result<Applied, Problem>)>,
) -> Vec<u8> {
    let mut document = Vec::new();
    array(&mut document, answers, |document, (id, seq, said)| write(document, id, seq, said));
    document
}

#[derive(Deserialize)]
struct Wire<'a> {
    #[serde(borrow)]
    id: Cow<'a, str>,
    #[serde(default, borrow)]
    sequence: Option<Cow<'a, str>>,
    #[serde(default, borrow)]
    revision: Option<Cow<'a, str>>,
    #[serde(default)]
    duplicate: bool,
    #[serde(default, borrow, deserialize_with = "present")]
    reply: Option<&'a RawValue>,
    #[serde(default, borrow)]
    problem: Option<&'a RawValue>,
}

/// What is there, `null` too: a handler may answer that.
fn present<'de: 'a, 'a, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<&'a RawValue>, D::Error> {
    Deserialize::deserialize(deserializer).map(Some)
}

/// What an answer to a batch proves of the messages that were sent.
///
/// Of an id that was not sent nothing is proved, nor of one that is there twice with two answers;
/// the whole answer counts for nothing if it is no array.
pub(crate) fn proved(
    document: &[u8],
    sent: &[Ticket],
) -> Result<Vec<(Ticket, Outcome)>, Unreadable> {
    let mut tickets: HashMap<MessageId, Vec<Ticket>> = HashMap::new();
    for ticket in sent {
        tickets.entry(ticket.id).or_default().push(*ticket);
    }
    let mut said: HashMap<Ticket, Option<Outcome>> = HashMap::new();
    let most = 2 * sent.len() + 16;
    let answers = structured::split(document, most)?;
    if answers.len() > most {
        return Err(Unreadable::because("there are far more answers than messages"));
    }
    for raw in answers {
        let Ok(answer) = serde_json::from_str::<Wire<'_>>(raw.get()) else { continue };
        let Some(ticket) = about(&answer, &tickets) else { continue };
        // Two answers about one message contradict each other, or prove no more than one would.
        said.entry(ticket).and_modify(|known| *known = None).or_insert_with(|| outcome(&answer));
    }
    Ok(said.into_iter().filter_map(|(ticket, outcome)| Some((ticket, outcome?))).collect())
}

fn about(answer: &Wire<'_>, tickets: &HashMap<MessageId, Vec<Ticket>>) -> Option<Ticket> {
    let candidates = tickets.get(&answer.id.parse().ok()?)?;
    match &answer.sequence {
        Some(sequence) => {
            let seq: Seq = sequence.parse().ok()?;
            candidates.iter().find(|ticket| ticket.seq == seq).copied()
        }
        None => <[Ticket; 1]>::try_from(candidates.as_slice()).ok().map(|[only]| only),
    }
}

fn outcome(answer: &Wire<'_>) -> Option<Outcome> {
    if let Some(problem) = answer.problem {
        return Problem::read(problem.get().as_bytes())?.outcome();
    }
    let revision = match &answer.revision {
        Some(revision) => Some(revision.parse().ok()?),
        None => None,
    };
    Some(Outcome::Applied(Applied {
        revision,
        duplicate: answer.duplicate,
        reply: answer.reply.map(|reply| reply.get().as_bytes().to_vec()),
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reply_that_is_null_is_a_reply() {
        let sent = Ticket { seq: 1, id: MessageId::from_bytes([1; 16]), attempt: 1 };
        for reply in [None, Some(b"null".to_vec()), Some(b"[null]".to_vec())] {
            let said = Applied { reply, ..Applied::default() };
            let document = document([(&*sent.id.to_string(), None, &Ok(said.clone()))]);
            let proved = proved(&document, &[sent]).unwrap();
            let [(ticket, Outcome::Applied(applied))] = proved.as_slice() else {
                panic!("{proved:?}");
            };
            assert_eq!((*ticket, applied), (sent, &said));
        }
    }
}
