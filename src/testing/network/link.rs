//! A relay's end of the way to a consumer.

use super::Network;
use super::packet::{Asked, Asking, Packet};
use crate::transport::{Greeter, Hello, Request, Settler, Transport};
use std::fmt;
use std::sync::Arc;

/// A way: from this machine to that consumer.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Route {
    pub(crate) from: Arc<str>,
    pub(crate) to: Arc<str>,
}

/// A consumer that relays reach over the network of a world, by its name.
#[derive(Clone)]
pub struct Consumer {
    pub(super) network: Network,
    pub(super) name: Arc<str>,
    pub(super) topics: Vec<String>,
    pub(super) remembers: bool,
}

/// A transport over the network of a world.
pub struct Link {
    network: Network,
    route: Route,
    topics: Vec<String>,
    remembers: bool,
}

impl Consumer {
    /// A transport that ends here. `from` names the machine of the relay: what may go wrong on
    /// the way is drawn for each way and direction.
    #[must_use]
    pub fn link(&self, from: &str) -> Link {
        let Self { network, name, topics, remembers } = self.clone();
        Link { network, route: Route { from: from.into(), to: name }, topics, remembers }
    }
}

impl Transport for Link {
    fn deliver(&self, request: Request, settler: Settler) {
        let asked = Asked::new(settler, request.subscription, self.network.deadline());
        self.network.sends(&self.route, Packet::Request(Arc::new(request), asked));
    }

    fn hello(&self, hello: Hello, greeter: Greeter) {
        self.network.sends(&self.route, Packet::Hello(hello, Asking::new(greeter)));
    }

    fn remembers(&self) -> bool {
        self.remembers
    }

    fn topics(&self) -> Vec<String> {
        self.topics.clone()
    }
}

impl fmt::Debug for Consumer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Consumer").field("name", &self.name).finish_non_exhaustive()
    }
}

impl fmt::Debug for Link {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Link").field("route", &self.route).finish_non_exhaustive()
    }
}
