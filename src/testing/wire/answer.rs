//! Answers: what they prove, and what they mean.

use crate::handoff::{Applied, Outcome, Ticket, Welcome};
use crate::http::problem::Problem;
use crate::http::{answers, control};
use crate::id::MessageId;
use crate::transport::http::answer::{Answer, EXCERPT_BYTES, Said, retry_after, said};
use serde_json::Value;
use std::time::{Duration, UNIX_EPOCH};

const LONGEST_WAIT: Duration = Duration::from_secs(3_600);
/// The sixth of November 1994, for dates in a `Retry-After`.
const NOW_S: u64 = 784_111_777;

/// The messages that the answers of this module are about: two of them have the same id.
#[must_use]
pub fn tickets() -> Vec<Ticket> {
    let ticket = |seq, id| Ticket { seq, id: MessageId::from_bytes([id; 16]), attempt: 1 };
    vec![ticket(1, 0x11), ticket(2, 0x22), ticket(3, 0x33), ticket(4, 0x33)]
}

/// Reads an answer in each way there is.
pub fn answer(status: u16, wait: &str, document: &[u8]) {
    for count in 0..=tickets().len() {
        proves(document, &tickets()[..count]);
    }
    if let Some(problem) = Problem::read(document) {
        assert_eq!(Problem::read(&problem.write()).as_ref(), Some(&problem), "a problem");
        if let Some(outcome) = problem.outcome() {
            same_outcome(&outcome);
        }
    }
    if let Ok(read) = control::read_welcome(document) {
        welcome(&read);
    }
    let wait = retry_after(wait, UNIX_EPOCH + Duration::from_secs(NOW_S));
    assert!(wait.is_none_or(|wait| wait <= LONGEST_WAIT), "a wait of {wait:?}");
    means(status, wait, document);
}

/// Reads a welcome that was written; returns the document.
pub fn welcome(welcome: &Welcome) -> Vec<u8> {
    let document = control::write_welcome(welcome).expect("an inbox welcomes");
    assert_eq!(control::read_welcome(&document).as_ref(), Ok(welcome), "a welcome");
    document
}

/// Reads a refusal that was written; returns the document, if it is one.
pub fn outcome(outcome: &Outcome) -> Option<Vec<u8>> {
    same_outcome(outcome);
    Problem::of(outcome).map(|problem| problem.write())
}

/// Reads what was written of the outcomes of the first [`tickets`]; returns the document.
pub fn outcomes(outcomes: &[Outcome]) -> Vec<u8> {
    let proved: Vec<_> = tickets().into_iter().zip(outcomes).collect();
    let document = written(proved.iter().copied());
    let read = answers::proved(&document, &tickets()).expect("a batch of answers can be read");
    let expected: Vec<_> = proved.iter().map(|(ticket, outcome)| shown(*ticket, outcome)).collect();
    assert_eq!(sorted(&read), expected, "outcomes as a batch");
    document
}

fn proves(document: &[u8], sent: &[Ticket]) {
    let Ok(proved) = answers::proved(document, sent) else { return };
    for (index, (ticket, outcome)) in proved.iter().enumerate() {
        assert!(sent.contains(ticket), "{ticket:?} was not sent");
        assert!(proved[..index].iter().all(|(other, _)| other != ticket), "{ticket:?} twice");
        let is_applied = matches!(outcome, Outcome::Applied(_));
        assert!(is_named(document, *ticket, is_applied), "{ticket:?}: nothing was said of it");
    }
    let again = written(proved.iter().map(|(ticket, outcome)| (*ticket, outcome)));
    let again = answers::proved(&again, sent).expect("a batch of answers can be read");
    assert_eq!(sorted(&again), sorted(&proved), "proofs");
}

/// Whether an element of the array names the ticket, by other means than the reader's; one that
/// proves an effect has no problem.
fn is_named(document: &[u8], ticket: Ticket, is_applied: bool) -> bool {
    // What this parser cannot hold (deep values, halves of characters) it cannot judge.
    let Ok(Value::Array(all)) = serde_json::from_slice(document) else { return true };
    all.iter().any(|one| {
        let id = one["id"].as_str().is_some_and(|id| id.parse() == Ok(ticket.id));
        let seq = one["sequence"].as_str().is_none_or(|seq| seq.parse() == Ok(ticket.seq));
        id && seq && (!is_applied || one["problem"].is_null())
    })
}

fn written<'a>(outcomes: impl Iterator<Item = (Ticket, &'a Outcome)>) -> Vec<u8> {
    let said = |outcome: &Outcome| match outcome {
        Outcome::Applied(applied) => Ok(applied.clone()),
        other => Err(Problem::of(other).expect("what is no effect is a refusal")),
    };
    let all: Vec<_> = outcomes
        .map(|(ticket, outcome)| (ticket.id.to_string(), ticket.seq, said(outcome)))
        .collect();
    answers::document(all.iter().map(|(id, seq, said)| (id.as_str(), Some(*seq), said)))
}

fn sorted(proved: &[(Ticket, Outcome)]) -> Vec<String> {
    let mut texts: Vec<_> =
        proved.iter().map(|(ticket, outcome)| shown(*ticket, outcome)).collect();
    texts.sort_unstable();
    texts
}

fn shown(ticket: Ticket, outcome: &Outcome) -> String {
    format!("{ticket:?} {outcome:?}")
}

fn same_outcome(outcome: &Outcome) {
    let Some(problem) = Problem::of(outcome) else { return };
    let again = Problem::read(&problem.write()).expect("a problem that is written can be read");
    let again = again.outcome().expect("it says what became of a message");
    assert_eq!(format!("{again:?}"), format!("{outcome:?}"), "an outcome");
}

fn means(status: u16, wait: Option<Duration>, document: &[u8]) {
    let mark = Applied { revision: Some(3), ..Applied::default() };
    for (to_inbox, is_marked) in [(false, false), (false, true), (true, false), (true, true)] {
        let answer = Answer {
            status,
            retry_after: wait,
            mark: is_marked.then(|| mark.clone()),
            is_itemised: false,
            body: document.to_vec(),
        };
        let words = answer.in_words();
        assert!(words.len() <= 3 * EXCERPT_BYTES + 16, "{} bytes are kept", words.len());
        let is_effect = (200..300).contains(&status) && (is_marked || !to_inbox);
        match said(&answer, to_inbox) {
            Said::Each(Outcome::Applied(applied)) => {
                assert!(is_effect, "{status} is taken for an acknowledgement");
                assert!(!to_inbox || applied == mark, "an acknowledgement of something else");
            }
            other => assert!(!is_effect, "{status} is an acknowledgement, and not {other:?}"),
        }
    }
}
