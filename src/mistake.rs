//! Mistakes that systems like this one have made, to be made again on purpose: a test that catches
//! none of them proves nothing. In a build without the feature `testing` there are none.

#[cfg(feature = "testing")]
use std::cell::Cell;

/// Whether this thread is to make a mistake here, or one of several; what it then does; or what is
/// wrong, and what is right.
#[cfg(feature = "testing")]
macro_rules! mistake {
    ($name:ident ? $wrong:expr, else $right:expr) => {
        if mistake!($name) { $wrong } else { $right }
    };
    ($($name:ident)|+) => {
        $($crate::mistake::is_made($crate::mistake::Mistake::$name))||+
    };
    ($($name:ident)|+: $($instead:tt)*) => {
        if mistake!($($name)|+) {
            $($instead)*;
        }
    };
}

/// Nobody makes it.
#[cfg(not(feature = "testing"))]
macro_rules! mistake {
    ($name:ident ? $wrong:expr, else $right:expr) => {
        $right
    };
    ($($name:ident)|+) => {
        false
    };
    ($($name:ident)|+: $($instead:tt)*) => {};
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
    /// What could not be reached counts as delivered.
    OutageIsSuccess,
    /// What was dropped before it answered counts as delivered.
    DroppedIsSuccess,
    /// A refusal of an earlier attempt counts for the one under way.
    LateRefusalCounts,
    /// Messages that failed are remembered in memory alone.
    ExceptionsInMemory,
    /// Failures are counted from zero after every start.
    FailuresForgotten,
    /// Attempts are counted from zero after every start.
    AttemptsForgotten,
    /// A retry does not hold back the later messages of its key.
    RetryOvertaken,
    /// A redriven message does not hold back the later messages of its key.
    RedriveOvertaken,
    /// The epoch is not checked in the transaction that sends.
    EpochUnchecked,
    /// What a person changes begins no new epoch.
    EpochKept,
    /// Another connection's commit is not noticed.
    WakeUpLost,
    /// The log is emptied of messages that failed.
    ExceptionPruned,
    /// What the consumer is told to be settled was only sent.
    StatementTooEarly,
    /// The consumer is not told of a skipped message.
    SkipUntold,
    /// A producer that went back in time is served as if nothing was.
    ProducerRestoreUnnoticed,
    /// A consumer that went back in time is served as if nothing was.
    ConsumerRestoreUnnoticed,
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
    /// A hazard: the switch to WAL is not stepped to its end, nor asked about after a write.
    WalUnread,
    /// A hazard: what an opening finds in the WAL is not written into the file.
    FoundUnsynced,
    /// A hazard: neither what is found is synced, nor anything that is written.
    NothingSynced,
    /// None at all: the schema is one version ahead.
    SchemaToCome,
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
