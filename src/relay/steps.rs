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
}

/// A relay that is stepped.
pub(crate) struct Stepped {
    engine: Engine,
    heard: Heard,
    sinks: Vec<Sink>,
}

impl Stepped {
    pub(crate) fn new(relay: Relay) -> Self {
        let heard = Heard::default();
        let sinks = (0..relay.engine.served()).map(|index| sink(&heard, index)).collect();
        Self { engine: relay.engine, heard, sinks }
    }

    /// Hears what was answered, and takes one step.
    pub(crate) fn step(&mut self) -> Result<Stands> {
        self.hear();
        let next = self.engine.step(&self.sinks)?;
        if self.engine.is_done()? {
            return Ok(Stands::Idle);
        }
        Ok(match next {
            Next::Now => Stands::Busy,
            Next::At(tick) => {
                Stands::Until(Duration::from_millis(u64::try_from(tick).unwrap_or(0)))
            }
            Next::Event => Stands::Waiting,
        })
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

fn sink(heard: &Heard, index: usize) -> Sink {
    let heard = Arc::clone(heard);
    Arc::new(move |event| {
        heard.lock().unwrap_or_else(PoisonError::into_inner).push_back((index, event));
    })
}
