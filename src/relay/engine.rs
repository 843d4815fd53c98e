//! Runs lanes against a store and transports, one step at a time, without waiting.
//!
//! One thread, one connection and one commit per cycle serve all subscriptions of a relay. Whoever
//! drives it (a thread in production, a simulation from a seed) decides when to step again.

use super::lane::{Batch, Lane, Moment, Plan, Sending, TickMs};
use super::served::{Phase, ReadAhead, Served};
use super::share::Share;
use crate::clock::millis;
use crate::database::Database;
use crate::error::{Error, ErrorKind, Result};
use crate::handoff::{Hello, Request};
use crate::id::StoreId;
use crate::store::log::Reader;
use crate::store::subscription::{self, Position, SubscriptionState};
use crate::store::{self, FileIdentity, Role, delivery, log, stats, transaction};
use crate::transport::{Event, Settler, Sink};
use rusqlite::Connection;
use std::time::Duration;

/// Rows deleted or appended by one cycle at the most: no cycle keeps others waiting for long.
const SLICE: i64 = 512;
/// A cycle with fewer messages than this follows the others' own commits and crowds nobody.
const CROWDING: usize = 32;
/// Somebody who wrote so lately will write again.
const LATELY_MS: i64 = 100;
/// How long skips, replacements and such are remembered.
const KEEP_NOTES_MS: i64 = 7 * 24 * 60 * 60 * 1_000;

/// What is to be done next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Next {
    /// Step again at once.
    Now,
    /// Step again then, or when something happens.
    At(TickMs),
    /// Step again when something happens.
    Event,
}

pub(super) struct Engine {
    database: Database,
    open: Option<Open>,
    served: Vec<Served>,
    keep_settled_ms: i64,
    others_wrote: TickMs,
    share: Share,
    retry_open: TickMs,
    failures: u32,
    closing: bool,
}

struct Open {
    connection: Connection,
    file: FileIdentity,
    store: StoreId,
    reader: Reader,
    data_version: i64,
    /// When the next scheduled message is due, by the wall clock.
    next_due_ms: Option<i64>,
    /// There is more to delete.
    unpruned: bool,
}

impl Open {
    fn new(database: &Database, connection: Connection) -> Result<Self> {
        let file = FileIdentity::of(database.path());
        let store = log::store(&connection)?.map(|store| store.id);
        let store = store.ok_or_else(|| {
            Error::new(ErrorKind::NotADatabase, "the outbox has lost its identity", "restore it")
        })?;
        let data_version = stats::data_version(&connection)?;
        let next_due_ms = log::next_due(&connection)?;
        let reader = Reader::new(store);
        Ok(Self { connection, file, store, reader, data_version, next_due_ms, unpruned: true })
    }
}

impl Engine {
    pub(super) fn new(database: Database, connection: Connection) -> Result<Self> {
        let open = Some(Open::new(&database, connection)?);
        Ok(Self {
            database,
            open,
            served: Vec::new(),
            keep_settled_ms: 0,
            others_wrote: TickMs::MIN / 2,
            share: Share::new(),
            retry_open: TickMs::MIN,
            failures: 0,
            closing: false,
        })
    }

    pub(super) fn serve(&mut self, served: Served) {
        self.served.push(served);
    }

    /// How many subscriptions are served.
    pub(super) fn served(&self) -> usize {
        self.served.len()
    }

    pub(super) fn keep_settled(&mut self, time: Duration) {
        self.keep_settled_ms = millis(time);
    }

    pub(super) fn database(&self) -> &Database {
        &self.database
    }

    pub(super) fn now(&self) -> Moment {
        let now = self.database.now();
        Moment { tick: millis(now.tick), wall_ms: now.wall_ms }
    }

    /// Something came from a transport.
    pub(super) fn heard(&mut self, served: usize, event: Event) {
        let now = self.now();
        if let Some(served) = self.served.get_mut(served) {
            served.heard(event, now);
        }
    }

    /// Somebody says that there was a commit.
    pub(super) fn look_again(&mut self) {
        for lane in self.served.iter_mut().filter_map(Served::lane_mut) {
            lane.look_again();
        }
    }

