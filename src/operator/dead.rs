//! Dead letters: messages that wait for a person, each holding back only its own key.

use super::Operator;
use crate::error::{Error, ErrorKind, Result};
use crate::id::{MessageId, Seq};
use crate::message::{Message, Parts, fingerprint};
use crate::store::dead::{self, DeadRow, Replacement};
use crate::store::log::{Content, Reader};
use crate::store::{log, subscription};
use rusqlite::Transaction;

/// Dead letters that are redriven in one transaction: whoever enqueues waits for it.
const SLICE: usize = 1_000;

/// A message that was given up, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct DeadLetter {
    /// Its place in the log.
    pub seq: Seq,
    /// The message.
    pub id: MessageId,
    /// Its topic; empty when the row cannot be read.
    pub topic: String,
    /// Its key, if it has one.
    pub key: Option<String>,
    /// How often it was sent.
    pub attempts: u32,
    /// How often the consumer refused it.
    pub failures: u32,
    /// How often an attempt got no answer, or took the process down.
    pub lost: u32,
    /// Why it is dead, in a word or two: `too many failures`, `refused by the handler`,
    /// `no answer`, `crash loop`, `malformed`, `expired`, or what the consumer refused it for.
    pub reason: String,
    /// What was said last.
    pub last_error: Option<String>,
    /// The latest failures, the oldest first; at most 16.
    pub history: Vec<HistoryEntry>,
    /// When it was enqueued, in milliseconds since 1970.
    pub created_at_ms: i64,
    /// When it died, in milliseconds since 1970.
    pub died_at_ms: i64,
}

/// One failure in a dead letter's history.
#[derive(Clone, Debug, PartialEq, Eq, serde::Deserialize)]
#[non_exhaustive]
pub struct HistoryEntry {
    /// When, in milliseconds since 1970.
    pub at_ms: i64,
    /// Which attempt.
    pub attempt: u32,
    /// What was said.
    pub error: String,
}

/// A message that was skipped, and whether the consumer knows.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Skip {
    /// Its place in the log.
    pub seq: Seq,
    /// The message.
    pub id: MessageId,
    /// Whether the consumer knows.
    pub state: SkipState,
}

/// What became of a skip.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum SkipState {
    /// The consumer has not confirmed that it was told: a copy under way may still be applied. With
    /// a transport that carries no statements it stays so.
    Unconfirmed,
    /// The consumer knows: no copy can be applied any more.
    Confirmed,
    /// An acknowledgement came after all: it was applied before the consumer knew.
    SkippedButApplied,
}

/// A dead letter that was replaced, and which revision took effect.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Replaced {
    /// Its place in the log.
    pub seq: Seq,
    /// The message.
    pub id: MessageId,
    /// The latest revision.
    pub revision: i64,
    /// The revision that was applied, once that is known: exactly one ever is.
    pub applied: Option<i64>,
}

/// The dead letters of one subscription.
///
/// ```
/// # fn mend(operator: &mut surehand::Operator) -> Result<(), surehand::Error> {
/// let mut letters = operator.dead_letters("billing")?;
/// for letter in letters.list(0, 100)? {
///     match letter.reason.as_str() {
///         // The handler was mended: once more, with failures counted from zero.
///         "too many failures" | "unhandled" => letters.redrive(&letter)?,
///         // Nobody wants it any more. Its key goes on.
///         "expired" => letters.skip(&letter)?,
///         _ => println!("{} {}: {:?}", letter.seq, letter.reason, letter.last_error),
///     }
/// }
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct DeadLetters<'a> {
    operator: &'a mut Operator,
    subscription: i64,
}

impl<'a> DeadLetters<'a> {
    pub(super) fn new(operator: &'a mut Operator, subscription: i64) -> Self {
        Self { operator, subscription }
    }

    /// Dead letters in order of their places, after this one, at most so many.
    ///
    /// # Errors
    ///
    /// When the database cannot be read.
    pub fn list(&self, after: Seq, limit: usize) -> Result<Vec<DeadLetter>> {
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        let rows = dead::list(&self.operator.connection, self.subscription, after, limit)?;
        Ok(rows.into_iter().map(letter).collect())
    }

