//! The shell of `inbox::process` around the real `admit`: what a request does to the file.

use super::consumer::{Consumer, Effect};
use super::network::{Sent, Verdict, content_of};
use super::scope::{Number, Scope, id_of};
use crate::id::Incarnation;
use crate::inbox::{Admission, Claim, Memory, Seen, admit};
use crate::watermark::Ranges;
use std::collections::BTreeSet;

/// A request, as far as it has come.
#[derive(Clone, Debug)]
pub(super) struct Work<'a> {
    pub(super) incarnation: Incarnation,
    pub(super) statement: &'a Ranges,
    pub(super) sent: &'a [Sent],
    pub(super) next: usize,
    pub(super) failed_keys: BTreeSet<&'static str>,
    pub(super) verdicts: Vec<(Sent, Verdict)>,
    /// How many more handlers may fail.
    pub(super) failures: u8,
}

/// How a transaction ended.
#[derive(Debug)]
#[allow(clippy::large_enum_variant)] // Nearly all are the large one, and none lives for long.
pub(super) enum Ended<'a> {
    Fenced,
    Rewound,
    /// To be committed, when it wrote anything.
    Done {
        image: Consumer,
        wrote: bool,
        work: Work<'a>,
    },
}

/// One transaction, as often as its handlers can end differently: merge, decide about each message,
/// run handlers.
pub(super) fn transaction<'a>(scope: &Scope, before: &Consumer, work: Work<'a>) -> Vec<Ended<'a>> {
    if scope.rules.check_incarnation && before.registered != Some(work.incarnation) {
        return vec![Ended::Fenced];
    }
    let mut image = before.clone();
    let wrote = image.merge(work.statement, &scope.rules);
    let last = work.sent.len().min(work.next + scope.inbox_batch);
    let first = work.next;
    let mut ways = vec![(image, work)];
    for _ in first..last {
        for (image, work) in std::mem::take(&mut ways) {
            if !one(scope, image, work, &mut ways) {
                return vec![Ended::Rewound];
            }
        }
    }
    let done = |(mut image, work): (Consumer, Work<'a>)| {
        let counted = scope.rules.count_all && !work.sent.is_empty();
        let wrote = wrote || counted || image.effects != before.effects;
        if wrote {
            image.high = image.high.max(image.settled.last());
        }
        Ended::Done { image, wrote, work }
    };
    ways.into_iter().map(done).collect()
}

/// Decides about the next message; false when the producer's store went back in time.
fn one<'a>(
    scope: &Scope,
    mut image: Consumer,
    work: Work<'a>,
    ways: &mut Vec<(Consumer, Work<'a>)>,
) -> bool {
    let sent = work.sent[work.next];
    let id = id_of(sent.number);
    let key = scope.key(sent.number);
    let failed = key.is_some_and(|key| work.failed_keys.contains(key));
    let claim = Claim {
        seq: sent.seq,
        id,
        revision: sent.revision,
        fingerprint: content_of(id, sent.revision),
        after: if scope.rules.after { sent.after } else { 0 },
        key_failed: failed && scope.rules.key_failed,
    };
    let Ok(admission) = admit(&mut image, &claim);
    let verdict = match admission {
        Admission::New => {
            if work.failures > 0 {
                let mut other = work.clone();
                other.failures -= 1;
                ways.push((image.clone(), answered(other, sent, Verdict::Failed, key)));
            }
            apply(&mut image, &claim, sent.number);
            Verdict::Applied(Some(sent.revision))
        }
        Admission::Duplicate(None) => Verdict::Applied(None),
        Admission::Duplicate(Some(seen)) | Admission::Superseded(seen) => {
            if seen.seq != sent.seq {
                image.seen.insert(sent.seq, Seen { seq: sent.seq, ..seen });
            }
            Verdict::Applied(Some(seen.revision))
        }
        Admission::Conflict(_) => Verdict::Refused,
        Admission::Blocked => Verdict::Blocked,
        Admission::Rewound(_) if scope.rules.notice_rewound => return false,
        Admission::Rewound(_) => Verdict::Applied(None),
    };
    if matches!(verdict, Verdict::Applied(_)) {
        image.high = image.high.max(sent.seq);
    }
    ways.push((image, answered(work, sent, verdict, key)));
    true
}

fn apply(image: &mut Consumer, claim: &Claim, number: Number) {
    let Claim { seq, id, revision, fingerprint, .. } = *claim;
    let seen = Seen { seq, id, revision, fingerprint };
    debug_assert!(!image.is_settled(seq));
    image.seen.insert(seq, seen);
    image.effects.push(Effect { number, seq, revision });
}

fn answered<'a>(
    mut work: Work<'a>,
    sent: Sent,
    verdict: Verdict,
    key: Option<&'static str>,
) -> Work<'a> {
    if !matches!(verdict, Verdict::Applied(_)) {
        work.failed_keys.extend(key);
    }
    work.verdicts.push((sent, verdict));
    work.next += 1;
    work
}
