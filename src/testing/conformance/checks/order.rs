//! In which order messages come out.

use super::super::board::Call;
use super::super::stage::{Checked, Not, Stage, broken, held, word};
use crate::failure::Failure;
use crate::handoff::Outcome;
use crate::id::MessageId;
use crate::message::Envelope;
use std::slice;

const KEYS: [&str; 3] = ["a", "b", "c"];

/// Within a request and over several of them nothing overtakes an earlier message of its key.
pub(in super::super) fn in_order(stage: &mut Stage) -> Checked {
    stage.greet()?;
    let mut after = [0; KEYS.len()];
    let mut next = |at: usize| {
        let envelope = stage.keyed(KEYS[at], after[at]);
        after[at] = envelope.seq;
        envelope
    };
    let first: Vec<_> = (0..24).map(|number| next(number % 3)).collect();
    let second: Vec<_> = (0..6).map(|number| next(number % 3)).collect();
    let handed = stage.deliver(&first)?;
    stage.applied(handed, &first)?;
    of_each_key(stage, &first)?;
    one_by_one(stage, &second)?;
    of_each_key(stage, &[first, second].concat())
}

/// Within a request as they stand in it, whatever their keys: what a transport into an inbox
/// promises that does not take requests apart.
pub(in super::super) fn as_requested(stage: &mut Stage) -> Checked {
    stage.greet()?;
    if !stage.ends_in_inbox() {
        return Err(Not::Skipped("no inbox at its end".into()));
    }
    let mut after = [0; KEYS.len()];
    let mut sent = Vec::new();
    for number in 0..24 {
        let envelope = stage.keyed(KEYS[number % 3], after[number % 3]);
        after[number % 3] = envelope.seq;
        sent.push(envelope);
    }
    let handed = stage.deliver(&sent)?;
    stage.applied(handed, &sent)?;
    let sent: Vec<MessageId> = sent.iter().map(|envelope| envelope.id).collect();
    held(stage.effects() == sent, || "the effects of a request are in another order".into())
}

/// Messages that are each in a request of their own. One that comes too early is blocked, and sent
/// again by a relay.
fn one_by_one(stage: &Stage, envelopes: &[Envelope]) -> Checked {
    let mut under_way = Vec::new();
    for envelope in envelopes {
        let handed = stage.deliver(slice::from_ref(envelope))?;
        if !stage.remembers()? {
            stage.applied(handed, slice::from_ref(envelope))?;
        }
        under_way.push((handed, envelope.clone()));
    }
    for (handed, envelope) in under_way {
        let answer = stage.answer(handed, &envelope)?;
        match &*answer.outcome {
            Outcome::Applied(_) => {}
            Outcome::Blocked => {
                let again = Envelope { attempt: 2, ..envelope };
                let handed = stage.deliver(slice::from_ref(&again))?;
                stage.applied(handed, &[again])?;
            }
            other => return broken(format!("a message of a key came back as {}", word(other))),
        }
    }
    Ok(())
}

/// The consumer saw each key in order, one message after the other.
fn of_each_key(stage: &Stage, sent: &[Envelope]) -> Checked {
    let calls: Vec<Call> = stage.board.look(|seen| seen.calls.clone());
    held(calls.iter().all(|call| call.beside == 0), || {
        "two messages of one key were at the consumer at the same time".into()
    })?;
    KEYS.iter().try_for_each(|key| {
        let sent = sent.iter().filter(|envelope| envelope.key() == Some(key));
        let sent: Vec<MessageId> = sent.map(|envelope| envelope.id).collect();
        let came = calls.iter().filter(|call| call.arrived.key.as_deref() == Some(key));
        let came: Vec<MessageId> = came.map(|call| call.arrived.id).collect();
        held(sent == came, || format!("the messages of key {key:?} came in another order"))
    })
}

/// What comes after a failed message of its key in the same request must not take effect.
pub(in super::super) fn behind_a_failure(stage: &mut Stage) -> Checked {
    stage.greet()?;
    let one = stage.keyed("a", 0);
    let (two, other) = (stage.keyed("a", one.seq), stage.keyed("b", 0));
    stage.fails(&one, || Failure::retry("not now"));
    let handed = stage.deliver(&[one.clone(), two.clone(), other.clone()])?;
    stage.failed(handed, &one)?;
    let answer = stage.answer(handed, &two)?;
    let is_blocked = matches!(*answer.outcome, Outcome::Blocked);
    held(is_blocked, || format!("behind a failure, one is {}", word(&answer.outcome)))?;
    stage.applied(handed, &[other])?;
    stage.consumer.forgive(one.id);
    let again = [one, two].map(|envelope| Envelope { attempt: 2, ..envelope });
    let handed = stage.deliver(&again)?;
    stage.applied(handed, &again).map_err(|not| match not {
        Not::Broken(why) => Not::Broken(format!("when the failure is over, {why}")),
        skipped @ Not::Skipped(_) => skipped,
    })
}