    /// Delivers it again: failures count from zero, attempts go on.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::NotFound`] when it is not dead (any more).
    pub fn redrive(&mut self, letter: &DeadLetter) -> Result<()> {
        let (seq, id) = (letter.seq, letter.id);
        self.change(|transaction, subscription, now_ms| {
            found(dead::redrive(transaction, subscription, seq, id, now_ms)?, seq)
        })
    }

    /// Delivers again all that the filter picks; says how many. A thousand at a time, each in a
    /// short transaction of its own, and asks the filter outside of them.
    ///
    /// # Errors
    ///
    /// When the database fails; then those of earlier transactions are redriven.
    pub fn redrive_where(&mut self, pick: impl Fn(&DeadLetter) -> bool) -> Result<usize> {
        let (mut after, mut count) = (0, 0);
        loop {
            let letters = self.list(after, SLICE)?;
            let Some(last) = letters.last() else { return Ok(count) };
            after = last.seq;
            let picked: Vec<_> = letters.into_iter().filter(|letter| pick(letter)).collect();
            if !picked.is_empty() {
                count += self.redrive_all_of(&picked)?;
            }
        }
    }

    /// Those that are still dead.
    fn redrive_all_of(&mut self, letters: &[DeadLetter]) -> Result<usize> {
        self.change(|transaction, subscription, now_ms| {
            let mut count = 0;
            for DeadLetter { seq, id, .. } in letters {
                let redriven = dead::redrive(transaction, subscription, *seq, *id, now_ms)?;
                count += usize::from(redriven);
            }
            Ok(count)
        })
    }

    /// Delivers all of them again, as [`redrive_where`](Self::redrive_where); says how many.
    ///
    /// # Errors
    ///
    /// When the database fails; then those of earlier transactions are redriven.
    pub fn redrive_all(&mut self) -> Result<usize> {
        self.redrive_where(|_| true)
    }

    /// Settles it without an effect: what waits behind it goes on. A copy that is under way cannot
    /// be recalled before the consumer is told; see [`skips`](Self::skips).
    ///
    /// # Errors
    ///
    /// [`ErrorKind::NotFound`] when it is not dead (any more).
    pub fn skip(&mut self, letter: &DeadLetter) -> Result<()> {
        let (seq, id) = (letter.seq, letter.id);
        self.change(|transaction, subscription, now_ms| {
            found(dead::skip(transaction, subscription, seq, id, now_ms)?, seq)
        })
    }

    /// Gives up the dead letter and all that wait behind it for its key; says how many.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::NotFound`] when it is not dead (any more).
    pub fn drop_with_followers(&mut self, letter: &DeadLetter) -> Result<usize> {
        let (seq, id) = (letter.seq, letter.id);
        self.change(|transaction, subscription, now_ms| {
            let row = dead::find(transaction, subscription, seq, id)?;
            let key = row.and_then(|row| row.key_hash);
            found(dead::skip(transaction, subscription, seq, id, now_ms)?, seq)?;
            let Some(key) = key else { return Ok(1) };
            let followers = dead::bury_followers(transaction, subscription, key, seq, now_ms)?;
            for (seq, id) in &followers {
                found(dead::skip(transaction, subscription, *seq, *id, now_ms)?, *seq)?;
            }
            Ok(1 + followers.len())
        })
    }

    /// Puts new content in its place, as the next revision of the same message, and delivers that.
    /// Exactly one revision is ever applied; [`replaced`](Self::replaced) says which. Topic, key
    /// and id stay; of `message` only payload, content type and headers count. Returns the
    /// revision.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::NotFound`] when it is not dead (any more), [`ErrorKind::InvalidMessage`] over a
    /// limit, when the row itself cannot be read, or when it has expired: its time stays too, and
    /// new content would die of it at once.
    pub fn replace(&mut self, letter: &DeadLetter, message: Message) -> Result<i64> {
        let (seq, id) = (letter.seq, letter.id);
        let headers = message.headers_json();
        message.check(headers.as_deref())?;
        self.change(move |transaction, subscription, now_ms| {
            let parts = original(transaction, (seq, id), now_ms)?;
            let content_type = message.content_type;
            let parts = Parts { headers, content_type, payload: message.payload, ..parts };
            let content = Replacement {
                headers: parts.headers.as_deref(),
                content_type: parts.content_type.as_deref(),
                checksum: fingerprint(id, &parts),
                payload: &parts.payload,
            };
            found(dead::redrive(transaction, subscription, seq, id, now_ms)?, seq)?;
            dead::replace(transaction, subscription, (seq, id), &content, now_ms)
        })
    }

