//! A transport that ends in a function, on a thread, over something that is no envelope. Told to,
//! it does it wrong.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Mutex;
use std::sync::mpsc::{Sender, SyncSender, channel, sync_channel};
use std::thread;
use surehand::testing::conformance::Consumer;
use surehand::transport::{Function, Greeter, Hello, Outcome, Request, Settler, Welcome};
use surehand::{Envelope, Failure, Message, Transport};

/// What is wrong with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// Nothing.
    None,
    /// Leaves the last header out.
    DropsAHeader,
    /// Carries texts only.
    CarriesTexts,
    /// Writes keys in small letters.
    LowersKeys,
    /// Says that its end remembers.
    ClaimsAMemory,
    /// Gets lost when the function panics.
    DiesOfPanics,
    /// Goes on behind a failed message of a key.
    GoesOn,
    /// Takes no more than so many requests at once, and loses the others.
    HasAShortQueue,
}

pub(crate) struct Runner {
    fault: Fault,
    jobs: Sender<(Request, Settler)>,
    short: SyncSender<(Request, Settler)>,
}

impl Runner {
    pub(crate) fn start(consumer: Consumer, fault: Fault) -> Self {
        let (jobs, received) = channel::<(Request, Settler)>();
        let (short, few) = sync_channel::<(Request, Settler)>(8);
        let other = consumer.clone();
        thread::spawn(move || received.iter().for_each(|job| run(&consumer, job, fault)));
        thread::spawn(move || few.iter().for_each(|job| run(&other, job, fault)));
        Self { fault, jobs, short }
    }
}

impl Transport for Runner {
    fn deliver(&self, request: Request, settler: Settler) {
        match self.fault {
            Fault::HasAShortQueue => drop(self.short.try_send((request, settler))),
            _ => drop(self.jobs.send((request, settler))),
        }
    }

    fn hello(&self, _: Hello, greeter: Greeter) {
        greeter.welcome(match self.fault {
            Fault::ClaimsAMemory => Welcome::Registered { high: 0, settled_to: 0 },
            _ => Welcome::Stranger,
        });
    }

    fn remembers(&self) -> bool {
        self.fault == Fault::ClaimsAMemory
    }
}

fn run(consumer: &Consumer, (request, settler): (Request, Settler), fault: Fault) {
    let mut failed = Vec::new();
    for envelope in &request.envelopes {
        let blocked = envelope.key().is_some_and(|key| failed.iter().any(|other| other == key));
        if blocked && fault != Fault::GoesOn {
            settler.settle(envelope.ticket(), Outcome::Blocked);
            continue;
        }
        let message = message(envelope, fault);
        let taken = match fault {
            Fault::DiesOfPanics => consumer.take_blocking(message),
            _ => catch_unwind(AssertUnwindSafe(|| consumer.take_blocking(message)))
                .unwrap_or_else(|panic| Err(Failure::retry(*panic.downcast::<String>().unwrap()))),
        };
        if let Err(failure) = taken {
            failed.extend(envelope.key().map(String::from));
            settler.settle(envelope.ticket(), Outcome::Failed(failure));
        } else {
            settler.settle(envelope.ticket(), Outcome::delivered());
        }
    }
}

/// What travels of it.
fn message(envelope: &Envelope, fault: Fault) -> Message {
    let mut message = Message::new(envelope.topic()).id(envelope.id());
    message = match fault {
        Fault::CarriesTexts => {
            message.payload(String::from_utf8_lossy(envelope.payload()).as_ref())
        }
        _ => message.payload(envelope.payload()),
    };
    if let Some(key) = envelope.key() {
        message = match fault {
            Fault::LowersKeys => message.key(key.to_ascii_lowercase()),
            _ => message.key(key),
        };
    }
    if let Some(content_type) = envelope.content_type() {
        message = message.content_type(content_type);
    }
    let headers = serde_json::from_str::<serde_json::Value>(&envelope.headers_json()).unwrap();
    let left_out = usize::from(fault == Fault::DropsAHeader);
    for (name, value) in headers.as_object().unwrap().iter().skip(left_out) {
        message = message.header(name, value.as_str().unwrap());
    }
    message
}

/// Keeps every settler beside the work it is for, and forgets that work may end without an answer.
pub(crate) struct Hoarder {
    pub(crate) function: Function,
    pub(crate) kept: Mutex<Vec<Settler>>,
}

impl Transport for Hoarder {
    fn deliver(&self, request: Request, settler: Settler) {
        self.kept.lock().unwrap().push(settler.clone());
        self.function.deliver(request, settler);
    }
}
