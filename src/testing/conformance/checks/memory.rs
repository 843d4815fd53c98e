//! What the other end remembers, and what the transport says of that.

use super::super::stage::{Checked, NOBODYS, Stage, broken, held, skipped, topics, word};
use crate::failure::Failure;
use crate::handoff::{Applied, Outcome, Welcome};
use crate::inbox::{Inbox, SourceStats};
use crate::message::Envelope;
use crate::topics::Topics;
use crate::watermark::Ranges;
use std::slice;

/// Who subscribes to too little never gets the rest; who subscribes to too much, dead letters.
pub(in super::super) fn topics_are_right(stage: &mut Stage) -> Checked {
    let said = Topics::new(stage.desk.call("topics", |transport| transport.topics())?);
    if let Some(missed) = topics().iter().find(|topic| !said.contains(topic)) {
        return broken(format!("the consumer takes {missed:?}, and topics() does not say so"));
    }
    let takes_all = said.contains(NOBODYS);
    held(!stage.ends_in_inbox() || !takes_all, || {
        format!("topics() says {NOBODYS:?}, which has no handler")
    })
}

/// A relay that is told of a memory sends more at once, and trusts in it.
pub(in super::super) fn is_honest(stage: &mut Stage) -> Checked {
    let welcome = stage.welcome(stage.desk.greeting())?;
    let is_registered = matches!(welcome, Welcome::Registered { .. });
    if !stage.remembers()? {
        held(!stage.ends_in_inbox(), || "it ends in an inbox, and does not say so".into())?;
        return held(!is_registered, || {
            "it says that nobody remembers, and was registered all the same".into()
        });
    }
    held(is_registered, || format!("it says that its end remembers, which answers {welcome:?}"))?;
    let first = stage.plain();
    for envelope in [first.clone(), Envelope { attempt: 2, ..first }] {
        let handed = stage.deliver(slice::from_ref(&envelope))?;
        stage.applied(handed, &[envelope])?;
    }
    let effects = stage.effects().len();
    held(effects == 1, || {
        format!("it says that its end remembers, and one id had {effects} effects")
    })
}

/// The second copy of a message is answered by the first one's effect, with its reply.
pub(in super::super) fn duplicates(stage: &mut Stage) -> Checked {
    stage.greet()?;
    if !stage.remembers()? {
        return skipped("nobody remembers");
    }
    let first = stage.plain();
    stage.fails(&first, || Failure::retry("not now"));
    let copies = [1, 2, 3, 4].map(|attempt| Envelope { attempt, ..first.clone() });
    let handed = stage.deliver(&copies[..1])?;
    stage.failed(handed, &first)?;
    stage.consumer.forgive(first.id);
    let mut replies = Vec::new();
    for copy in &copies[1..] {
        let handed = stage.deliver(slice::from_ref(copy))?;
        let answer = stage.answer(handed, copy)?;
        let Outcome::Applied(Applied { duplicate, reply, .. }) = &*answer.outcome else {
            return broken(format!("a copy came back as {}", word(&answer.outcome)));
        };
        let is_first = copy.attempt == 2;
        held(is_first != *duplicate, || {
            format!("copy {} came as duplicate: {duplicate}", copy.attempt)
        })?;
        replies.push(reply.clone());
    }
    let effects = stage.effects().len();
    held(effects == 1, || format!("four copies of a message had {effects} effects"))?;
    if stage.ends_in_inbox() {
        let reply = serde_json::to_vec(&format!("{} took effect", first.id)).ok();
        held(replies.iter().all(|came| *came == reply), || "a reply did not come back".into())?;
    }
    Ok(())
}

/// Alone and with messages; what is settled is forgotten one by one, and is a duplicate for ever.
pub(in super::super) fn statements(stage: &mut Stage) -> Checked {
    stage.home()?;
    stage.greet()?;
    let mut envelopes: Vec<_> = (0..4).map(|_| stage.plain()).collect();
    let handed = stage.deliver(&envelopes)?;
    stage.applied(handed, &envelopes)?;
    remembered(stage, 4, 0)?;
    stage.state(Ranges::from_ranges([(1, 1), (3, 3)]))?;
    remembered(stage, 2, 2)?;
    let next = [stage.plain()];
    let handed = stage.desk.deliver_stating(Ranges::through(4), next.to_vec())?;
    stage.applied(handed, &next)?;
    stage.confirmed(handed)?;
    remembered(stage, 1, 1)?;
    for envelope in &mut envelopes {
        envelope.attempt += 1;
    }
    let handed = stage.deliver(&envelopes)?;
    stage.applied(handed, &envelopes)?;
    let effects = stage.effects().len();
    held(effects == 5, || format!("five messages had {effects} effects"))
}

/// What the inbox itself says that it remembers.
fn remembered(stage: &Stage, ids: i64, ranges: i64) -> Checked {
    let stats = Inbox::open(stage.home()?.database()).and_then(|mut inbox| inbox.stats());
    let sources: Vec<SourceStats> = stats.map_err(|error| error.to_string())?;
    let [source] = &sources[..] else {
        return broken(format!("the inbox knows {} sources instead of one", sources.len()));
    };
    let hello = stage.desk.greeting();
    let is_it = source.store == hello.store && source.subscription == hello.subscription;
    held(is_it, || "the inbox knows another source than this one".into())?;
    let found = (source.remembered, source.ranges);
    held(found == (ids, ranges), || {
        format!("{} ids and {} ranges are remembered, not {ids} and {ranges}", found.0, found.1)
    })
}
