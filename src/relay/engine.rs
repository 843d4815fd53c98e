//! Runs lanes against a store and transports, one step at a time, without waiting.
//!
//! One thread, one connection and one commit per cycle serve all subscriptions of a relay. Whoever
//! drives it (a thread in production, a simulation from a seed) decides when to step again.

use super::cycle::{Open, Round};
use super::lane::{Lane, Moment, TickMs};
use super::pruning::{PRUNE_ALONE_FOR, PRUNE_BESIDE_FOR};
use super::served::{Phase, Served};
use super::share::Share;
use crate::clock::millis;
use crate::database::Database;
use crate::error::{Error, ErrorKind, Result};
use crate::store::{self, Role, subscription};
use crate::transport::{Event, Sink};
use crate::wake::Doorbell;
use rusqlite::Connection;
use std::time::Duration;

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
    doorbells: Vec<Doorbell>,
    share: Share,
    retry_open: TickMs,
    failures: u32,
    closing: bool,
}

impl Engine {
    pub(super) fn new(database: Database, connection: Connection) -> Result<Self> {
        let open = Some(Open::new(connection)?);
        Ok(Self {
            database,
            open,
            served: Vec::new(),
            keep_settled_ms: 0,
            doorbells: Vec::new(),
            share: Share::new(),
            retry_open: TickMs::MIN,
            failures: 0,
            closing: false,
        })
    }

    pub(super) fn serve(&mut self, served: Served) {
        self.served.push(served);
    }

    /// Is told by this bell of commits, and lets its side pass.
    pub(super) fn woken_by(&mut self, doorbell: Doorbell) {
        self.doorbells.push(doorbell);
    }

    pub(super) fn doorbells(&self) -> &[Doorbell] {
        &self.doorbells
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
        self.served.iter_mut().for_each(Served::look_again);
    }

