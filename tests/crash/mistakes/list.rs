//! Each mistake, the scenarios in which it is made, and the promises that it breaks there.

use super::extra::*;
use super::operated::*;
use crate::futures;
use crate::scenarios::held::promise::*;
use surehand::testing::Mistake::{self, *};

/// A mistake, the scenarios in which it is made, and what may break of it.
pub(super) struct Made {
    pub(super) mistake: Mistake,
    pub(super) scenarios: &'static [&'static str],
    pub(super) breaks: &'static [&'static str],
}

const fn made(
    mistake: Mistake,
    scenarios: &'static [&'static str],
    breaks: &'static [&'static str],
) -> Made {
    Made { mistake, scenarios, breaks }
}

pub(super) const ALL: [Made; 34] = [
    made(MessageApart, &["take-over"], &[SALE_AND_MESSAGE]),
    made(KeyApart, &["enqueue"], &[SALE_AND_MESSAGE]),
    made(CommitErrorSwallowed, &["relay"], &[ONCE, STARTS]),
    made(GroupAnsweredEarly, &["handle"], &[futures::PROMISE]),
    made(RelayNormal, &["relay"], &[SOLD, STARTS]),
    made(OpeningNotDurable, &["relay", "take-over"], &[STARTS]),
    made(SettledWhenSent, &["relay", "keys"], &[ONCE, STARTS]),
    made(FailureSettled, &["keys"], &[ONCE]),
    made(OutageIsSuccess, &["outage"], &[ONCE, STARTS]),
    made(DroppedIsSuccess, &["async"], &[futures::PROMISE, STARTS]),
    made(LateRefusalCounts, &["keys"], &[LATE]),
    made(ExceptionsInMemory, &["keys", "dead-letter"], &[ONCE]),
    made(FailuresForgotten, &["poison"], &[POISON]),
    made(AttemptsForgotten, &["crash-loop"], &[CRASH_LOOP]),
    made(RetryOvertaken, &["keys"], &[ORDER]),
    made(RedriveOvertaken, &["dead-letter"], &[ORDER]),
    made(EpochUnchecked, &["paused"], &[PAUSED]),
    made(EpochKept, &["redriven"], &[REDRIVEN]),
    made(WakeUpLost, &["meanwhile"], &[ONCE]),
    made(ExceptionPruned, &["keys", "dead-letter"], &[ONCE]),
    made(StatementTooEarly, &["relay"], &[ONCE]),
    made(SkipUntold, &["skip"], &[SKIP_TOLD]),
    made(ProducerRestoreUnnoticed, &["producer-restored"], &[ONCE]),
    made(ConsumerRestoreUnnoticed, &["consumer-restored"], &[ONCE]),
    made(ConsumerNormal, &["counter"], &[ACKNOWLEDGED]),
    made(AnswerBeforeCommit, &["counter"], &[ACKNOWLEDGED]),
    made(NoMemory, &["relay"], &[ONCE]),
    made(MemoryBeforeEffect, &["relay"], &[PARCEL_AND_MEMORY, ONCE]),
    made(MemoryAfterEffect, &["relay"], &[PARCEL_AND_MEMORY, ONCE]),
    made(FailureRemembered, &["keys"], &[ONCE]),
    made(MemoryEndsWithEpoch, &["relay"], &[ONCE]),
    made(HorizonOffByOne, &["relay", "fan-out"], &[ONCE, STARTS]),
    made(EscapeUnnoticed, &["escape"], &[ONCE, ORDER]),
    made(ChecksumUnchecked, &["altered"], &[ALTERED]),
];

/// Made where the hazards are shown, and in the upgrade to a schema to come.
pub(super) const MADE_ELSEWHERE: [Mistake; 4] =
    [WalUnread, FoundUnsynced, NothingSynced, SchemaToCome];