    /// What was skipped in the last week, or is still in the log, and whether the consumer knows.
    ///
    /// # Errors
    ///
    /// When the database cannot be read.
    pub fn skips(&self) -> Result<Vec<Skip>> {
        let rows = dead::skips(&self.operator.connection, self.subscription)?;
        let skip = |(seq, id, state, _): dead::SkipRow| {
            let state = match state.as_str() {
                "confirmed" => SkipState::Confirmed,
                "applied" => SkipState::SkippedButApplied,
                _ => SkipState::Unconfirmed,
            };
            Skip { seq, id, state }
        };
        Ok(rows.into_iter().map(skip).collect())
    }

    /// What was replaced in the last week, or is still in the log, and which revision was applied.
    ///
    /// # Errors
    ///
    /// When the database cannot be read.
    pub fn replaced(&self) -> Result<Vec<Replaced>> {
        let rows = dead::replacements(&self.operator.connection, self.subscription)?;
        let replaced = |(seq, id, revision, applied, _): dead::ReplacementRow| Replaced {
            seq,
            id,
            revision,
            applied,
        };
        Ok(rows.into_iter().map(replaced).collect())
    }

    /// One transaction that also begins a new epoch.
    fn change<T>(
        &mut self,
        work: impl FnOnce(&Transaction<'_>, i64, i64) -> Result<T>,
    ) -> Result<T> {
        let now_ms = self.operator.database.now().wall_ms;
        let nonce = i64::from_le_bytes(self.operator.database.random());
        let number = self.subscription;
        self.operator.write("change a dead letter", |transaction| {
            let value = work(transaction, number, now_ms)?;
            subscription::bump(transaction, number, nonce)?;
            Ok(value)
        })
    }
}

fn letter(row: DeadRow) -> DeadLetter {
    let history = row.history.and_then(|text| serde_json::from_str(&text).ok());
    DeadLetter {
        seq: row.seq,
        id: row.id,
        topic: row.topic.unwrap_or_default(),
        key: row.key,
        attempts: row.attempts,
        failures: row.failures,
        lost: row.lost,
        reason: row.reason.unwrap_or_default(),
        last_error: row.last_error,
        history: history.unwrap_or_default(),
        created_at_ms: row.created_at_ms.unwrap_or(0),
        died_at_ms: row.died_at_ms,
    }
}

fn found(changed: bool, seq: Seq) -> Result<()> {
    if changed {
        return Ok(());
    }
    Err(Error::new(
        ErrorKind::NotFound,
        format!("the message at place {seq} is not a dead letter (any more)"),
        "list the dead letters again",
    ))
}

fn irreplaceable(seq: Seq, problem: &str) -> Error {
    Error::new(
        ErrorKind::InvalidMessage,
        format!("the row at place {seq} cannot be replaced: {problem}"),
        "skip it, and enqueue a new message",
    )
}

/// The topic and key a replacement keeps.
fn original(
    transaction: &Transaction<'_>,
    (seq, id): (Seq, MessageId),
    now_ms: i64,
) -> Result<Parts> {
    let store = log::store(transaction)?.map(|store| Reader::new(store.id));
    let row = match store {
        // Subscription 0 has no replacements: this reads the row as it was enqueued.
        Some(mut reader) => reader.read_at(transaction, 0, seq)?,
        None => None,
    };
    match row {
        Some(row) if row.id == id => match row.content {
            Content::Whole(..) if row.expires_at_ms.is_some_and(|expires| expires < now_ms) => {
                Err(irreplaceable(seq, "it has expired"))
            }
            Content::Whole(_, parts) => Ok(parts),
            Content::Malformed(problem) => Err(irreplaceable(seq, &problem)),
            Content::Filtered => found(false, seq).map(|()| unreachable!("an error was returned")),
        },
        _ => found(false, seq).map(|()| unreachable!("an error was returned")),
    }
}