    /// Whether another connection committed since the last look: the one statement of an idle
    /// relay.
    pub(super) fn notice(&mut self) -> Result<bool> {
        let Some(open) = &mut self.open else { return Ok(false) };
        let (last_seq, came) = match open.notice() {
            Ok(Some(news)) => news,
            Ok(None) => return Ok(false),
            // The next step opens anew, and looks at everything.
            Err(error) => return self.recover(error, self.now()).map(|_| true),
        };
        mistake!(WakeUpLost: return Ok(false));
        let tick = self.database.now().tick;
        self.share.others_wrote(tick, came);
        self.served.iter_mut().for_each(|served| served.check_end(last_seq));
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
            self.open = Some(Open::new(connection)?);
        }
        self.progress(sinks, now)?;
        // Rounded up: short by a tick, the rest that others count on would be none.
        let free_at = millis(self.share.free_at() + Duration::from_micros(999));
        // A relay that stops has only little left to write, and writes it.
        if now.tick < free_at && !self.closing {
            return Ok(Next::At(free_at));
        }
        if self.has_work(now) {
            self.cycle(sinks, now)?;
            return Ok(Next::Now);
        }
        Ok(self.next(now))
    }

    fn cycle(&mut self, sinks: &[Sink], now: Moment) -> Result<()> {
        let Self { open, served, closing, keep_settled_ms, share, database, doorbells, .. } = self;
        let Some(open) = open else { return Ok(()) };
        let tick = database.now().tick;
        let (closing, keep_settled_ms, most) = (*closing, *keep_settled_ms, share.most(tick));
        let prune_for = if share.is_alone(tick) { PRUNE_ALONE_FOR } else { PRUNE_BESIDE_FOR };
        let round = Round { now, closing, most, keep_settled_ms, prune_for, doorbells };
        let held = open.cycle(database, served, sinks, &round)?;
        share.held(&held, open.pruning.is_due(now));
        Ok(())
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
        let gone = self.served.iter().any(|served| served.gone.is_some());
        // A relay that stops takes what it settled last out of the log, and leaves a backlog.
        let prunes = if closing { open.pruning.has_gathered() } else { open.pruning.is_due(now) };
        due || lanes || gone || prunes
    }

    fn next(&self, now: Moment) -> Next {
        self.next_of(now, |_| true)
    }

    fn next_of(&self, now: Moment, counts: impl Fn(&Served) -> bool) -> Next {
        let served = self.served.iter().filter(|served| counts(served));
        let wakes = served.filter_map(|served| served.wakes_at(now));
        let prunes = self.open.as_ref().and_then(|open| open.pruning.wakes_at(now));
        let due = self.open.as_ref().and_then(|open| open.next_due_ms);
        let due = due.map(|due| now.tick.saturating_add(due.saturating_sub(now.wall_ms).max(0)));
        match wakes.chain(due).chain(prunes).min() {
            Some(at) if at <= now.tick => Next::At(now.tick + 1),
            Some(at) => Next::At(at),
            None => Next::Event,
        }
    }

    /// After an error: nothing that memory knows is trusted. Some errors time can heal.
    fn recover(&mut self, error: Error, now: Moment) -> Result<Next> {
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
        let last = self.served.last_mut()?;
        match std::mem::replace(&mut last.phase, Phase::Closed) {
            Phase::Halted(error) => Some(error),
            _ => None,
        }
    }

    /// From now on nothing new is claimed.
    pub(super) fn close(&mut self) {
        self.closing = true;
        self.hurry();
    }

    /// Whether answers are still to come.
    pub(super) fn in_flight(&self) -> usize {
        self.served.iter().filter_map(Served::lane).map(Lane::in_flight).sum()
    }

    /// Whether nobody committed, and nothing is left to deliver but what waits for a person. If
    /// something is, all that is to be told is told now, not with the next message.
    pub(super) fn is_done(&mut self) -> Result<bool> {
        if !self.notice()? && self.is_idle() {
            return Ok(true);
        }
        self.hurry();
        Ok(false)
    }

    fn is_idle(&self) -> bool {
        self.is_idle_but(|_| false)
    }

    fn is_idle_but(&self, counts_as_idle: impl Fn(&Served) -> bool) -> bool {
        let idle = |served: &Served| match &served.phase {
            Phase::Running { lane, .. } => lane.is_idle(),
            Phase::Resting { .. } | Phase::Halted(_) => true,
            _ => counts_as_idle(served),
        };
        let now = self.now();
        let done = |open: &Open| open.next_due_ms.is_none() && open.pruning.is_idle(now);
        self.open.as_ref().is_some_and(done) && self.served.iter().all(idle)
    }

    pub(super) fn hurry(&mut self) {
        let now = self.now();
        for lane in self.served.iter_mut().filter_map(Served::lane_mut) {
            lane.hurry(now);
        }
        if let Some(open) = &mut self.open {
            open.pruning.hurry();
        }
    }

    /// Whether it would be idle if nothing came of standing by.
    #[cfg(feature = "testing")]
    pub(super) fn is_idle_beside(&self) -> bool {
        self.is_idle_but(stands_by)
    }

    /// Whether another relay has one of the subscriptions.
    #[cfg(feature = "testing")]
    pub(super) fn stands_by(&self) -> bool {
        self.served.iter().any(stands_by)
    }

    /// What is to be done next, but for looking whether another relay has let go.
    #[cfg(feature = "testing")]
    pub(super) fn next_beside(&self) -> Next {
        self.next_of(self.now(), |served| !stands_by(served))
    }

    /// How long the subscription that waits longest waits for an answer.
    #[cfg(feature = "testing")]
    pub(super) fn patience_ms(&self) -> i64 {
        let patience =
            |served: &Served| served.subscription.settings(&*served.transport).ack_timeout_ms;
        self.served.iter().map(patience).max().unwrap_or(0)
    }

    /// Notes that the subscriptions were closed in good order, and lets them go. One that is halted
    /// is not passed over: its error is the result.
    pub(super) fn finish(mut self) -> Result<()> {
        let (mut closed, mut halted) = (Ok(()), None);
        for served in &mut self.served {
            if let Some(open) = &mut self.open {
                closed = closed.and(close(&mut open.connection, served));
            }
            if let Phase::Halted(error) = std::mem::replace(&mut served.phase, Phase::Closed) {
                halted.get_or_insert(error);
            }
        }
        halted.map_or(closed, Err)
    }
}

impl Drop for Engine {
    /// Others may have the subscriptions before the transports end, and with them the consumers,
    /// which may take their time. The store is closed after them.
    fn drop(&mut self) {
        self.served.iter_mut().for_each(Served::release);
        self.served.clear();
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

#[cfg(feature = "testing")]
fn stands_by(served: &Served) -> bool {
    matches!(served.phase, Phase::Standby { .. })
}

fn running(served: &mut Served) -> Option<&mut Lane> {
    match &mut served.phase {
        Phase::Running { lane, .. } => Some(lane),
        _ => None,
    }
}
