//! Requests into effects: many messages in a transaction, each in a savepoint, answered only after
//! the commit.

use super::handlers::Prepared;
use super::memory::Remembered;
use super::run::{self, ESCAPED, Ran};
use super::work::{Ended, Work};
use super::{Admission, Claim, Inbox, Open, Seen, admit};
use crate::error::Result;
use crate::failure::Failure;
use crate::handoff::{Applied, Outcome, Request, Ticket};
use crate::id::Seq;
use crate::message::Envelope;
use crate::store::inbox::{self as rows, SeenRow, Verdicts};
#[cfg(feature = "testing")]
use crate::store::mistakes::tear;
use crate::store::transaction;
use crate::watermark::Ranges;
use rusqlite::Connection;
use std::collections::HashMap;
use std::time::Duration;

/// What became of a request as a whole.
#[derive(Debug, PartialEq, Eq)]
#[must_use]
pub enum Processed {
    /// Every message was answered, and the statement merged.
    All,
    /// Nothing was looked at: another incarnation is registered, or the file went back in time
    /// since this one was. The relay has to greet.
    Fenced,
    /// The producer's store went back in time: another message was applied at one of the places.
    Rewound(String),
}

impl Inbox {
    /// Applies a request: what is new runs its handler, the rest is answered from memory. Answers
    /// come after the commit they rest on, and after an error none is missing that matters: what
    /// was not answered is delivered again.
    ///
    /// # Errors
    ///
    /// When the database fails (full, busy, broken). Nothing that was not answered took effect,
    /// unless the kind is [`ErrorKind::Unknown`](crate::ErrorKind::Unknown).
    pub fn process(
        &mut self,
        request: &Request,
        answer: &mut dyn FnMut(Ticket, Outcome),
    ) -> Result<Processed> {
        self.process_prepared(request, &HashMap::new(), answer)
    }

    pub(crate) fn process_prepared(
        &mut self,
        request: &Request,
        prepared: &HashMap<Seq, Result<Prepared, Failure>>,
        answer: &mut dyn FnMut(Ticket, Outcome),
    ) -> Result<Processed> {
        let mut work = Work::new(request, prepared);
        loop {
            let mut outcomes = Vec::new();
            let failed_before = work.failed_keys.clone();
            let result = self.transaction(&mut work, &mut outcomes);
            match self.keep_or_drop(result) {
                Ok(Ended::Fenced) => return Ok(Processed::Fenced),
                Ok(Ended::Rewound(detail)) => return Ok(Processed::Rewound(detail)),
                Ok(Ended::Broken { index, why }) => {
                    self.open = None;
                    work.failed_keys = failed_before;
                    work.broken.insert(work.request.envelopes[index].seq, why);
                }
                Ok(Ended::Uncommitted) => {
                    work.failed_keys = failed_before;
                    work.alone = true;
                }
                Ok(Ended::Committed { next, .. }) => {
                    work.next = next;
                    for (ticket, outcome) in outcomes {
                        answer(ticket, outcome);
                    }
                    if next == request.envelopes.len() {
                        return Ok(Processed::All);
                    }
                }
                Err(error) => return Err(error),
            }
        }
    }

    /// One transaction: merge the statement, decide about each message, run handlers, commit.
    fn transaction(
        &mut self,
        work: &mut Work<'_>,
        outcomes: &mut Vec<(Ticket, Outcome)>,
    ) -> Result<Ended> {
        self.connect()?;
        let open = self.open.as_ref().expect("opened just now");
        self.check_file()?;
        transaction::begin(&open.connection)?;
        let ended = self.run(open, work, outcomes);
        match ended {
            Ok((Ended::Committed { next, high }, true)) => {
                mistake!(AnswerBeforeCommit: return Ok(Ended::Committed { next, high }));
                if let Err(error) = open.gate.commit_or_blame(&open.connection)? {
                    return work.refused_at_commit(next, error);
                }
                let Request { store, subscription, .. } = *work.request;
                self.reached.insert((store, subscription), high);
                Ok(Ended::Committed { next, high })
            }
            Ok((ended, _)) => {
                transaction::rollback(&open.connection)?;
                Ok(ended)
            }
            Err(error) => {
                // The connection is dropped with the error, or the transaction is gone already.
                let _ = transaction::rollback(&open.connection);
                Err(error)
            }
        }
    }

