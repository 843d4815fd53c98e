//! One request of the relay on its way as one or more HTTP requests.
//!
//! What is learnt of the endpoint is told when nothing of the errand is under way any more, so that
//! an answer that is still coming is not taken for lost.

use super::answer::Said;
use crate::handoff::{Hello, Outcome, Request, Ticket};
use crate::message::Envelope;
use crate::transport::Settler;
use crate::watermark::Ranges;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// What is to be delivered, and whom to tell.
pub(super) struct Errand {
    pub(super) hello: Hello,
    pub(super) settled: Ranges,
    pub(super) envelopes: Vec<Envelope>,
    pub(super) report: Arc<Report>,
}

impl Errand {
    pub(super) fn new(request: Request, settler: Settler) -> Self {
        let Request { store, subscription, incarnation, settled, envelopes } = request;
        let hello = Hello { store, subscription, incarnation };
        let report = Arc::new(Report { settler, trouble: Mutex::new(None) });
        Self { hello, settled, envelopes, report }
    }
}

/// Where answers go; ends with what was learnt of the endpoint.
pub(super) struct Report {
    settler: Settler,
    trouble: Mutex<Option<Trouble>>,
}

enum Trouble {
    Rest(String, Option<Duration>),
    Gone(String),
    Fenced,
    Rewound(String),
}

impl Report {
    /// Passes on what was said of one message; says whether that was an acknowledgement.
    pub(super) fn say(&self, ticket: Ticket, said: Said) -> bool {
        match said {
            Said::Each(outcome) => {
                let applied = matches!(outcome, Outcome::Applied(_));
                self.settle([(ticket, outcome)]);
                return applied;
            }
            other => self.endpoint(other),
        }
        false
    }

    pub(super) fn settle(&self, outcomes: impl IntoIterator<Item = (Ticket, Outcome)>) {
        self.settler.settle_all(outcomes);
    }

    /// Notes what was said of the endpoint; the first that was said counts.
    pub(super) fn endpoint(&self, said: Said) {
        let trouble = match said {
            Said::Rest(why, rest) => Trouble::Rest(why, rest),
            Said::Gone(why) => Trouble::Gone(why),
            Said::Fenced => Trouble::Fenced,
            Said::Rewound(detail) => Trouble::Rewound(detail),
            Said::Nothing(why) => return tracing::debug!(%why, "an answer that proves nothing"),
            Said::Each(_) => return,
        };
        self.trouble.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(trouble);
    }

    /// The statement is merged.
    pub(super) fn confirm(&self) {
        self.settler.confirm();
    }

    /// Whether nothing more of the errand should be sent.
    pub(super) fn is_over(&self) -> bool {
        self.trouble.lock().unwrap_or_else(PoisonError::into_inner).is_some()
    }
}

impl Drop for Report {
    fn drop(&mut self) {
        match self.trouble.get_mut().unwrap_or_else(PoisonError::into_inner).take() {
            Some(Trouble::Rest(why, Some(rest))) => self.settler.unreachable_for(why, rest),
            Some(Trouble::Rest(why, None)) => self.settler.unreachable(why),
            Some(Trouble::Gone(why)) => self.settler.gone(why),
            Some(Trouble::Fenced) => self.settler.fenced(),
            Some(Trouble::Rewound(detail)) => self.settler.rewound(detail),
            None => {}
        }
    }
}