    /// Whether another connection committed since the last look: the one statement of an idle
    /// relay.
    pub(super) fn notice(&mut self) -> Result<bool> {
        let Some(open) = &mut self.open else { return Ok(false) };
        let version = stats::data_version(&open.connection)?;
        if version == open.data_version {
            return Ok(false);
        }
        open.data_version = version;
        open.next_due_ms = log::next_due(&open.connection)?;
        self.others_wrote = self.now().tick;
        self.look_again();
        Ok(true)
    }

    /// One step: answers and time into lanes, at most one transaction, then what is to be sent.
    ///
    /// # Errors
    ///
    /// When the outbox cannot be served any more.
    pub(super) fn step(&mut self, sinks: &[Sink]) -> Result<Next> {
        let now = self.now();
        for lane in self.served.iter_mut().filter_map(Served::lane_mut) {
            lane.tick(now);
        }
        if let Some(error) = self.all_halted() {
            return Err(error);
        }
        if now.tick < self.retry_open {
            return Ok(Next::At(self.retry_open));
        }
        match self.try_step(sinks, now) {
            Ok(next) => {
                self.failures = 0;
                Ok(next)
            }
            Err(error) => self.recover(error, now),
        }
    }

    fn try_step(&mut self, sinks: &[Sink], now: Moment) -> Result<Next> {
        if self.open.is_none() {
            let connection = store::open(&self.database, Role::Outbox)?;
            self.open = Some(Open::new(&self.database, connection)?);
        }
        self.progress(sinks, now)?;
        let free_at = millis(self.share.free_at());
        if now.tick < free_at {
            return Ok(Next::At(free_at));
        }
        if self.has_work(now) {
            let (locked, messages) = self.cycle(sinks, now)?;
            if messages >= CROWDING && now.tick - self.others_wrote < LATELY_MS {
                self.share.held(locked, self.database.now().tick);
            }
            return Ok(Next::Now);
        }
        Ok(self.next(now))
    }

    fn progress(&mut self, sinks: &[Sink], now: Moment) -> Result<()> {
        let Some(open) = &mut self.open else { return Ok(()) };
        if self.closing {
            return Ok(());
        }
        for (served, sink) in self.served.iter_mut().zip(sinks) {
            served.progress(&mut open.connection, (&self.database, open.store), sink, now)?;
        }
        Ok(())
    }

    fn has_work(&mut self, now: Moment) -> bool {
        let Some(open) = &self.open else { return false };
        let due = !self.closing && open.next_due_ms.is_some_and(|due| due <= now.wall_ms);
        let closing = self.closing;
        let mut lanes = self.served.iter_mut().filter_map(running);
        let lanes =
            lanes.any(|lane| lane.must_settle(now) || !closing && lane.wants(now).is_some());
        due || lanes || open.unpruned
    }

    fn next(&self, now: Moment) -> Next {
        let wakes = self.served.iter().filter_map(|served| served.wakes_at(now));
        let due = self.open.as_ref().and_then(|open| open.next_due_ms);
        let due = due.map(|due| now.tick + (due - now.wall_ms).max(0));
        match wakes.chain(due).min() {
            Some(at) if at <= now.tick => Next::At(now.tick + 1),
            Some(at) => Next::At(at),
            None => Next::Event,
        }
    }

    /// One IMMEDIATE transaction: check the epochs, decide, write, commit; then send (rule 6). New
    /// messages are read before it, so that the lock is not held for that: the log is append-only,
    /// and the commit that follows syncs every frame that was visible. Says when it took the lock,
    /// and how many messages went.
    fn cycle(&mut self, sinks: &[Sink], now: Moment) -> Result<(Duration, usize)> {
        let Some(open) = &mut self.open else { return Ok((Duration::MAX, 0)) };
        open.file.check(self.database.path())?;
        for served in &mut self.served {
            served.read_ahead(&open.connection, &mut open.reader, self.closing, now)?;
        }
        transaction::begin(&open.connection)?;
        let locked = self.database.now().tick;
        let keep_from = now.wall_ms - self.keep_settled_ms;
        let worked = Self::work(open, &mut self.served, self.closing, keep_from, now);
        let cycle = match worked {
            Ok(cycle) => cycle,
            Err(error) => {
                // The connection is dropped with what it remembers.
                let _ = transaction::rollback(&open.connection);
                return Err(error);
            }
        };
        if cycle.wrote {
            transaction::commit(&open.connection)?;
        } else {
            transaction::rollback(&open.connection)?;
        }
        let mut messages = 0;
        for (index, hello, sending) in cycle.send {
            messages += sending.envelopes.len();
            if let (Some(served), Some(sink)) = (self.served.get(index), sinks.get(index)) {
                send(served, hello, sending, sink);
            }
        }
        Ok((locked, messages))
    }

