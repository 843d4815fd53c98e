//! Something comes back, and it is about what was asked.

use super::super::stage::{Checked, STRANGE, Stage, broken, held, titled, word};
use crate::failure::Failure;
use crate::handoff::Outcome;
use std::mem;

/// Without a welcome, nothing is ever delivered.
pub(in super::super) fn hello(stage: &mut Stage) -> Checked {
    stage.greet()?;
    // And again, as after a restart of the other end.
    stage.greet()
}

/// Every answer names its message and attempt, comes to the settler of its request, and does not
/// contradict another one.
pub(in super::super) fn tickets(stage: &mut Stage) -> Checked {
    stage.greet()?;
    let mut envelopes: Vec<_> = (0..6).map(|_| stage.plain()).collect();
    envelopes[4].attempt = 7;
    stage.fails(&envelopes[1], || Failure::retry("not now"));
    stage.fails(&envelopes[3], || Failure::permanent("not ever"));
    let first = stage.deliver(&envelopes[..4])?;
    let second = stage.deliver(&envelopes[4..])?;
    for (handed, envelopes) in [(first, &envelopes[..4]), (second, &envelopes[4..])] {
        for envelope in envelopes {
            stage.answer(handed, envelope)?;
        }
    }
    // Once something later is answered, second answers to these have come as well.
    let last = [stage.plain()];
    let third = stage.deliver(&last)?;
    stage.applied(third, &last)?;
    for handed in [first, second, third] {
        let foreign = stage.board.look(|seen| seen.foreign(handed));
        let why = |ticket| format!("an answer came for {}: {STRANGE}", titled(ticket));
        foreign.map_or(Ok(()), |ticket| broken(why(ticket)))?;
        stage.board.look(|seen| -> Checked {
            for one in seen.answers(handed) {
                let kind = mem::discriminant::<Outcome>(&one.outcome);
                let others = seen.answers(handed).filter(|other| other.ticket == one.ticket);
                for other in others {
                    let agree = mem::discriminant::<Outcome>(&other.outcome) == kind;
                    let (one, other) = (word(&one.outcome), word(&other.outcome));
                    held(agree, || format!("one message is {one}, and {other}"))?;
                }
            }
            Ok(())
        })?;
    }
    Ok(())
}