    /// Says how it ended, and whether anything was written that must be committed.
    fn run(
        &self,
        open: &Open,
        work: &mut Work<'_>,
        outcomes: &mut Vec<(Ticket, Outcome)>,
    ) -> Result<(Ended, bool)> {
        let connection = &open.connection;
        let Request { store, subscription, settled, envelopes, .. } = work.request;
        let source = rows::find(connection, &self.consumer, *store, *subscription)?;
        let Some(source) = source.filter(|source| self.listens_to(work.request, source)) else {
            return Ok((Ended::Fenced, false));
        };
        let (mut memory, merged) = self.remember(open, source.number, settled)?;
        let mut verdicts = Verdicts::default();
        let mut high = source.high.max(memory.settled.last());
        let began = self.database.now().tick;
        let first = work.next;
        let mut next = first;
        let batch = if work.alone { 1 } else { self.batch };
        for envelope in &envelopes[first..] {
            let full = next - first >= batch;
            if full || next > first && self.is_over_time(began) {
                break;
            }
            let decided = self.decide(open, &mut memory, work, envelope, &mut verdicts)?;
            let outcome = match decided {
                Decided::Outcome(outcome) => outcome,
                Decided::Rewound(detail) => return Ok((Ended::Rewound(detail), false)),
                Decided::Escaped => {
                    return Ok((Ended::Broken { index: next, why: ESCAPED.into() }, false));
                }
            };
            if !matches!(outcome, Outcome::Applied(_))
                && let Some(key) = envelope.key_hash()
            {
                work.failed_keys.insert(key);
            }
            if matches!(outcome, Outcome::Applied(_)) {
                high = high.max(envelope.seq);
            }
            outcomes.push((envelope.ticket(), outcome));
            next += 1;
        }
        let writes = merged || verdicts != Verdicts::default();
        if writes {
            rows::count(connection, source.number, high, &verdicts)?;
        }
        Ok((Ended::Committed { next, high }, writes))
    }

    fn is_over_time(&self, began: Duration) -> bool {
        self.database.now().tick.saturating_sub(began) >= self.batch_time
    }