    fn work(
        open: &mut Open,
        all: &mut [Served],
        closing: bool,
        keep_from_ms: i64,
        now: Moment,
    ) -> Result<Cycle> {
        let mut cycle = Cycle::default();
        if !closing && open.next_due_ms.is_some_and(|due| due <= now.wall_ms) {
            cycle.wrote |= log::append_due(&open.connection, now.wall_ms, SLICE)? > 0;
            open.next_due_ms = log::next_due(&open.connection)?;
            cycle.appended = true;
        }
        for (index, served) in all.iter_mut().enumerate() {
            Self::work_one(open, served, index, &mut cycle, now)?;
            // After the lane took what was read before: that ends where the log ended then.
            if let Some(lane) = served.lane_mut().filter(|_| cycle.appended) {
                lane.look_again();
            }
        }
        cycle.wrote |= prune(open, keep_from_ms, now)?;
        Ok(cycle)
    }

    fn work_one(
        open: &mut Open,
        served: &mut Served,
        index: usize,
        cycle: &mut Cycle,
        now: Moment,
    ) -> Result<()> {
        let Phase::Running { lane, number, hello } = &mut served.phase else { return Ok(()) };
        let ahead = served.ahead.take();
        if ahead.is_none() && !lane.must_settle(now) {
            return Ok(());
        }
        let guard = subscription::guard(&open.connection, *number)?;
        if guard != Some((lane.incarnation(), SubscriptionState::Active)) {
            // Redriven, skipped, paused or removed by somebody, or taken over (rule 8).
            served.reopen();
            return Ok(());
        }
        let before = lane.position();
        let ReadAhead { at, fresh, more } = ahead.unwrap_or_default();
        let mut batch = Batch { at: Vec::with_capacity(at.len()), fresh, more };
        for seq in at {
            batch.at.push((seq, open.reader.read_at(&open.connection, *number, seq)?));
        }
        let plan = lane.plan(batch, now);
        cycle.wrote |= write(&open.connection, *number, before, &plan, now)?;
        open.unpruned |= plan.position.settled_to != before.settled_to;
        if let Some(sending) = plan.send {
            cycle.send.push((index, *hello, sending));
        }
        Ok(())
    }

    /// After an error: nothing that memory knows is trusted. Some errors time can heal.
    pub(super) fn recover(&mut self, error: Error, now: Moment) -> Result<Next> {
        use ErrorKind::{Busy, DiskFull, Fenced, Sqlite, Unknown};
        if !matches!(error.kind(), Busy | DiskFull | Unknown | Sqlite | Fenced) {
            return Err(error);
        }
        tracing::warn!(%error, "the relay's database failed; it is opened anew");
        if error.kind() != Busy {
            self.open = None;
        }
        for served in &mut self.served {
            served.reopen();
        }
        self.failures = self.failures.saturating_add(1);
        self.retry_open = now.tick + (10_i64 << self.failures.min(9));
        Ok(Next::At(self.retry_open))
    }

    /// The error of the last one that halted, when nobody is left to serve.
    fn all_halted(&mut self) -> Option<Error> {
        let halted = |served: &Served| matches!(served.phase, Phase::Halted(_));
        if self.served.is_empty() || !self.served.iter().all(halted) {
            return None;
        }
        let last = self.served.pop()?;
        self.served.clear();
        if let Phase::Halted(error) = last.phase { Some(error) } else { None }
    }

    /// From now on nothing new is claimed.
    pub(super) fn close(&mut self) {
        self.closing = true;
        let now = self.now();
        for lane in self.served.iter_mut().filter_map(Served::lane_mut) {
            lane.hurry(now);
        }
    }

    /// Whether answers are still to come.
    pub(super) fn in_flight(&self) -> usize {
        self.served.iter().filter_map(Served::lane).map(Lane::in_flight).sum()
    }

    /// Whether something is known that is not written yet: others may have the lock first.
    pub(super) fn has_to_settle(&mut self) -> bool {
        let now = self.now();
        self.served.iter_mut().filter_map(running).any(|lane| lane.must_settle(now))
    }

