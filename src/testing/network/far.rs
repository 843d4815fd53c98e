//! The consumer's end: an inbox that can be opened again, or a function that remembers nothing.

use crate::failure::Failure;
use crate::handoff::{Hello, Outcome, Request, Welcome};
use crate::id::Seq;
use crate::inbox::{Inbox, Prepared};
use crate::message::Envelope;
use crate::testing::script::Failed;
use crate::testing::world::World;
use crate::transport::{Settler, local};
use std::collections::{BTreeSet, HashMap};
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

type Open = dyn Fn(&World) -> Result<Inbox, Failed> + Send + Sync;
type Call = dyn Fn(&World, &Envelope) -> Result<(), Failure> + Send + Sync;

/// What a way leads to.
pub(crate) struct Far {
    kind: Kind,
    /// Nobody is there before this moment.
    pub(crate) away_until: Duration,
}

enum Kind {
    /// One that is open, and cannot be opened again.
    Open(Box<Inbox>),
    Inbox {
        open: Box<Open>,
        inbox: Option<Box<Inbox>>,
    },
    Function(Box<Call>),
}

impl Far {
    pub(crate) fn inbox(inbox: Inbox) -> Self {
        Self { kind: Kind::Open(Box::new(inbox)), away_until: Duration::ZERO }
    }

    /// Opens it for the first time; says which topics it takes.
    pub(crate) fn opened_by(
        open: impl Fn(&World) -> Result<Inbox, Failed> + Send + Sync + 'static,
        world: &World,
    ) -> Result<(Self, Vec<String>), Failed> {
        let inbox = open(world)?;
        let topics = inbox.topics();
        let kind = Kind::Inbox { open: Box::new(open), inbox: Some(Box::new(inbox)) };
        Ok((Self { kind, away_until: Duration::ZERO }, topics))
    }

    pub(crate) fn function(
        call: impl Fn(&World, &Envelope) -> Result<(), Failure> + Send + Sync + 'static,
    ) -> Self {
        Self { kind: Kind::Function(Box::new(call)), away_until: Duration::ZERO }
    }

    /// Opens it again if it is not open.
    pub(crate) fn open(&mut self, world: &World) -> Result<(), Failed> {
        if let Kind::Inbox { open, inbox } = &mut self.kind
            && inbox.is_none()
        {
            *inbox = Some(Box::new(open(world)?));
        }
        Ok(())
    }

    /// Takes its process away; none when it is not there or could not be opened again.
    pub(crate) fn kill(&mut self) -> Option<Box<Inbox>> {
        match &mut self.kind {
            Kind::Inbox { inbox, .. } => inbox.take(),
            Kind::Open(_) | Kind::Function(_) => None,
        }
    }

    /// Answers a hello; none when its database fails.
    pub(crate) fn hello(&mut self, hello: &Hello) -> Option<Welcome> {
        match &mut self.kind {
            Kind::Open(inbox) | Kind::Inbox { inbox: Some(inbox), .. } => inbox.hello(hello).ok(),
            Kind::Inbox { inbox: None, .. } => None,
            Kind::Function(_) => Some(Welcome::Stranger),
        }
    }

    /// Applies a request, and answers it.
    pub(crate) fn deliver(&mut self, world: &World, request: &Request, settler: &Settler) {
        match &mut self.kind {
            Kind::Open(inbox) | Kind::Inbox { inbox: Some(inbox), .. } => {
                if let Ok(prepared) = prepare(inbox, world, request) {
                    local::deliver(inbox, request, &prepared, settler);
                }
            }
            Kind::Inbox { inbox: None, .. } => {}
            Kind::Function(call) => hand_over(call, world, request, settler),
        }
    }
}

/// Runs the `prepare` steps. One that is dropped takes its request with it, unanswered.
fn prepare(
    inbox: &Inbox,
    world: &World,
    request: &Request,
) -> Result<HashMap<Seq, Result<Prepared, Failure>>, Failed> {
    let preparers = inbox.preparers();
    let mut prepared = HashMap::new();
    for envelope in &request.envelopes {
        if let Some(step) = preparers.start(envelope) {
            let driven = catch_unwind(AssertUnwindSafe(|| world.drive_alone(step)));
            let result = match driven {
                Ok(result) => result?,
                Err(panic) => Err(Failure::panicked("the prepare step", &*panic)),
            };
            prepared.insert(envelope.seq(), result);
        }
    }
    Ok(prepared)
}

/// One after the other; after a failure the rest of the key has to wait, as in
/// [`function`](crate::transport::function).
fn hand_over(call: &Call, world: &World, request: &Request, settler: &Settler) {
    let mut blocked = BTreeSet::new();
    for envelope in &request.envelopes {
        let outcome = match envelope.key() {
            Some(key) if blocked.contains(key) => Outcome::Blocked,
            key => match called(call, world, envelope) {
                Ok(()) => Outcome::delivered(),
                Err(failure) => {
                    blocked.extend(key);
                    Outcome::Failed(failure)
                }
            },
        };
        settler.settle(envelope.ticket(), outcome);
    }
}

/// A panic is a failure of the message.
fn called(call: &Call, world: &World, envelope: &Envelope) -> Result<(), Failure> {
    let called = catch_unwind(AssertUnwindSafe(|| call(world, envelope)));
    called.unwrap_or_else(|panic| Err(Failure::panicked("the function", &*panic)))
}

impl fmt::Debug for Far {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Far").field("away_until", &self.away_until).finish_non_exhaustive()
    }
}
