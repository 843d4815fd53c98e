//! One cycle: check the epochs, decide, write, commit; and only then send (rule 6).
//!
//! One thread, one connection and one commit per cycle serve all subscriptions of a relay.

use super::lane::{Moment, Plan, Sending};
use super::pruning::Pruning;
use super::served::{Phase, Served};
use super::share::Held;
use crate::database::Database;
use crate::error::{Error, ErrorKind, Result};
use crate::handoff::Hello;
use crate::id::{Seq, StoreId};
use crate::store::checkpoint::Checkpoints;
use crate::store::delivery::Change;
use crate::store::log::{self, Reader};
use crate::store::subscription::{self, Position, SubscriptionState};
use crate::store::{delivery, stats, transaction};
use crate::transport::{Settler, Sink};
use crate::wake::Doorbell;
use rusqlite::Connection;
use std::cell::OnceCell;
use std::time::Duration;

/// Due messages, and bytes of their payloads, that one cycle appends: none keeps others waiting for
/// long.
const SLICE: (i64, i64) = (512, 1024 * 1024);

/// The outbox's database as the relay has it open; dropped after every error that leaves doubt.
pub(super) struct Open {
    pub(super) connection: Connection,
    pub(super) store: StoreId,
    reader: Reader,
    data_version: i64,
    /// Where the log ended at the last look.
    last_seq: Seq,
    /// When the next scheduled message is due, by the wall clock.
    pub(super) next_due_ms: Option<i64>,
    pub(super) pruning: Pruning,
    checkpoints: Checkpoints,
}

/// Under which circumstances a cycle runs.
pub(super) struct Round<'a> {
    pub(super) now: Moment,
    /// Nothing new is claimed.
    pub(super) closing: bool,
    /// How many messages a subscription may send.
    pub(super) most: usize,
    pub(super) keep_settled_ms: i64,
    /// How long settled messages may be deleted.
    pub(super) prune_for: Duration,
    /// Whoever commits beside these lets the cycle go first.
    pub(super) doorbells: &'a [Doorbell],
}

/// What one transaction did.
#[derive(Default)]
struct Done {
    wrote: bool,
    /// The log has grown by messages that became due.
    appended: bool,
    send: Vec<(usize, Hello, Sending)>,
}

impl Open {
    pub(super) fn new(connection: Connection) -> Result<Self> {
        let store = log::store(&connection)?.map(|store| store.id);
        let store = store.ok_or_else(|| {
            Error::new(ErrorKind::NotADatabase, "the outbox has lost its identity", "restore it")
        })?;
        let checkpoints = Checkpoints::by_hand(&connection)?;
        let data_version = stats::data_version(&connection)?;
        let last_seq = log::last_seq(&connection)?;
        let next_due_ms = log::next_due(&connection)?;
        let reader = Reader::new(store);
        let pruning = Pruning::new();
        Ok(Self {
            connection,
            store,
            reader,
            data_version,
            last_seq,
            next_due_ms,
            pruning,
            checkpoints,
        })
    }

    /// Whether another connection committed since the last look (the one statement of an idle
    /// relay), and then where the log ends, and how many messages came.
    pub(super) fn notice(&mut self) -> Result<Option<(Seq, usize)>> {
        let version = stats::data_version(&self.connection)?;
        if version == self.data_version {
            return Ok(None);
        }
        self.data_version = version;
        self.next_due_ms = log::next_due(&self.connection)?;
        self.pruning.notice(&self.connection)?;
        let last_seq = log::last_seq(&self.connection)?;
        let came = last_seq - std::mem::replace(&mut self.last_seq, last_seq);
        Ok(Some((last_seq, usize::try_from(came).unwrap_or(0))))
    }

    /// Runs one IMMEDIATE transaction, and sends what it recorded as sent. Messages are read and
    /// decided about before it, so that the lock is not held for that: the log is append-only,
    /// whoever changes anything else begins a new epoch, which the transaction checks, and its
    /// commit syncs every frame that was visible.
    pub(super) fn cycle(
        &mut self,
        database: &Database,
        all: &mut [Served],
        sinks: &[Sink],
        round: &Round<'_>,
    ) -> Result<Held> {
        for served in &mut *all {
            served.plan_ahead(&self.connection, &mut self.reader, round)?;
        }
        let turns: Vec<_> = round.doorbells.iter().map(|bell| bell.turnstile().enter()).collect();
        transaction::begin(&self.connection)?;
        let from = database.now().tick;
        let worked = OnceCell::new();
        let done = self.work(all, round).and_then(|mut done| {
            let began = database.now().tick;
            if round.closing {
                // Nobody looks later at what was settled just now.
                self.pruning.hurry();
            }
            let keep_ms = round.keep_settled_ms;
            let is_over = || {
                let now = database.now().tick;
                worked.get_or_init(|| now);
                now - began >= round.prune_for
            };
            done.wrote |= self.pruning.cycle(&self.connection, keep_ms, is_over, round.now)?;
            worked.get_or_init(|| database.now().tick);
            if done.wrote {
                transaction::commit(&self.connection)?;
            } else {
                transaction::rollback(&self.connection)?;
            }
            Ok(done)
        });
        let to = database.now().tick;
        let done = done.inspect_err(|_| {
            // The connection is dropped with what it remembers, or the next BEGIN tells.
            let _ = transaction::rollback(&self.connection);
        })?;
        drop(turns);
        let mut messages = 0;
        for (index, hello, sending) in done.send {
            messages += sending.envelopes.len();
            send(&all[index], hello, sending, &sinks[index]);
        }
        self.checkpoints.if_due(&mut self.connection);
        Ok(Held { from, to, worked: worked.into_inner().unwrap_or(to) - from, messages })
    }

