//! When something goes away, nobody waits for it for ever, and nobody makes up an answer.

use super::super::board::{Answered, Handed, What};
use super::super::stage::{Checked, Stage, broken, held, skipped, titled, word};
use crate::handoff::Outcome;
use crate::message::Envelope;

/// Nothing is under way.
pub(in super::super) fn idle(stage: &mut Stage) -> Checked {
    Ok(stage.desk.let_go()()?)
}

/// Waits until every message is answered or the settler is let go of.
fn decided(stage: &Stage, handed: Handed, envelopes: &[Envelope]) -> Checked {
    let decided = stage.board.wait(|seen| {
        let is_answered = |envelope: &Envelope| {
            seen.answers(handed).any(|answer| answer.ticket == envelope.ticket())
        };
        (seen.is_gone(handed) || envelopes.iter().all(is_answered)).then_some(())
    });
    match decided {
        Some(()) => Ok(()),
        None => broken("a settler is kept, and does not answer: nobody will ever know"),
    }
}

fn answers(stage: &Stage, handed: Handed) -> Vec<Answered> {
    stage.board.look(|seen| seen.answers(handed).cloned().collect())
}

/// Whatever was answered is true.
fn are_true(stage: &Stage, handed: Handed) -> Checked {
    answers(stage, handed).iter().try_for_each(|answer| {
        held(answer.rests, || format!("{} is applied, and has no effect", titled(answer.ticket)))?;
        let is_blamed = matches!(*answer.outcome, Outcome::Failed(_) | Outcome::Refused { .. });
        held(!is_blamed, || {
            format!("{} is blamed: {}", titled(answer.ticket), word(&answer.outcome))
        })
    })
}

/// The consumer's database is taken away under it.
pub(in super::super) fn consumer(stage: &mut Stage) -> Checked {
    stage.greet()?;
    let envelopes = [stage.plain()];
    let handed = stage.deliver(&envelopes)?;
    stage.applied(handed, &envelopes)?;
    if stage.home()?.take_away().is_err() {
        return skipped("the system does not let an open file go");
    }
    let envelopes = [stage.plain(), stage.plain()];
    let handed = stage.deliver(&envelopes)?;
    stage.gone(handed, "a settler that nobody can answer by")?;
    let came = answers(stage, handed);
    let is_known = |answer: &&Answered| !matches!(*answer.outcome, Outcome::Unknown);
    if let Some(answer) = came.iter().find(is_known) {
        let (title, word) = (titled(answer.ticket), word(&answer.outcome));
        return broken(format!("nobody is there, and {title} is {word}"));
    }
    let greeted = stage.desk.greet(stage.desk.greeting())?;
    stage.gone(greeted, "a greeter that nobody can answer by")?;
    let is_welcome = |what: &What| matches!(what, What::Welcome(_));
    let welcomed = stage.board.look(|seen| seen.about(greeted).any(is_welcome));
    held(!welcomed, || "nobody is there, and a hello is answered".into())
}

/// The runtime that the transport was made in ends while the consumer works.
pub(in super::super) fn runtime(stage: &mut Stage) -> Checked {
    stage.greet()?;
    stage.consumer.gate().close();
    let (one, two) = ([stage.plain(), stage.plain()], [stage.plain()]);
    let first = stage.deliver(&one)?;
    stage.begun(&one)?;
    let second = stage.deliver(&two)?;
    let patience = stage.board.patience();
    held(stage.background.end(patience), || "the runtime does not end: a task blocks it".into())?;
    stage.consumer.gate().open();
    let three = [stage.plain()];
    let third = stage.deliver(&three)?;
    for (handed, envelopes) in [(first, &one[..]), (second, &two[..]), (third, &three[..])] {
        decided(stage, handed, envelopes)?;
        are_true(stage, handed)?;
    }
    let greeted = stage.desk.greet(stage.desk.greeting())?;
    stage.gone(greeted, "a greeter")
}

/// A relay ends and drops its transports, whatever they are at.
pub(in super::super) fn dropped(stage: &mut Stage) -> Checked {
    stage.greet()?;
    stage.consumer.gate().close();
    let requests: Vec<Vec<Envelope>> = (0..4).map(|_| vec![stage.plain(), stage.plain()]).collect();
    let mut handed = Vec::new();
    for request in &requests {
        handed.push(stage.deliver(request)?);
    }
    stage.begun(&requests[0])?;
    let dropped = stage.desk.let_go();
    // It may wait for the handler that is at work, but for nothing else.
    stage.consumer.gate().open();
    dropped()?;
    for (handed, request) in handed.into_iter().zip(&requests) {
        decided(stage, handed, request)?;
        are_true(stage, handed)?;
    }
    Ok(())
}