    /// Whether nothing is left to deliver but what waits for a person.
    pub(super) fn is_idle(&self) -> bool {
        let idle = |served: &Served| match &served.phase {
            Phase::Running { lane, .. } => lane.is_idle(),
            Phase::Resting { .. } | Phase::Halted(_) => true,
            _ => false,
        };
        self.open.as_ref().is_some_and(|open| open.next_due_ms.is_none() && !open.unpruned)
            && self.served.iter().all(idle)
    }

    /// Everything to be told is told now, not with the next message.
    pub(super) fn hurry(&mut self) {
        let now = self.now();
        for lane in self.served.iter_mut().filter_map(Served::lane_mut) {
            lane.hurry(now);
        }
    }

    /// Notes that the subscriptions were closed in good order, and lets them go. The transports,
    /// and with them the consumers, end before the store is closed. One that is halted is not
    /// passed over: its error is the result.
    pub(super) fn finish(mut self) -> Result<()> {
        let (mut closed, mut halted) = (Ok(()), None);
        for mut served in std::mem::take(&mut self.served) {
            if let Some(open) = &mut self.open {
                closed = closed.and(close(&mut open.connection, &served));
            }
            if let Phase::Halted(error) = std::mem::replace(&mut served.phase, Phase::Closed) {
                halted.get_or_insert(error);
            }
            served.release();
        }
        halted.map_or(closed, Err)
    }
}

/// Notes that it ended in good order, if the subscription is ours: greeting, running, or paused.
fn close(connection: &mut Connection, served: &Served) -> Result<()> {
    store::write(connection, "close a subscription", |transaction| match &served.phase {
        Phase::Greeting { lane, number, .. } | Phase::Running { lane, number, .. } => {
            subscription::close(transaction, *number, lane.incarnation())
        }
        Phase::Resting { .. } => {
            let row = subscription::find(transaction, &served.subscription.name)?;
            row.map_or(Ok(()), |row| subscription::close(transaction, row.number, row.incarnation))
        }
        _ => Ok(()),
    })
}

/// What one cycle did.
#[derive(Default)]
struct Cycle {
    wrote: bool,
    /// The log has grown by messages that became due.
    appended: bool,
    send: Vec<(usize, Hello, Sending)>,
}

fn running(served: &mut Served) -> Option<&mut Lane> {
    match &mut served.phase {
        Phase::Running { lane, .. } => Some(lane),
        _ => None,
    }
}

fn write(
    connection: &Connection,
    number: i64,
    before: Position,
    plan: &Plan,
    now: Moment,
) -> Result<bool> {
    let tally = plan.tally != subscription::Tally::default();
    if plan.changes.is_empty() && plan.position == before && plan.send.is_none() && !tally {
        return Ok(false);
    }
    subscription::advance(connection, number, &plan.position, &plan.tally)?;
    for change in &plan.changes {
        if delivery::apply(connection, number, change, now.wall_ms)? {
            tracing::error!(?change, "a message was applied although it had been skipped");
        }
    }
    Ok(true)
}

/// Deletes a slice of what every subscription has settled and nobody wants to keep.
fn prune(open: &mut Open, keep_from_ms: i64, now: Moment) -> Result<bool> {
    if !open.unpruned {
        return Ok(false);
    }
    let connection = &open.connection;
    let from = log::pruned_to(connection)?;
    let settled = subscription::hold(connection)?.unwrap_or(from);
    let slice = settled.min(from + SLICE);
    let kept = if keep_from_ms < now.wall_ms {
        log::first_younger(connection, from, slice, keep_from_ms)?
    } else {
        None
    };
    let through = kept.map_or(slice, |seq| seq - 1);
    open.unpruned = through == slice && slice < settled;
    if through <= from {
        return Ok(false);
    }
    log::prune(connection, from, through)?;
    log::forget_keys(connection, now.wall_ms, SLICE)?;
    store::dead::forget(connection, now.wall_ms - KEEP_NOTES_MS, SLICE)?;
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
    let Hello { store, subscription, incarnation } = hello;
    let stated = !statement.is_empty();
    let settler = Settler::new(incarnation, request, envelopes.len(), stated, sink.clone());
    let request = Request { store, subscription, incarnation, settled: statement, envelopes };
    served.transport.deliver(request, settler);
}
