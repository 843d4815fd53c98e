//! The network between a relay and an inbox: what is sent waits until the world carries it.

use super::events::Event;
use super::world::World;
use crate::inbox::Inbox;
use crate::transport::local;
use crate::transport::{Greeter, Hello, Request, Settler, Transport};
use std::collections::{HashMap, VecDeque};
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

type Shared<T> = Arc<Mutex<T>>;

/// What is on its way.
#[derive(Clone, Default)]
pub(crate) struct Network(Shared<VecDeque<(Shared<Inbox>, Packet)>>);

enum Packet {
    Hello(Hello, Greeter),
    Request(Request, Settler),
}

/// A transport that ends in an inbox, over the network of a world.
pub struct Link {
    network: Network,
    inbox: Shared<Inbox>,
    topics: Vec<String>,
}

impl Network {
    pub(crate) fn link(&self, inbox: Inbox) -> Link {
        let topics = inbox.topics();
        Link { network: self.clone(), inbox: Arc::new(Mutex::new(inbox)), topics }
    }

    /// Carries one thing to its end, and the answer back; says whether there was one.
    pub(crate) fn carry(&self, world: &World) -> bool {
        let Some((inbox, packet)) = locked(&self.0).pop_front() else { return false };
        let mut inbox = locked(&inbox);
        match packet {
            Packet::Hello(hello, greeter) => {
                world.note(Event::Sent { what: "a hello".into() });
                if let Ok(welcome) = inbox.hello(&hello) {
                    greeter.welcome(welcome);
                    world.note(Event::Sent { what: "a welcome".into() });
                }
            }
            Packet::Request(request, settler) => {
                let messages = request.envelopes.len();
                world.note(Event::Sent { what: format!("{messages} messages") });
                local::deliver(&mut inbox, &request, &HashMap::new(), &settler);
                world.note(Event::Sent { what: "answers".into() });
            }
        }
        true
    }
}

impl Transport for Link {
    fn deliver(&self, request: Request, settler: Settler) {
        let packet = Packet::Request(request, settler);
        locked(&self.network.0).push_back((Arc::clone(&self.inbox), packet));
    }

    fn hello(&self, hello: Hello, greeter: Greeter) {
        let packet = Packet::Hello(hello, greeter);
        locked(&self.network.0).push_back((Arc::clone(&self.inbox), packet));
    }

    fn remembers(&self) -> bool {
        true
    }

    fn topics(&self) -> Vec<String> {
        self.topics.clone()
    }
}

impl fmt::Debug for Link {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Link").field("topics", &self.topics).finish_non_exhaustive()
    }
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
