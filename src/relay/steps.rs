//! A relay without its thread: somebody else decides when it steps, and how much time has passed.

use super::Relay;
use super::engine::{Engine, Next};
use crate::error::Result;
use crate::transport::{Event, Sink};
use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

type Heard = Arc<Mutex<VecDeque<(usize, Event)>>>;

/// What a step leads to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stands {
    /// There is more to do at once.
    Busy,
    /// There is something to do then, by the clock that only grows.
    Until(Duration),
    /// Only somebody's answer or commit brings work.
    Waiting,
    /// Nothing is left but what waits for a person.
    Idle,
    /// Another relay has the subscriptions: only its end brings work.
    Aside,
}

/// A relay that is stepped.
pub(crate) struct Stepped {
    engine: Engine,
    heard: Heard,
    sinks: Vec<Sink>,
    patience: Duration,
}

impl Stepped {
    pub(crate) fn new(relay: Relay) -> Self {
        let heard = Heard::default();
        let sinks = (0..relay.engine.served()).map(|index| sink(&heard, index)).collect();
        let patience_ms = u64::try_from(relay.engine.patience_ms()).unwrap_or(u64::MAX);
        let patience = Duration::from_millis(patience_ms);
        Self { engine: relay.engine, heard, sinks, patience }
    }

    /// Hears what was answered, and takes one step.
    pub(crate) fn step(&mut self) -> Result<Stands> {
        self.hear();
        let next = self.engine.step(&self.sinks)?;
        if self.engine.is_done()? {
            return Ok(Stands::Idle);
        }
        Ok(stands(next))
    }

    /// The same beside other relays: standing by is rest. Without hurry it tells only with the next
    /// message or after a while what is settled, as a service does.
    pub(crate) fn step_beside(&mut self, hurries: bool) -> Result<Stands> {
        self.hear();
        let next = self.engine.step(&self.sinks)?;
        if self.engine.notice()? || next == Next::Now {
            return Ok(Stands::Busy);
        }
        if self.engine.is_idle_beside() {
            return Ok(if self.engine.stands_by() { Stands::Aside } else { Stands::Idle });
        }
        let next = if hurries {
            self.engine.hurry();
            self.engine.step(&self.sinks)?
        } else {
            next
        };
        Ok(match next {
            Next::At(_) if self.engine.stands_by() => stands(self.engine.next_beside()),
            next => stands(next),
        })
    }

    /// Whether there is something it has not heard.
    pub(crate) fn has_news(&self) -> bool {
        !self.heard.lock().unwrap_or_else(PoisonError::into_inner).is_empty()
    }

    /// How long it waits for an answer.
    pub(crate) fn patience(&self) -> Duration {
        self.patience
    }

    /// Claims nothing more, writes what is known, and lets go.
    pub(crate) fn finish(mut self) -> Result<()> {
        self.hear();
        self.engine.close();
        while self.engine.step(&self.sinks)? == Next::Now {}
        self.engine.finish()
    }

    fn hear(&mut self) {
        loop {
            let event = self.heard.lock().unwrap_or_else(PoisonError::into_inner).pop_front();
            let Some((served, event)) = event else { return };
            self.engine.heard(served, event);
        }
    }
}

fn stands(next: Next) -> Stands {
    match next {
        Next::Now => Stands::Busy,
        Next::At(tick) => Stands::Until(Duration::from_millis(u64::try_from(tick).unwrap_or(0))),
        Next::Event => Stands::Waiting,
    }
}

fn sink(heard: &Heard, index: usize) -> Sink {
    let heard = Arc::clone(heard);
    Arc::new(move |event| {
        heard.lock().unwrap_or_else(PoisonError::into_inner).push_back((index, event));
    })
}
