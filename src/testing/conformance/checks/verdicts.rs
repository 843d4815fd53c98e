//! What only an inbox says.

use super::super::board::{Handed, What};
use super::super::stage::{Checked, NOBODYS, Stage, broken, held, word};
use crate::handoff::{Hello, Outcome, Welcome};
use crate::id::Incarnation;
use crate::message::{Envelope, Message, fingerprint};
use crate::watermark::Ranges;
use std::slice;

/// Conflict, unhandled, blocked, corrupt, superseded: each leads to something else at the relay.
pub(in super::super) fn comes_back(stage: &mut Stage) -> Checked {
    stage.home()?;
    stage.greet()?;
    let first = Envelope { revision: 1, ..stage.plain() };
    let handed = stage.deliver(slice::from_ref(&first))?;
    stage.applied(handed, slice::from_ref(&first))?;

    let mut conflict = Envelope { attempt: 2, ..first.clone() };
    conflict.parts.payload = b"other".to_vec();
    conflict.fingerprint = fingerprint(conflict.id, &conflict.parts);
    let unhandled = stage.desk.envelope(Message::new(NOBODYS));
    let blocked = stage.keyed("a", 1_000);
    let mut corrupt = stage.plain();
    corrupt.parts.payload = b"other".to_vec();
    for (envelope, expected) in [
        (conflict, "refused: conflict"),
        (unhandled, "refused: unhandled"),
        (blocked, "blocked"),
        (corrupt, "failed: the content does not match its checksum"),
    ] {
        let handed = stage.deliver(slice::from_ref(&envelope))?;
        let came = word(&stage.answer(handed, &envelope)?.outcome);
        held(came == expected, || format!("{expected:?} came back as {came:?}"))?;
    }
    let older = Envelope { revision: 0, attempt: 3, ..first };
    let handed = stage.deliver(slice::from_ref(&older))?;
    match &*stage.answer(handed, &older)?.outcome {
        Outcome::Applied(applied) => held(applied.revision == Some(1), || {
            format!("revision 1 is applied, and came back as {:?}", applied.revision)
        }),
        other => broken(format!("a superseded message came back as {}", word(other))),
    }
}

/// Waits for something that is said of a request as a whole, and not one message of it answered.
fn said(stage: &Stage, handed: Handed, is_it: fn(&What) -> bool, what: &str) -> Checked {
    let heard = stage.board.wait(|seen| {
        let ends = |what: &&What| !matches!(what, What::Confirmed);
        let it = seen.about(handed).find(|what| is_it(what));
        it.or_else(|| seen.about(handed).find(ends)).cloned()
    });
    match heard {
        Some(heard) if is_it(&heard) => Ok(()),
        Some(heard) => broken(format!("it is not {what}: {heard}")),
        None => broken(format!("it is not {what}: nothing came back")),
    }
}

/// An earlier incarnation is refused, and what it still sends has no effect.
pub(in super::super) fn fenced(stage: &mut Stage) -> Checked {
    stage.home()?;
    stage.greet()?;
    let hello = stage.desk.greeting();
    let Incarnation { epoch, nonce } = hello.incarnation;
    for other in [
        Incarnation { epoch: epoch - 1, nonce },
        Incarnation { epoch, nonce: nonce.wrapping_add(1) },
    ] {
        let welcome = stage.welcome(Hello { incarnation: other, ..hello })?;
        let refused = welcome == Welcome::Refused { registered: hello.incarnation };
        held(refused, || format!("a hello of {other:?} was answered with {welcome:?}"))?;
        let envelopes = vec![stage.plain()];
        let handed = stage.desk.deliver_as(other, Ranges::new(), envelopes)?;
        said(stage, handed, |what| matches!(what, What::Fenced), "fenced")?;
    }
    held(stage.effects().is_empty(), || "what was fenced had an effect".into())?;
    let envelopes = [stage.plain()];
    let handed = stage.deliver(&envelopes)?;
    stage.applied(handed, &envelopes)
}

/// Another message at a place that is taken: the relay must hear that, and stop.
pub(in super::super) fn rewound(stage: &mut Stage) -> Checked {
    stage.home()?;
    stage.greet()?;
    let first = stage.plain();
    let handed = stage.deliver(slice::from_ref(&first))?;
    stage.applied(handed, slice::from_ref(&first))?;
    let other = Envelope { seq: first.seq, ..stage.plain() };
    let handed = stage.deliver(&[other])?;
    said(stage, handed, |what| matches!(what, What::Rewound), "rewound")?;
    match stage.welcome(stage.desk.greeting())? {
        Welcome::Registered { high, settled_to: 0 } if high == first.seq => Ok(()),
        other => broken(format!("one message is applied, and a hello is answered with {other:?}")),
    }
}
