//! Holds a transport to what [`Transport`] promises, between two ends that the suite has in hand.
//!
//! Each check makes the transport anew, greets and delivers as a relay would, and looks at what
//! arrives and what comes back. Nothing is timed: a check waits for events, and a promise is broken
//! when one of them does not come while patience lasts. [`Local`](crate::transport::Local) and
//! [`function`](crate::transport::function()) are held to it in `tests/conformance`.

mod arrived;
mod background;
mod board;
mod checks;
mod consumer;
mod desk;
mod gate;
mod home;
mod report;
mod stage;
mod witness;

#[cfg(test)]
mod tests;

pub use arrived::Arrived;
pub use consumer::Consumer;
pub use report::{Check, Finding, Report};

use crate::clock::{Clock, System};
use crate::failure::panic_text;
use crate::inbox::Inbox;
use crate::transport::Transport;
use home::Home;
use stage::{Not, Stage};
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Duration;

/// Holds a transport to what [`Transport`] promises.
///
/// It is given a way to make the transport, together with the other end, where every message has to
/// come out: an [`Inbox`], or a function. A transport over a network brings its server along.
///
/// ```
/// use surehand::testing::conformance::{Conformance, Consumer};
/// use surehand::transport::{self, Local};
///
/// Conformance::with_inbox("local", Local::new).run().assert();
///
/// let function = |consumer: Consumer| {
///     transport::function(move |envelope| {
///         let consumer = consumer.clone();
///         async move { consumer.take(envelope).await }
///     })
/// };
/// let report = Conformance::with_function("function", function).run();
/// println!("{report}");
/// report.assert();
/// ```
#[must_use = "a suite that is not run holds nobody to anything"]
pub struct Conformance {
    name: String,
    end: End,
    patience: Duration,
    excepted: Vec<(String, String)>,
    only: Option<String>,
}

/// What is at the other end.
pub(in crate::testing) struct End {
    ends: Ends,
    prepares: bool,
}

type Make<E> = Box<dyn Fn(E) -> Arc<dyn Transport>>;

enum Ends {
    Inbox(Make<Inbox>),
    Function(Make<Consumer>),
}

impl Conformance {
    /// A transport that ends in an inbox, which remembers. It is made many times, from inside a
    /// tokio runtime of one thread.
    pub fn with_inbox<T: Transport>(name: &str, make: impl Fn(Inbox) -> T + 'static) -> Self {
        Self::new(name, Ends::Inbox(Box::new(move |inbox| Arc::new(make(inbox)))))
    }

    /// A transport that ends in a function, or elsewhere: all that comes out goes to the
    /// [`Consumer`], and what that returns has to come back.
    pub fn with_function<T: Transport>(name: &str, make: impl Fn(Consumer) -> T + 'static) -> Self {
        Self::new(name, Ends::Function(Box::new(move |consumer| Arc::new(make(consumer)))))
    }

    fn new(name: &str, ends: Ends) -> Self {
        let end = End { ends, prepares: false };
        let patience = Duration::from_secs(10);
        Self { name: name.into(), end, patience, excepted: Vec::new(), only: None }
    }

    /// The inbox has `prepare` steps ([`Inbox::on_prepared`]), which the transport has to run.
    pub fn prepared(mut self) -> Self {
        self.end.prepares = true;
        self
    }

    /// How long an answer may take: ten seconds unless told otherwise.
    pub fn patience(mut self, time: Duration) -> Self {
        self.patience = time;
        self
    }

    /// Skips a check, because this transport does not promise what it looks for.
    ///
    /// # Panics
    ///
    /// When there is no check of this name.
    pub fn except(mut self, check: &str, why: &str) -> Self {
        assert!(Self::checks().any(|name| name == check), "there is no check {check:?}");
        self.excepted.push((check.into(), why.into()));
        self
    }

    /// Makes this check alone, beside those that all others build on.
    ///
    /// # Panics
    ///
    /// When there is no check of this name.
    pub fn only(mut self, check: &str) -> Self {
        assert!(Self::checks().any(|name| name == check), "there is no check {check:?}");
        self.only = Some(check.into());
        self
    }

    /// The names of all checks: what is promised.
    pub fn checks() -> impl Iterator<Item = &'static str> {
        checks::ALL.iter().map(|(name, _)| *name)
    }

    /// Makes the checks, one after the other. When the first ones fail, which the others build on,
    /// those are skipped.
    pub fn run(self) -> Report {
        let began = System.now().tick;
        let beginning = match self.end.ends {
            Ends::Inbox(_) => Home::beginning(),
            Ends::Function(_) => Ok(Vec::new()),
        };
        let mut missing = None;
        let mut made = Vec::new();
        for (number, (name, check)) in checks::ALL.iter().enumerate() {
            let is_ground = number < checks::GROUND;
            let finding = match self.skips(name, is_ground) {
                Some(why) => Finding::Skipped(why),
                None => match missing {
                    Some(missing) => Finding::Skipped(format!("{missing:?} does not hold")),
                    None => self.find(*check, &beginning),
                },
            };
            if is_ground && matches!(finding, Finding::Broken(_)) {
                missing = Some(*name);
            }
            made.push(Check { name: (*name).into(), finding });
        }
        let took = System.now().tick.saturating_sub(began);
        let took_ms = u64::try_from(took.as_millis()).unwrap_or(u64::MAX);
        Report { transport: self.name, checks: made, took_ms }
    }

    /// Why a check is not made, if it was said beforehand.
    fn skips(&self, name: &str, is_ground: bool) -> Option<String> {
        let is_asked = is_ground || self.only.as_ref().is_none_or(|only| only == name);
        let excepted = self.excepted.iter().find(|(excepted, _)| excepted == name);
        let why = excepted.map(|(_, why)| why.clone());
        why.or_else(|| (!is_asked).then(|| "not asked for".into()))
    }

    fn find(&self, check: checks::Make, beginning: &Result<Vec<u8>, String>) -> Finding {
        let checked = catch_unwind(AssertUnwindSafe(|| {
            let beginning = beginning.as_ref().map_err(String::clone)?;
            let mut stage = Stage::set(&self.end, beginning, self.patience)?;
            check(&mut stage)
        }));
        match checked {
            Ok(Ok(())) => Finding::Held,
            Ok(Err(Not::Broken(why))) => Finding::Broken(why),
            Ok(Err(Not::Skipped(why))) => Finding::Skipped(why),
            Err(panic) => Finding::Broken(format!("a panic: {}", panic_text(&*panic))),
        }
    }
}

impl fmt::Debug for Conformance {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Conformance").field("name", &self.name).finish_non_exhaustive()
    }
}