    /// The memory of a source with the statement merged into it (rule 13), and whether that told
    /// anything new.
    fn remember<'a>(
        &self,
        open: &'a Open,
        source: i64,
        stated: &Ranges,
    ) -> Result<(Remembered<'a>, bool)> {
        let connection = &open.connection;
        let before = rows::settled(connection, source)?;
        let mut settled = before.clone();
        settled.union(stated);
        mistake!(HorizonOffByOne: settled.insert(settled.last() + 1, settled.last() + 1));
        let new = settled != before;
        if new {
            rows::settle(connection, source, &before, &settled)?;
        }
        Ok((Remembered { connection, source, settled }, new))
    }

    fn decide(
        &self,
        open: &Open,
        memory: &mut Remembered<'_>,
        work: &Work<'_>,
        envelope: &Envelope,
        verdicts: &mut Verdicts,
    ) -> Result<Decided> {
        if !envelope.is_intact() {
            verdicts.corrupt += 1;
            let why = "the content does not match its checksum";
            self.quarantine(open, work.request, envelope, "corrupt")?;
            return Ok(Decided::Outcome(Outcome::Failed(Failure::retry(why))));
        }
        let claim = Claim {
            seq: envelope.seq,
            id: envelope.id,
            revision: envelope.revision,
            fingerprint: envelope.fingerprint,
            after: envelope.after,
            key_failed: envelope.key_hash().is_some_and(|key| work.failed_keys.contains(&key)),
        };
        mistake!(NoMemory: return self.apply(open, memory, work, envelope, verdicts));
        match admit(memory, &claim)? {
            Admission::New => self.apply(open, memory, work, envelope, verdicts),
            Admission::Duplicate(seen) => {
                verdicts.duplicates += 1;
                self.duplicate(memory, envelope, seen)
            }
            Admission::Superseded(seen) => {
                verdicts.superseded += 1;
                self.duplicate(memory, envelope, Some(seen))
            }
            Admission::Conflict(seen) => {
                verdicts.conflicts += 1;
                self.quarantine(open, work.request, envelope, "conflict")?;
                let detail =
                    format!("its id was applied with other content, at place {}", seen.seq);
                Ok(Decided::Outcome(Outcome::Refused { reason: "conflict", detail }))
            }
            Admission::Blocked => {
                verdicts.blocked += 1;
                Ok(Decided::Outcome(Outcome::Blocked))
            }
            Admission::Rewound(other) => Ok(Decided::Rewound(format!(
                "place {} was message {} and is {} now",
                envelope.seq, other.id, envelope.id
            ))),
        }
    }

    /// Answers from memory. The same id at a second place is remembered there too, so that it stays
    /// a duplicate when the first is settled and forgotten.
    fn duplicate(
        &self,
        memory: &mut Remembered<'_>,
        envelope: &Envelope,
        seen: Option<Seen>,
    ) -> Result<Decided> {
        let mut applied = Applied { duplicate: true, ..Applied::default() };
        if let Some(seen) = seen {
            let row = rows::seen_at(memory.connection, memory.source, seen.seq)?;
            applied.revision = Some(seen.revision);
            applied.reply = row.and_then(|row| row.reply);
            let again = || rows::seen_at(memory.connection, memory.source, envelope.seq);
            if seen.seq != envelope.seq && again()?.is_none() {
                let row = SeenRow {
                    seq: envelope.seq,
                    id: seen.id,
                    revision: seen.revision,
                    fingerprint: seen.fingerprint,
                    reply: applied.reply.clone(),
                };
                rows::remember(memory.connection, memory.source, &row)?;
            }
        }
        Ok(Decided::Outcome(Outcome::Applied(applied)))
    }

    /// Runs the handler in a savepoint, and remembers the message in the same transaction.
    fn apply(
        &self,
        open: &Open,
        memory: &Remembered<'_>,
        work: &Work<'_>,
        envelope: &Envelope,
        verdicts: &mut Verdicts,
    ) -> Result<Decided> {
        let Some(handler) = self.handlers.get(envelope.topic()) else {
            verdicts.unhandled += 1;
            self.quarantine(open, work.request, envelope, "unhandled")?;
            let detail = format!("no handler for topic {:?}", envelope.topic());
            return Ok(Decided::Outcome(Outcome::Refused { reason: "unhandled", detail }));
        };
        let row = |reply| SeenRow {
            seq: envelope.seq,
            id: envelope.id,
            revision: envelope.revision,
            fingerprint: envelope.fingerprint,
            reply,
        };
        let remember = |row: &SeenRow| rows::remember(memory.connection, memory.source, row);
        mistake!(MemoryBeforeEffect: remember(&row(None))?; tear(&open.connection)?);
        let ran = if let Some(why) = work.broken.get(&envelope.seq) {
            Ran::Failed(Failure::retry(why.clone()))
        } else {
            match work.prepared.get(&envelope.seq) {
                Some(Err(failure)) => Ran::Failed(failure.again()),
                prepared => {
                    let prepared = prepared.and_then(|prepared| prepared.as_ref().ok());
                    run::handler(open, handler, envelope, prepared, |reply| {
                        mistake!(NoMemory | MemoryBeforeEffect | MemoryAfterEffect:
                            return Ok(reply));
                        let row = row(reply);
                        remember(&row)?;
                        Ok(row.reply)
                    })?
                }
            }
        };
        Ok(match ran {
            Ran::Applied(reply) => {
                mistake!(MemoryAfterEffect: tear(&open.connection)?; remember(&row(None))?);
                verdicts.applied += 1;
                let revision = Some(envelope.revision);
                Decided::Outcome(Outcome::Applied(Applied { revision, duplicate: false, reply }))
            }
            Ran::Failed(failure) => {
                mistake!(FailureRemembered: remember(&row(None))?);
                verdicts.failed += 1;
                Decided::Outcome(Outcome::Failed(failure))
            }
            Ran::Escaped => Decided::Escaped,
        })
    }

    fn quarantine(
        &self,
        open: &Open,
        request: &Request,
        envelope: &Envelope,
        reason: &'static str,
    ) -> Result<()> {
        self.keep_for_a_person(&open.connection, request.store.as_bytes(), envelope, reason)
    }

    pub(super) fn keep_for_a_person(
        &self,
        connection: &Connection,
        origin: &[u8],
        envelope: &Envelope,
        reason: &'static str,
    ) -> Result<()> {
        tracing::error!(
            messaging.system = "surehand",
            messaging.operation.name = "process",
            messaging.destination.name = envelope.topic(),
            messaging.message.id = %envelope.id(),
            error.type = reason,
            "a message went into quarantine"
        );
        let now = self.database.now().wall_ms;
        rows::quarantine(connection, (&self.consumer, origin), envelope, reason, now)
    }
}

enum Decided {
    Outcome(Outcome),
    Rewound(String),
    Escaped,
}
