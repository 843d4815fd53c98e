//! Services outside: they have effects, remember them through every crash, and count.

use super::events::Event;
use super::world::World;
use std::fmt;

/// A fake of a service that is not ours: a payment provider, a mail server.
#[derive(Clone, Debug)]
pub struct External {
    world: World,
    service: String,
}

impl External {
    pub(crate) fn new(world: World, service: &str) -> Self {
        Self { world, service: service.into() }
    }

    /// Has its effect, whatever becomes of the caller.
    pub fn call(&self, id: impl fmt::Display) {
        let (service, id) = (self.service.clone(), id.to_string());
        self.world.note(Event::Called { service, id });
    }

    /// How often it was called for this.
    #[must_use]
    pub fn calls(&self, id: impl fmt::Display) -> usize {
        let id = id.to_string();
        let is_meant = |event: &Event| {
            matches!(event, Event::Called { service, id: called }
                if *service == self.service && *called == id)
        };
        self.world.events().iter().filter(|event| is_meant(event)).count()
    }
}
