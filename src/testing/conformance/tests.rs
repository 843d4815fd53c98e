//! Transports that are wrong in what only this crate can reach: the inside of an envelope, and what
//! was prepared.

use super::{Conformance, Finding};
use crate::failure::Failure;
use crate::handoff::{Hello, Request};
use crate::id::Seq;
use crate::inbox::{Inbox, Preparers};
use crate::message::{Envelope, fingerprint};
use crate::transport::{Greeter, Local, Settler, Transport, local};
use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use tokio::task::JoinError;

/// Changes something in every envelope, with a new checksum for it.
struct Tamperer {
    local: Local,
    change: fn(&mut Envelope),
}

impl Transport for Tamperer {
    fn deliver(&self, mut request: Request, settler: Settler) {
        for envelope in &mut request.envelopes {
            (self.change)(envelope);
            envelope.fingerprint = fingerprint(envelope.id, &envelope.parts);
        }
        self.local.deliver(request, settler);
    }

    fn hello(&self, hello: Hello, greeter: Greeter) {
        self.local.hello(hello, greeter);
    }

    fn remembers(&self) -> bool {
        true
    }

    fn topics(&self) -> Vec<String> {
        self.local.topics()
    }
}

#[track_caller]
fn is_found(change: fn(&mut Envelope), check: &str) {
    let make = move |inbox| Tamperer { local: Local::new(inbox), change };
    let report = Conformance::with_inbox("tamperer", make).only(check).run();
    assert!(matches!(report.finding(check), Some(Finding::Broken(_))), "{report}");
}

#[test]
fn what_changes_on_the_way_is_found() {
    is_found(|envelope| envelope.parts.payload.truncate(4_096), "payloads arrive unchanged");
    is_found(|envelope| envelope.parts.headers = None, "headers arrive unchanged");
    let names = "topics, keys and content types arrive unchanged";
    is_found(|envelope| envelope.parts.content_type = None, names);
    is_found(|envelope| envelope.parts.key = envelope.key().map(str::to_lowercase), names);
    let places = "places, attempts and times arrive unchanged";
    is_found(|envelope| envelope.created_at_ms = envelope.created_at_ms.max(0), places);
    is_found(|envelope| envelope.revision = 0, places);
    is_found(|envelope| envelope.after = 0, places);
}

/// Prepares each message, and hands what was found to another one.
struct Mixer {
    inbox: Arc<Mutex<Inbox>>,
    preparers: Preparers,
    runtime: tokio::runtime::Handle,
    mixes: bool,
}

impl Transport for Mixer {
    fn deliver(&self, request: Request, settler: Settler) {
        let (inbox, preparers) = (Arc::clone(&self.inbox), self.preparers.clone());
        let mixes = self.mixes;
        self.runtime.spawn(async move {
            let mut prepared = Vec::new();
            for envelope in &request.envelopes {
                prepared.extend(preparers.start(envelope).map(tokio::spawn));
            }
            let mut found = Vec::new();
            for step in prepared {
                let panicked = |error: JoinError| {
                    Err(Failure::panicked("the prepare step", &*error.into_panic()))
                };
                found.push(step.await.unwrap_or_else(panicked));
            }
            if mixes && found.len() == 5 {
                found.swap(0, 1);
            }
            let places: Vec<Seq> = request.envelopes.iter().map(Envelope::seq).collect();
            let found: HashMap<_, _> = places.into_iter().zip(found).collect();
            std::thread::spawn(move || {
                local::deliver(&mut inbox.lock().unwrap(), &request, &found, &settler);
            });
        });
    }

    fn hello(&self, hello: Hello, greeter: Greeter) {
        if let Ok(welcome) = self.inbox.lock().unwrap().hello(&hello) {
            greeter.welcome(welcome);
        }
    }

    fn remembers(&self) -> bool {
        true
    }
}

#[test]
fn what_was_prepared_for_another_message_is_found() {
    let check = "a prepare step is its own message's";
    for mixes in [false, true] {
        let make = move |inbox: Inbox| Mixer {
            preparers: inbox.preparers(),
            inbox: Arc::new(Mutex::new(inbox)),
            runtime: tokio::runtime::Handle::current(),
            mixes,
        };
        let report = Conformance::with_inbox("mixer", make).prepared().only(check).run();
        let is_broken = matches!(report.finding(check), Some(Finding::Broken(_)));
        assert_eq!(is_broken, mixes, "{report}");
    }
}
