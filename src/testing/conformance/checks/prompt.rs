//! Nobody waits for anybody: not the caller for the consumer, not one request for another.

use super::super::board::Handed;
use super::super::stage::{Checked, Stage, held, titled};
use crate::handoff::Outcome;
use crate::message::Envelope;
use std::slice;
use std::thread;

/// The relay's only thread makes these calls.
pub(in super::super) fn returns(stage: &mut Stage) -> Checked {
    stage.greet()?;
    stage.consumer.gate().close();
    let (one, two) = ([stage.plain()], [stage.plain()]);
    let first = stage.deliver(&one)?;
    stage.begun(&one)?;
    // Now the consumer is busy for as long as it takes.
    let second = stage.deliver(&two)?;
    stage.desk.greet(stage.desk.greeting())?;
    stage.remembers()?;
    stage.desk.call("topics", |transport| transport.topics())?;
    stage.consumer.gate().open();
    stage.applied(first, &one)?;
    stage.applied(second, &two)
}

/// A relay that got no answer in time sends again; the first answer may come after that.
pub(in super::super) fn late(stage: &mut Stage) -> Checked {
    stage.greet()?;
    stage.consumer.gate().close();
    let first = stage.plain();
    let again = Envelope { attempt: 2, ..first.clone() };
    let one = stage.deliver(slice::from_ref(&first))?;
    stage.begun(slice::from_ref(&first))?;
    let two = stage.deliver(slice::from_ref(&again))?;
    stage.consumer.gate().open();
    for (handed, envelope) in [(one, first), (two, again)] {
        let answer = stage.answer(handed, &envelope)?;
        stage.applied(handed, slice::from_ref(&envelope))?;
        held(answer.rests, || format!("{} was answered too early", titled(answer.ticket)))?;
    }
    if stage.remembers()? {
        let effects = stage.effects().len();
        held(effects == 1, || format!("two attempts at one message had {effects} effects"))?;
    }
    Ok(())
}

/// Requests that come from several threads while the consumer is busy.
pub(in super::super) fn many(stage: &mut Stage) -> Checked {
    const THREADS: usize = 4;
    const REQUESTS: usize = 16;
    const MESSAGES: usize = 8;
    stage.greet()?;
    stage.consumer.gate().close();
    let requests = |_| {
        let request = |_| (0..MESSAGES).map(|_| stage.plain()).collect::<Vec<_>>();
        (0..REQUESTS).map(request).collect::<Vec<_>>()
    };
    let shares: Vec<Vec<Vec<Envelope>>> = (0..THREADS).map(requests).collect();
    let all: Vec<(Handed, Vec<Envelope>)> = thread::scope(|threads| {
        let desk = &stage.desk;
        let deliver = |share: Vec<Vec<Envelope>>| {
            let one = move |request: Vec<Envelope>| Ok((desk.deliver(request.clone())?, request));
            threads.spawn(move || share.into_iter().map(one).collect::<Result<Vec<_>, String>>())
        };
        let started: Vec<_> = shares.into_iter().map(deliver).collect();
        let mut all = Vec::new();
        for thread in started {
            all.extend(thread.join().map_err(|_| "a thread that delivers panicked".to_owned())??);
        }
        Ok::<_, String>(all)
    })?;
    stage.consumer.gate().open();
    for (handed, envelopes) in &all {
        for envelope in envelopes {
            let answer = stage.answer(*handed, envelope)?;
            let is_first = matches!(&*answer.outcome, Outcome::Applied(one) if !one.duplicate);
            held(is_first, || format!("{} is not applied", titled(answer.ticket)))?;
        }
    }
    let (effects, messages) = (stage.effects().len(), THREADS * REQUESTS * MESSAGES);
    held(effects == messages, || format!("{messages} messages had {effects} effects"))
}
