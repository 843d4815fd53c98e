//! What a handler says against a message.

use super::super::board::Handed;
use super::super::consumer::Plan;
use super::super::stage::{Checked, Not, Stage, held, skipped};
use crate::failure::Failure;
use crate::message::Envelope;
use std::slice;
use std::time::Duration;

const TEXT: &str = "no \"stock\" of gr\u{fc}n \u{1f980}: try in 90s";
const DELAY: Duration = Duration::from_millis(90_500);

/// Delivers five messages, of which the one in the middle does not succeed.
fn five(stage: &Stage, plan: Plan) -> Result<(Handed, Vec<Envelope>), Not> {
    stage.greet()?;
    let envelopes: Vec<_> = (0..5).map(|_| stage.plain()).collect();
    stage.consumer.plan(envelopes[2].id, plan);
    let handed = stage.deliver(&envelopes)?;
    Ok((handed, envelopes))
}

fn said(failure: &Failure, text: &str) -> Checked {
    held(failure.text().contains(text), || format!("{text:?} came back as {:?}", failure.text()))
}

fn for_good(failure: &Failure, is_permanent: bool) -> Checked {
    let came = failure.is_permanent();
    held(came == is_permanent, || {
        let words = |permanent| if permanent { "for good" } else { "for now" };
        format!("a failure {} came back as one {}", words(is_permanent), words(came))
    })
}

pub(in super::super) fn retried(stage: &mut Stage) -> Checked {
    let failure = || Failure::retry(TEXT).after(DELAY);
    let (handed, envelopes) = five(stage, Plan::Fails(failure))?;
    let failure = stage.failed(handed, &envelopes[2])?;
    said(&failure, TEXT)?;
    for_good(&failure, false)?;
    let delay = failure.delay();
    held(delay == Some(DELAY), || format!("the delay of {DELAY:?} came back as {delay:?}"))
}

pub(in super::super) fn permanent(stage: &mut Stage) -> Checked {
    let (handed, envelopes) = five(stage, Plan::Fails(|| Failure::permanent(TEXT)))?;
    let failure = stage.failed(handed, &envelopes[2])?;
    said(&failure, TEXT)?;
    for_good(&failure, true)?;
    held(failure.delay().is_none(), || "a delay came back that nobody asked for".into())
}

/// By the panic's own text, for now, and the consumer goes on.
pub(in super::super) fn panic(stage: &mut Stage) -> Checked {
    let (handed, envelopes) = five(stage, Plan::Panics("out of its depth"))?;
    let failure = stage.failed(handed, &envelopes[2])?;
    said(&failure, "out of its depth")?;
    for_good(&failure, false)?;
    let more = [stage.plain()];
    let handed = stage.deliver(&more)?;
    stage.applied(handed, &more)
}

/// Neighbours take effect, and what failed leaves nothing behind.
pub(in super::super) fn alone(stage: &mut Stage) -> Checked {
    let (handed, mut envelopes) = five(stage, Plan::Fails(|| Failure::permanent(TEXT)))?;
    let failed = envelopes.remove(2);
    stage.failed(handed, &failed)?;
    stage.applied(handed, &envelopes)?;
    let effects = stage.effects();
    let others = envelopes.iter().filter(|envelope| effects.contains(&envelope.id)).count();
    held(others == 4, || format!("of four neighbours of a failure {others} had an effect"))?;
    held(!effects.contains(&failed.id), || "what failed had an effect".into())
}

/// What was prepared reaches its own handler, and a failure to prepare counts as the message's.
pub(in super::super) fn prepared(stage: &mut Stage) -> Checked {
    if !(stage.prepares && stage.ends_in_inbox()) {
        return skipped("nothing is prepared");
    }
    let (handed, mut envelopes) = five(stage, Plan::IsNotPrepared(|| Failure::permanent(TEXT)))?;
    let failed = envelopes.remove(2);
    let failure = stage.failed(handed, &failed)?;
    said(&failure, TEXT)?;
    for_good(&failure, true)?;
    stage.applied(handed, &envelopes)?;
    let panics = stage.plain();
    stage.consumer.plan(panics.id, Plan::IsNotPrepared(|| panic!("unprepared for this")));
    let handed = stage.deliver(slice::from_ref(&panics))?;
    let failure = stage.failed(handed, &panics)?;
    said(&failure, "unprepared for this")?;
    for_good(&failure, false)?;
    let effects = stage.effects();
    let has_effect = effects.contains(&failed.id) || effects.contains(&panics.id);
    held(!has_effect, || "what was not prepared had an effect".into())
}
