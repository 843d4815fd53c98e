//! Messages from senders without positions: a web client, a broker, another program.
//!
//! Their ids are kept for a horizon. A message older than that is quarantined as stale, never run
//! again silently: nobody can know any more whether it was applied. The horizon is counted from the
//! newest message of the sender, so that a clock of ours that jumps forgets nothing.

use super::run::{self, ESCAPED, Ran, is_spoilt};
use super::{Inbox, Open};
use crate::clock::millis;
use crate::error::Result;
use crate::failure::Failure;
use crate::handoff::{Applied, Outcome};
use crate::id::{Fingerprint, MessageId};
use crate::message::{Envelope, Message, fingerprint};
use crate::store::inbox::{self as rows, SenderRow, Verdicts};
use crate::store::transaction;
use std::time::Duration;

/// A message of a sender without positions, with what it says of itself.
#[derive(Debug)]
pub(crate) struct Received {
    pub(crate) sender: String,
    /// How long ids of this sender are kept.
    pub(crate) horizon: Duration,
    pub(crate) id: MessageId,
    pub(crate) created_at_ms: i64,
    pub(crate) message: Message,
}

/// The decision about a message without a place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Verdict {
    New,
    Duplicate,
    Conflict,
    Stale,
}

/// Decides by the ids that are kept, and the floor below which none are.
fn admit(
    created_at_ms: i64,
    content: Fingerprint,
    floor_ms: i64,
    seen: Option<Fingerprint>,
) -> Verdict {
    match seen {
        Some(seen) if seen == content => Verdict::Duplicate,
        Some(_) => Verdict::Conflict,
        None if created_at_ms < floor_ms => Verdict::Stale,
        None => Verdict::New,
    }
}

/// The floor after a message of this time: it only rises.
fn floor(floor_ms: i64, created_at_ms: i64, now_ms: i64, horizon: Duration) -> i64 {
    floor_ms.max(created_at_ms.min(now_ms).saturating_sub(millis(horizon)))
}

impl Inbox {
    /// Applies one message of a sender that has no outbox of ours, once for its id, and says what
    /// became of it after the commit. Of `message`, topic, key, headers and payload count.
    ///
    /// `created_at_ms` is the sender's time of the first sending, in milliseconds since 1970, and
    /// the same when the message is sent again: with a fresh one it would be applied once more
    /// after the horizon.
    ///
    /// ```
    /// use surehand::{Effect, Inbox, Message, MessageId};
    /// use surehand::transport::Outcome;
    /// use std::time::Duration;
    /// # let directory = tempfile::tempdir().unwrap();
    /// # let path = directory.path().join("billing.db");
    /// let mut billing = Inbox::open(&path)?.on("paid", |_: &Effect, _: Vec<u8>| Ok(()));
    /// let day = Duration::from_secs(86_400);
    /// let id = "01890a5d-ac96-774b-bcce-b302099a8057".parse::<MessageId>().unwrap();
    ///
    /// let outcome = billing.receive("web", day, id, 1_700_000_000_000, Message::new("paid"))?;
    /// assert!(matches!(outcome, Outcome::Applied(applied) if !applied.duplicate));
    /// # Ok::<(), surehand::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// When the database fails; the message can be given again.
    pub fn receive(
        &mut self,
        sender: &str,
        horizon: Duration,
        id: MessageId,
        created_at_ms: i64,
        message: Message,
    ) -> Result<Outcome> {
        let sender = sender.into();
        let received = Received { sender, horizon, id, created_at_ms, message };
        let outcome = self.receive_it(received);
        self.checkpoint();
        outcome
    }

    pub(crate) fn receive_it(&mut self, received: Received) -> Result<Outcome> {
        let Received { sender, horizon, id, created_at_ms, mut message } = received;
        let headers = message.headers_json();
        message.check(headers.as_deref())?;
        let parts = message.take_parts(headers);
        let fingerprint = fingerprint(id, &parts);
        let (revision, attempt) = (0, 1);
        let envelope =
            Envelope { seq: 0, id, revision, fingerprint, attempt, after: 0, created_at_ms, parts };
        self.connect()?;
        let open = self.open.as_ref().expect("opened just now");
        self.check_file()?;
        transaction::begin(&open.connection)?;
        let outcome = self.take_in(open, &sender, horizon, &envelope);
        let committed = match outcome {
            Ok(Some(outcome)) => {
                let committed = open.gate.commit_or_blame(&open.connection);
                committed.map(|refused| {
                    let refused = refused.err().map(|error| Failure::retry(error.to_string()));
                    Some(refused.map_or(outcome, Outcome::Failed))
                })
            }
            other => {
                // The connection is dropped, or the transaction is gone already.
                let _ = transaction::rollback(&open.connection);
                other
            }
        };
        match self.keep_or_drop(committed)? {
            Some(outcome) => Ok(outcome),
            None => {
                self.open = None;
                Ok(Outcome::Failed(Failure::retry(ESCAPED)))
            }
        }
    }

