//! Mistakes that systems like this one have made, to be made again on purpose: a test that catches
//! none of them proves nothing. In a build without the feature `testing` there are none.

#[cfg(feature = "testing")]
use std::cell::Cell;

/// Whether this thread is to make a mistake here; or what it then does.
#[cfg(feature = "testing")]
macro_rules! mistake {
    ($name:ident) => {
        $crate::mistake::is_made($crate::mistake::Mistake::$name)
    };
    ($name:ident: $($instead:tt)*) => {
        if mistake!($name) {
            $($instead)*;
        }
    };
}

/// Nobody makes it.
#[cfg(not(feature = "testing"))]
macro_rules! mistake {
    ($name:ident) => {
        false
    };
    ($name:ident: $($instead:tt)*) => {};
}

/// A mistake, and what it breaks.
#[cfg(feature = "testing")]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Mistake {
    /// The business row is committed before its message is written.
    MessageApart,
    /// An idempotency key is looked up and remembered in two transactions.
    KeyApart,
    /// A failed commit is taken for a good one, as a write with RETURNING in autocommit does it.
    CommitErrorSwallowed,
    /// Callers of the async handle are answered before their group is committed.
    GroupAnsweredEarly,
    /// The relay commits at `synchronous=NORMAL`: what it sends may be undone.
    RelayNormal,
    /// An opening is not durable: its epoch may be given twice.
    OpeningNotDurable,
    /// A message is settled when it is sent.
    SettledWhenSent,
    /// A failed message is settled.
    FailureSettled,
    /// A request that nobody answered counts as delivered.
    SilenceIsSuccess,
    /// A refusal of an earlier attempt counts for the one under way.
    LateRefusalCounts,
    /// Messages that failed are remembered in memory alone.
    ExceptionsInMemory,
    /// Attempts are counted from zero after every start.
    AttemptsForgotten,
    /// A retry does not hold back the later messages of its key.
    RetryOvertaken,
    /// A redriven message does not hold back the later messages of its key.
    RedriveOvertaken,
    /// The epoch is not checked in the transaction that sends.
    EpochUnchecked,
    /// Another connection's commit is not noticed.
    WakeUpLost,
    /// The log is emptied of messages that failed.
    ExceptionPruned,
    /// What the consumer is told to be settled was only sent.
    StatementTooEarly,
    /// A skipped message is forgotten before the consumer was told.
    SkipForgotten,
    /// A store that went back in time is served as if nothing was.
    RestoreUnnoticed,
    /// The consumer commits at `synchronous=NORMAL`.
    ConsumerNormal,
    /// The consumer answers before it commits.
    AnswerBeforeCommit,
    /// The consumer remembers nothing.
    NoMemory,
    /// The message is remembered in a transaction before that of its effect.
    MemoryBeforeEffect,
    /// The message is remembered in a transaction after that of its effect.
    MemoryAfterEffect,
    /// A message whose handler failed is remembered.
    FailureRemembered,
    /// The memory of a source ends with its epoch.
    MemoryEndsWithEpoch,
    /// One place more is taken for settled than was told.
    HorizonOffByOne,
    /// A handler that ended its transaction is not noticed.
    EscapeUnnoticed,
    /// A message is not checked against its checksum.
    ChecksumUnchecked,
}

#[cfg(feature = "testing")]
thread_local! {
    static MADE: Cell<Option<Mistake>> = const { Cell::new(None) };
}

#[cfg(feature = "testing")]
pub(crate) fn is_made(mistake: Mistake) -> bool {
    MADE.get() == Some(mistake)
}

/// From now on this thread makes this mistake, or none; says which it made before.
#[cfg(feature = "testing")]
pub(crate) fn make(mistake: Option<Mistake>) -> Option<Mistake> {
    MADE.replace(mistake)
}