    fn work(&mut self, all: &mut [Served], round: &Round<'_>) -> Result<Done> {
        let mut done = Done::default();
        let now_ms = round.now.wall_ms;
        if !round.closing && self.next_due_ms.is_some_and(|due| due <= now_ms) {
            done.wrote |= log::append_due(&self.connection, now_ms, SLICE)? > 0;
            self.next_due_ms = log::next_due(&self.connection)?;
            self.last_seq = log::last_seq(&self.connection)?;
            done.appended = true;
        }
        for (index, served) in all.iter_mut().enumerate() {
            self.work_one(served, index, &mut done, round.now)?;
            // After the lane took what was read before: that ends where the log ended then.
            if let Some(lane) = served.lane_mut().filter(|_| done.appended) {
                lane.look_again();
            }
        }
        Ok(done)
    }

    fn work_one(
        &mut self,
        served: &mut Served,
        index: usize,
        done: &mut Done,
        now: Moment,
    ) -> Result<()> {
        let Phase::Running { lane, number, hello } = &served.phase else { return Ok(()) };
        let planned = served.planned.take();
        if planned.is_none() && served.gone.is_none() {
            return Ok(());
        }
        let guard = subscription::guard(&self.connection, *number)?;
        let is_ours = guard == Some((lane.incarnation(), SubscriptionState::Active));
        if !is_ours && !mistake!(EpochUnchecked) {
            // Redriven, skipped, paused or removed by somebody, or taken over (rule 8).
            served.reopen();
            return Ok(());
        }
        if let Some(why) = served.gone.take() {
            subscription::set_state(&self.connection, *number, SubscriptionState::Paused)?;
            done.wrote = true;
            served.paused(&why);
            return Ok(());
        }
        let Some((before, plan)) = planned else { return Ok(()) };
        let name = &served.subscription.name;
        done.wrote |= write(&self.connection, (*number, name), before, &plan, now)?;
        let settled = plan.position.settled_to - before.settled_to;
        if settled > 0 {
            self.pruning.settled(settled, now);
        }
        done.send.extend(plan.send.into_iter().map(|sending| (index, *hello, sending)));
        Ok(())
    }
}

fn write(
    connection: &Connection,
    (number, name): (i64, &str),
    before: Position,
    plan: &Plan,
    now: Moment,
) -> Result<bool> {
    let tally = plan.tally != subscription::Tally::default();
    if plan.changes.is_empty() && plan.position == before && plan.send.is_empty() && !tally {
        return Ok(false);
    }
    subscription::advance(connection, number, &plan.position, &plan.tally)?;
    mistake!(ExceptionsInMemory: return Ok(true));
    for change in &plan.changes {
        let came_after_all = delivery::apply(connection, number, change, now.wall_ms)?;
        if let (true, Change::LateAck { seq, id }) = (came_after_all, change) {
            tracing::error!(
                messaging.system = "surehand",
                messaging.destination.subscription.name = name,
                messaging.message.id = %id,
                surehand.seq = seq,
                "a message was applied although it had been skipped"
            );
        }
    }
    Ok(true)
}

fn send(served: &Served, hello: Hello, sending: Sending, sink: &Sink) {
    let Sending { request, statement, envelopes } = sending;
    tracing::debug!(
        messaging.system = "surehand",
        messaging.operation.name = "send",
        messaging.destination.subscription.name = %served.subscription.name,
        messaging.batch.message_count = envelopes.len(),
        "messages are on their way"
    );
    let stated = !statement.is_empty();
    let settler = Settler::new(hello.incarnation, request, envelopes.len(), stated, sink.clone());
    served.transport.deliver(hello.request(statement, envelopes), settler);
}

#[cfg(test)]
mod tests {
    use super::super::pruning::tests::{NOW, append, message};
    use super::{Open, Round};
    use crate::database::Database;
    use crate::store::{self, Role, log};
    use std::time::Duration;

    #[test]
    fn how_many_came_is_told_with_each_commit_of_another() {
        let directory = tempfile::tempdir().unwrap();
        let database = Database::new(directory.path().join("shop.db"));
        let host = store::open(&database, Role::Outbox).unwrap();
        append(&host, 2);
        let mut open = Open::new(store::open(&database, Role::Outbox).unwrap()).unwrap();
        assert_eq!(open.notice().unwrap(), None, "what was there is no news");
        append(&host, 3);
        assert_eq!(open.notice().unwrap(), Some((5, 3)));
        assert_eq!(open.notice().unwrap(), None);
        log::schedule(&host, &message(0), NOW.wall_ms).unwrap();
        assert_eq!(open.notice().unwrap(), Some((5, 0)), "it is not in the log yet");
        let round = Round {
            now: NOW,
            closing: false,
            most: 1,
            keep_settled_ms: 0,
            prune_for: Duration::ZERO,
            doorbells: &[],
        };
        open.cycle(&database, &mut [], &[], &round).unwrap();
        append(&host, 1);
        assert_eq!(open.notice().unwrap(), Some((7, 1)), "what the relay appended is its own");
    }
}
