//! Requests into effects: many messages in a transaction, each in a savepoint, answered only after
//! the commit.

use super::handlers::Prepared;
use super::memory::Remembered;
use super::run::{self, Ran, is_spoilt};
use super::work::{Ended, Work};
use super::{Admission, Claim, Inbox, Open, Seen, admit};
use crate::error::Result;
use crate::failure::Failure;
use crate::handoff::{Applied, Outcome, Request, Ticket};
use crate::id::Seq;
use crate::message::Envelope;
use crate::store::inbox::{self as rows, Notebook, Verdicts};
#[cfg(feature = "testing")]
use crate::store::mistakes::tear;
use crate::store::transaction::{self, Savepoints};
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
        let processed = self.process_prepared(request, &HashMap::new(), answer);
        self.checkpoint();
        processed
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
                    self.open = None;
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
        match self.run(open, work, outcomes) {
            Ok(Round {
                ended: Ended::Committed { next, high },
                memory: Some(mut memory),
                writes,
            }) => {
                if writes {
                    mistake!(AnswerBeforeCommit: return Ok(Ended::Committed { next, high }));
                    if let Err(error) = open.gate.commit_or_blame(&open.connection)? {
                        return work.refused_at_commit(next, error);
                    }
                    memory.changes += 1;
                    let Request { store, subscription, .. } = *work.request;
                    self.reached.insert((store, subscription), high);
                } else {
                    transaction::rollback(&open.connection)?;
                }
                open.memories.borrow_mut().insert(memory.source, memory);
                Ok(Ended::Committed { next, high })
            }
            Ok(Round { ended, .. }) => {
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

    fn run(
        &self,
        open: &Open,
        work: &mut Work<'_>,
        outcomes: &mut Vec<(Ticket, Outcome)>,
    ) -> Result<Round> {
        let connection = &open.connection;
        let Request { store, subscription, settled, envelopes, .. } = work.request;
        let source = rows::find(connection, &self.consumer, *store, *subscription)?;
        let Some(source) = source.filter(|source| self.listens_to(work.request, source)) else {
            return Ok(Round::undone(Ended::Fenced));
        };
        let mut memory = open.memory(&source)?;
        let merged = memory.merge(connection, settled)?;
        let mut steps = Steps {
            connection,
            savepoints: open.savepoint.on(connection)?,
            notebook: Notebook::new(connection, source.number),
            memory,
            verdicts: Verdicts::default(),
        };
        let mut high = source.high.max(steps.memory.settled.last());
        let began = self.database.now().tick;
        let first = work.next;
        let mut next = first;
        let batch = if work.alone { 1 } else { self.batch };
        for envelope in &envelopes[first..] {
            let full = next - first >= batch;
            if full || next > first && self.is_over_time(began) {
                break;
            }
            let outcome = match self.decide(&mut steps, work, envelope)? {
                Decided::Outcome(outcome) => outcome,
                Decided::Rewound(detail) => return Ok(Round::undone(Ended::Rewound(detail))),
                Decided::Escaped => return Ok(Round::undone(Ended::escaped(next))),
                // Who did it? The first one, or one by one they will tell.
                Decided::Spoilt if next == first => {
                    return Ok(Round::undone(Ended::escaped(next)));
                }
                Decided::Spoilt => return Ok(Round::undone(Ended::Uncommitted)),
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
        let Steps { memory, verdicts, mut notebook, .. } = steps;
        if is_spoilt(connection)? {
            let alone = next - first == 1;
            let ended = if alone { Ended::escaped(first) } else { Ended::Uncommitted };
            return Ok(Round::undone(ended));
        }
        notebook.write()?;
        let writes = merged || verdicts != Verdicts::default();
        if writes {
            rows::count(connection, source.number, high, &verdicts)?;
        }
        Ok(Round { ended: Ended::Committed { next, high }, writes, memory: Some(memory) })
    }

    fn is_over_time(&self, began: Duration) -> bool {
        self.database.now().tick.saturating_sub(began) >= self.batch_time
    }

    fn decide(
        &self,
        steps: &mut Steps<'_>,
        work: &Work<'_>,
        envelope: &Envelope,
    ) -> Result<Decided> {
        if !envelope.is_intact() {
            steps.verdicts.corrupt += 1;
            let why = "the content does not match its checksum";
            self.quarantine(steps, work.request, envelope, "corrupt")?;
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
        mistake!(NoMemory: return self.apply(steps, work, envelope));
        let Ok(admission) = admit(&mut steps.memory, &claim);
        match admission {
            Admission::New => self.apply(steps, work, envelope),
            Admission::Duplicate(seen) => {
                steps.verdicts.duplicates += 1;
                steps.duplicate(envelope, seen)
            }
            Admission::Superseded(seen) => {
                steps.verdicts.superseded += 1;
                steps.duplicate(envelope, Some(seen))
            }
            Admission::Conflict(seen) => {
                steps.verdicts.conflicts += 1;
                self.quarantine(steps, work.request, envelope, "conflict")?;
                let detail =
                    format!("its id was applied with other content, at place {}", seen.seq);
                Ok(Decided::Outcome(Outcome::Refused { reason: "conflict", detail }))
            }
            Admission::Blocked => {
                steps.verdicts.blocked += 1;
                Ok(Decided::Outcome(Outcome::Blocked))
            }
            Admission::Rewound(other) => Ok(Decided::Rewound(format!(
                "place {} was message {} and is {} now",
                envelope.seq, other.id, envelope.id
            ))),
        }
    }

    /// Runs the handler in a savepoint, and remembers the message in the same transaction.
    fn apply(
        &self,
        steps: &mut Steps<'_>,
        work: &Work<'_>,
        envelope: &Envelope,
    ) -> Result<Decided> {
        let Some(handler) = self.handlers.get(envelope.topic()) else {
            steps.verdicts.unhandled += 1;
            self.quarantine(steps, work.request, envelope, "unhandled")?;
            let detail = format!("no handler for topic {:?}", envelope.topic());
            return Ok(Decided::Outcome(Outcome::Refused { reason: "unhandled", detail }));
        };
        let Envelope { seq, id, revision, fingerprint, .. } = *envelope;
        let seen = Seen { seq, id, revision, fingerprint };
        let Steps { connection, savepoints, notebook, .. } = steps;
        mistake!(MemoryBeforeEffect: notebook.remember(seen, None).write()?; tear(connection)?);
        let ran = if let Some(why) = work.broken.get(&seq) {
            Ran::Failed(Failure::retry(why.clone()))
        } else {
            match work.prepared.get(&seq) {
                Some(Err(failure)) => Ran::Failed(failure.again()),
                prepared => {
                    let prepared = prepared.and_then(|prepared| prepared.as_ref().ok());
                    let handler = (handler, prepared);
                    run::handler(connection, savepoints, handler, envelope)?
                }
            }
        };
        Ok(match ran {
            Ran::Applied(reply) => {
                mistake!(MemoryAfterEffect: tear(connection)?);
                if !mistake!(NoMemory | MemoryBeforeEffect) {
                    notebook.remember(seen, reply.clone());
                }
                steps.memory.known.remember(seen);
                steps.verdicts.applied += 1;
                let revision = Some(revision);
                Decided::Outcome(Outcome::Applied(Applied { revision, duplicate: false, reply }))
            }
            Ran::Failed(failure) => {
                mistake!(FailureRemembered: notebook.remember(seen, None);
                    steps.memory.known.remember(seen));
                steps.verdicts.failed += 1;
                Decided::Outcome(Outcome::Failed(failure))
            }
            Ran::Escaped => Decided::Escaped,
            Ran::Spoilt => Decided::Spoilt,
        })
    }

    fn quarantine(
        &self,
        steps: &Steps<'_>,
        request: &Request,
        envelope: &Envelope,
        reason: &'static str,
    ) -> Result<()> {
        self.keep_for_a_person(steps.connection, request.store.as_bytes(), envelope, reason)
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

/// What one transaction works with.
struct Steps<'a> {
    connection: &'a Connection,
    savepoints: Savepoints<'a>,
    notebook: Notebook<'a>,
    memory: Remembered,
    verdicts: Verdicts,
}

impl Steps<'_> {
    /// Answers from memory. The same id at a second place is remembered there too, so that it stays
    /// a duplicate when the first is settled and forgotten.
    fn duplicate(&mut self, envelope: &Envelope, seen: Option<Seen>) -> Result<Decided> {
        let mut applied = Applied { duplicate: true, ..Applied::default() };
        if let Some(seen) = seen {
            applied.revision = Some(seen.revision);
            applied.reply = rows::reply(self.connection, self.memory.source, seen.seq)?;
            if seen.seq != envelope.seq && self.memory.known.at(envelope.seq).is_none() {
                let again = Seen { seq: envelope.seq, ..seen };
                self.notebook.remember(again, applied.reply.clone());
                self.memory.known.remember(again);
            }
        }
        Ok(Decided::Outcome(Outcome::Applied(applied)))
    }
}

/// How one transaction went: whether something was written that must be committed, and what the
/// source's memory is after that.
struct Round {
    ended: Ended,
    writes: bool,
    memory: Option<Remembered>,
}

impl Round {
    fn undone(ended: Ended) -> Self {
        Self { ended, writes: false, memory: None }
    }
}

enum Decided {
    Outcome(Outcome),
    Rewound(String),
    Escaped,
    Spoilt,
}
