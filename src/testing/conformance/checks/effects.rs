//! What is answered is so already.

use super::super::stage::{Checked, Stage, held, titled};
use crate::failure::Failure;

/// An answer that comes before the effect is a lost message when power goes in between.
pub(in super::super) fn before_answers(stage: &mut Stage) -> Checked {
    stage.greet()?;
    let mut refused = Vec::new();
    for _ in 0..4 {
        let envelopes: Vec<_> = (0..8).map(|_| stage.plain()).collect();
        stage.fails(&envelopes[3], || Failure::retry("not now"));
        refused.push(envelopes[3].id);
        // Held at the consumer, so that whoever does not wait for it is seen to be early.
        stage.consumer.gate().close();
        let handed = stage.deliver(&envelopes)?;
        stage.begun(&envelopes)?;
        stage.consumer.gate().open();
        for envelope in &envelopes {
            let answer = stage.answer(handed, envelope)?;
            held(answer.rests, || {
                format!("{} is applied before its effect is there", titled(answer.ticket))
            })?;
        }
    }
    let effects = stage.effects();
    held(refused.iter().all(|id| !effects.contains(id)), || {
        "a message that failed has an effect".into()
    })?;
    held(effects.len() == 4 * 7, || format!("28 messages had {} effects", effects.len()))
}