    /// Within the transaction; nothing when the handler ended it.
    fn take_in(
        &self,
        open: &Open,
        sender: &str,
        horizon: Duration,
        envelope: &Envelope,
    ) -> Result<Option<Outcome>> {
        let connection = &open.connection;
        let row = rows::sender(connection, &self.consumer, sender)?;
        let seen = rows::admitted(connection, row.number, envelope.id)?;
        let content = envelope.fingerprint;
        let known = seen.as_ref().map(|seen| seen.fingerprint);
        let mut verdicts = Verdicts::default();
        let verdict = admit(envelope.created_at_ms, content, row.floor_ms, known);
        let outcome = match verdict {
            Verdict::Duplicate => {
                verdicts.duplicates += 1;
                let reply = seen.and_then(|seen| seen.reply);
                Outcome::Applied(Applied { revision: Some(0), duplicate: true, reply })
            }
            Verdict::Conflict => {
                verdicts.conflicts += 1;
                self.keep_for_a_person(connection, sender.as_bytes(), envelope, "conflict")?;
                let detail = "its id was applied with other content".into();
                Outcome::Refused { reason: "conflict", detail }
            }
            Verdict::Stale => {
                verdicts.stale += 1;
                self.keep_for_a_person(connection, sender.as_bytes(), envelope, "stale")?;
                let detail = "it is older than the ids that are kept".into();
                Outcome::Refused { reason: "stale", detail }
            }
            Verdict::New => match self.run_new(open, &row, sender, envelope, &mut verdicts)? {
                Some(outcome) => outcome,
                None => return Ok(None),
            },
        };
        let now_ms = self.database.now().wall_ms;
        let floor_ms = match verdict {
            Verdict::New => floor(row.floor_ms, envelope.created_at_ms, now_ms, horizon),
            _ => row.floor_ms,
        };
        rows::count_sender(connection, row.number, floor_ms, &verdicts)?;
        Ok(Some(outcome))
    }

    fn run_new(
        &self,
        open: &Open,
        row: &SenderRow,
        sender: &str,
        envelope: &Envelope,
        verdicts: &mut Verdicts,
    ) -> Result<Option<Outcome>> {
        let connection = &open.connection;
        let Some(handler) = self.handlers.get(envelope.topic()) else {
            verdicts.unhandled += 1;
            self.keep_for_a_person(connection, sender.as_bytes(), envelope, "unhandled")?;
            let detail = format!("no handler for topic {:?}", envelope.topic());
            return Ok(Some(Outcome::Refused { reason: "unhandled", detail }));
        };
        let mut savepoints = open.savepoint.on(connection)?;
        let ran = run::handler(connection, &mut savepoints, (handler, None), envelope)?;
        if let Ran::Applied(reply) = &ran {
            let (id, created) = ((envelope.id, envelope.fingerprint), envelope.created_at_ms);
            if is_spoilt(connection)? {
                return Ok(None);
            }
            rows::remember_id(connection, row.number, id, created, reply.as_deref())?;
        }
        Ok(match ran {
            Ran::Applied(reply) => {
                verdicts.applied += 1;
                Some(Outcome::Applied(Applied { revision: Some(0), duplicate: false, reply }))
            }
            Ran::Failed(failure) => {
                verdicts.failed += 1;
                Some(Outcome::Failed(failure))
            }
            Ran::Escaped | Ran::Spoilt => None,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: Fingerprint = Fingerprint(1);
    const B: Fingerprint = Fingerprint(2);

    #[test]
    fn a_message_at_the_floor_is_new_and_one_below_it_is_stale() {
        assert_eq!(admit(100, A, 100, None), Verdict::New);
        assert_eq!(admit(99, A, 100, None), Verdict::Stale);
        assert_eq!(admit(99, A, 100, Some(A)), Verdict::Duplicate);
        assert_eq!(admit(101, A, 100, Some(B)), Verdict::Conflict);
    }

    #[test]
    fn the_floor_only_rises_and_no_clock_of_ours_lifts_it_past_the_senders() {
        let hour = Duration::from_millis(10);
        assert_eq!(floor(0, 100, 1_000_000, hour), 90);
        assert_eq!(floor(95, 100, 1_000_000, hour), 95);
        assert_eq!(floor(0, 1_000_000, 100, hour), 90, "a sender ahead of us lifts it to our time");
    }
}
