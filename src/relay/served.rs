//! A subscription as it is served: from standing by to running, and why it halted.

mod opening;
mod planning;

use super::Subscription;
use super::halt::{consumer_rewound, log_ends, rewound};
use super::lane::{Lane, Moment, Plan, TickMs, Trouble};
use super::lock::Lock;
use crate::database::Database;
use crate::error::{Error, Result};
use crate::handoff::{Hello, Welcome};
use crate::id::{Incarnation, Seq, StoreId};
use crate::store::subscription;
use crate::store::subscription::Position;
use crate::topics::Topics;
use crate::transport::{Event, Greeter, Sink, Transport, Unreachable};
use rusqlite::Connection;

/// A standby tries for the lock so often.
const STANDBY_MS: i64 = 25;
/// A paused subscription is looked at so often, should nobody's commit tell earlier.
const RESTING_MS: i64 = 1_000;

pub(super) struct Served {
    pub(super) subscription: Subscription,
    pub(super) transport: Box<dyn Transport>,
    pub(super) topics: Topics,
    lock: Option<Lock>,
    pub(super) phase: Phase,
    /// What the cycle that comes is to write and send, and where the subscription stood before.
    pub(super) planned: Option<(Position, Plan)>,
    /// How often the other side was greeted anew.
    greeting: u64,
    /// An earlier lane of this process served it: what was under way is no crash.
    opened_before: bool,
    /// This relay has seen its row: if that is gone, somebody removed the subscription.
    seen: bool,
    /// The destination said that it will not come back, and how: to be paused by the next cycle.
    pub(super) gone: Option<String>,
}

/// Where a subscription stands with its destination.
pub(super) enum Phase {
    /// Another relay has the lock.
    Standby {
        again: TickMs,
    },
    /// To be opened.
    Closed,
    /// Asked the other side to listen to us.
    Greeting {
        lane: Box<Lane>,
        number: i64,
        hello: Hello,
        again: TickMs,
    },
    Running {
        lane: Box<Lane>,
        number: i64,
        hello: Hello,
    },
    /// The other side listens to another incarnation: is our own row still ours?
    Refused {
        number: i64,
        hello: Hello,
        registered: Incarnation,
    },
    /// Paused or detached.
    Resting {
        again: TickMs,
    },
    /// Only a person can help.
    Halted(Error),
}

impl Served {
    pub(super) fn new(subscription: Subscription, transport: Box<dyn Transport>) -> Self {
        let topics = subscription.chosen_topics(transport.topics());
        let phase = Phase::Standby { again: TickMs::MIN };
        let (lock, planned, greeting, opened_before, seen) = (None, None, 0, false, false);
        let gone = None;
        Self {
            subscription,
            transport,
            topics,
            lock,
            phase,
            planned,
            greeting,
            opened_before,
            seen,
            gone,
        }
    }

    /// Moves on as far as it can without an answer.
    pub(super) fn progress(
        &mut self,
        connection: &mut Connection,
        (database, store): (&Database, StoreId),
        sink: &Sink,
        now: Moment,
    ) -> Result<()> {
        match &self.phase {
            Phase::Standby { again } if *again <= now.tick => {
                self.lock = Lock::take(database, &self.subscription.name)?;
                self.phase = match self.lock {
                    Some(_) => Phase::Closed,
                    None => Phase::Standby { again: now.tick + STANDBY_MS },
                };
                // Removed while it stands by, it is not to be made anew when its turn comes.
                self.seen = self.seen
                    || self.lock.is_none()
                        && subscription::find(connection, &self.subscription.name)?.is_some();
            }
            Phase::Resting { again } if *again <= now.tick => self.phase = Phase::Closed,
            _ => {}
        }
        if let Phase::Refused { number, hello, registered } = &self.phase {
            let own = subscription::guard(connection, *number)?.map(|(incarnation, _)| incarnation);
            if own == Some(hello.incarnation) && !mistake!(ProducerRestoreUnnoticed) {
                let detail = format!(
                    "the consumer knows epoch {}, and this store is at {}",
                    registered.epoch, hello.incarnation.epoch
                );
                self.halt(rewound(&self.subscription.name, &detail));
            } else {
                self.phase = Phase::Closed;
            }
        }
        if let Phase::Closed = self.phase {
            match self.open(connection, database, store, now)? {
                Phase::Halted(error) => self.halt(error),
                phase => self.phase = phase,
            }
        }
        if let Phase::Greeting { hello, again, lane, .. } = &mut self.phase
            && *again <= now.tick
        {
            *again = now.tick + lane.settings().ack_timeout_ms.clamp(100, 5_000);
            let greeter = Greeter::new(hello.incarnation, self.greeting, sink.clone());
            self.transport.hello(*hello, greeter);
        }
        Ok(())
    }

    /// Where the log ends by now. A counter that was set back gives out places the lane is past.
    pub(super) fn check_end(&mut self, last_seq: Seq) {
        if self.lane().is_some_and(|lane| last_seq < lane.sent_to()) {
            self.halt(log_ends(&self.subscription.name));
        }
    }

    /// Something came from the transport. What an earlier incarnation's transport says about
    /// messages counts; what it says about its requests does not.
    pub(super) fn heard(&mut self, event: Event, now: Moment) {
        match event {
            // An old answer says where the other side was then: before what it acknowledged since.
            Event::Welcome { greeting, .. } if greeting != self.greeting => {}
            Event::Welcome { incarnation, welcome, .. } => self.welcomed(incarnation, welcome),
            Event::Answers(answers) => {
                if let Some(lane) = self.lane_mut() {
                    for answer in answers {
                        lane.answered(answer, now);
                    }
                }
            }
            Event::Confirmed(incarnation, request) => {
                if let Some(lane) = self.lane_of(incarnation) {
                    lane.confirmed(request, now);
                }
            }
            Event::Closed { incarnation, request, unreachable } => {
                if let Some(lane) = self.lane_of(incarnation) {
                    if let Some(Unreachable { why, rest }) = &unreachable {
                        tracing::debug!(%why, "the destination could not be reached");
                        lane.leave_alone(rest.unwrap_or_default(), now);
                    }
                    lane.closed(request, unreachable.map(|_| Trouble::Unreachable), now);
                }
            }
            Event::Gone(incarnation, why) if self.lane_of(incarnation).is_some() => {
                self.gone = Some(why);
            }
            Event::Fenced(incarnation) if self.lane_of(incarnation).is_some() => {
                self.greet_again(now);
            }
            Event::Rewound(..) if mistake!(ProducerRestoreUnnoticed) => {}
            Event::Rewound(incarnation, detail) if self.lane_of(incarnation).is_some() => {
                self.halt(rewound(&self.subscription.name, &detail));
            }
            Event::Fenced(_) | Event::Rewound(..) | Event::Gone(..) => {}
        }
    }

    /// The other side does not listen to us (any more): the same hello tells whom it listens to.
    fn greet_again(&mut self, now: Moment) {
        let phase = std::mem::replace(&mut self.phase, Phase::Closed);
        self.phase = match phase {
            Phase::Running { mut lane, number, hello } => {
                lane.fenced(now);
                self.greeting += 1;
                Phase::Greeting { lane, number, hello, again: now.tick }
            }
            other => other,
        };
    }

    /// Rules 3 and 4: is the other side's memory of us older than ours, or newer?
    fn welcomed(&mut self, incarnation: Incarnation, welcome: Welcome) {
        let phase = std::mem::replace(&mut self.phase, Phase::Closed);
        let (lane, number, hello) = match phase {
            Phase::Greeting { lane, number, hello, .. } if hello.incarnation == incarnation => {
                (lane, number, hello)
            }
            other => {
                self.phase = other;
                return;
            }
        };
        let name = &self.subscription.name;
        match welcome {
            Welcome::Registered { high, .. }
                if high > lane.sent_to() && !mistake!(ProducerRestoreUnnoticed) =>
            {
                let detail =
                    format!("the consumer has seen place {high}, we sent up to {}", lane.sent_to());
                self.halt(rewound(name, &detail));
            }
            Welcome::Registered { high, settled_to }
                if high < lane.acked_to() && !mistake!(ConsumerRestoreUnnoticed) =>
            {
                self.halt(consumer_rewound(name, high, lane.acked_to(), settled_to));
            }
            Welcome::Registered { .. } | Welcome::Stranger => {
                tracing::info!(
                    messaging.system = "surehand",
                    messaging.destination.subscription.name = %name,
                    surehand.epoch = incarnation.epoch,
                    "the relay serves the subscription"
                );
                self.phase = Phase::Running { lane, number, hello };
            }
            Welcome::Refused { registered } => {
                self.phase = Phase::Refused { number, hello, registered };
            }
        }
    }

    pub(super) fn halt(&mut self, error: Error) {
        tracing::error!(
            messaging.system = "surehand",
            messaging.destination.subscription.name = %self.subscription.name,
            %error,
            "delivery is halted"
        );
        self.phase = Phase::Halted(error);
    }

    /// A cycle wrote that it is paused: what memory knows of it is dropped.
    pub(super) fn paused(&mut self, why: &str) {
        tracing::error!(
            messaging.system = "surehand",
            messaging.destination.subscription.name = %self.subscription.name,
            why,
            "the destination is gone for good: the subscription is paused until somebody resumes it"
        );
        self.reopen();
    }

    /// Somebody committed: there may be more to read, or a person may have resumed it.
    pub(super) fn look_again(&mut self) {
        match &mut self.phase {
            Phase::Resting { again } => *again = TickMs::MIN,
            Phase::Greeting { lane, .. } | Phase::Running { lane, .. } => lane.look_again(),
            _ => {}
        }
    }

    /// Drops what memory knows, and reads again.
    pub(super) fn reopen(&mut self) {
        self.gone = None;
        if matches!(self.phase, Phase::Greeting { .. } | Phase::Running { .. }) {
            self.phase = Phase::Closed;
        }
    }

    pub(super) fn lane(&self) -> Option<&Lane> {
        match &self.phase {
            Phase::Greeting { lane, .. } | Phase::Running { lane, .. } => Some(lane),
            _ => None,
        }
    }

    pub(super) fn lane_mut(&mut self) -> Option<&mut Lane> {
        match &mut self.phase {
            Phase::Greeting { lane, .. } | Phase::Running { lane, .. } => Some(lane),
            _ => None,
        }
    }

    fn lane_of(&mut self, incarnation: Incarnation) -> Option<&mut Lane> {
        self.lane_mut().filter(|lane| lane.incarnation() == incarnation)
    }

    /// When it has something to do on its own.
    pub(super) fn wakes_at(&self, now: Moment) -> Option<TickMs> {
        match &self.phase {
            Phase::Standby { again } | Phase::Resting { again } => Some(*again),
            Phase::Closed | Phase::Refused { .. } => Some(now.tick),
            Phase::Greeting { again, .. } => Some(*again),
            Phase::Running { lane, .. } => lane.wakes_at(now),
            Phase::Halted(_) => None,
        }
    }

    /// Lets the next one in line have it.
    pub(super) fn release(&mut self) {
        self.lock = None;
    }
}
