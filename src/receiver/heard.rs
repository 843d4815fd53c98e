//! What an inbox says to one request: all of it, once nobody can say any more.

use crate::handoff::{Applied, Hello, Outcome, Request, Ticket, Welcome};
use crate::http::problem::{Kind, Problem};
use crate::http::refusal::unavailable;
use crate::transport::{Answer, Event, Greeter, Local, Settler, Sink, Transport, Unreachable};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::oneshot;

/// Collects events, and hands them over when the last one who may speak is gone.
struct Ear {
    events: Mutex<Vec<Event>>,
    listener: Option<oneshot::Sender<Vec<Event>>>,
}

impl Drop for Ear {
    fn drop(&mut self) {
        let events = self.events.get_mut().unwrap_or_else(PoisonError::into_inner);
        if let Some(listener) = self.listener.take() {
            // The client may be gone, and nobody listens.
            let _ = listener.send(std::mem::take(events));
        }
    }
}

fn ear() -> (Sink, oneshot::Receiver<Vec<Event>>) {
    let (listener, heard) = oneshot::channel();
    let ear = Ear { events: Mutex::default(), listener: Some(listener) };
    let sink: Sink = Arc::new(move |event| {
        ear.events.lock().unwrap_or_else(PoisonError::into_inner).push(event);
    });
    (sink, heard)
}

/// What became of a request.
#[derive(Default)]
pub(super) struct Heard {
    pub(super) outcomes: HashMap<Ticket, Outcome>,
    /// Why there are no more of them.
    pub(super) refusal: Option<Problem>,
}

/// Has a request applied.
pub(super) async fn deliver(local: &Local, request: Request) -> Heard {
    let (sink, heard) = ear();
    let states = !request.settled.is_empty();
    let messages = request.envelopes.len();
    let settler = Settler::new(request.incarnation, 0, messages, states, sink);
    local.deliver(request, settler);
    heard.await.map(Heard::of).unwrap_or_default()
}

/// Has somebody registered.
pub(super) async fn greet(local: &Local, hello: Hello) -> Option<Welcome> {
    let (sink, heard) = ear();
    local.hello(hello, Greeter::new(hello.incarnation, 0, sink));
    heard.await.ok()?.into_iter().find_map(|event| match event {
        Event::Welcome { welcome, .. } => Some(welcome),
        _ => None,
    })
}

impl Heard {
    fn of(events: Vec<Event>) -> Self {
        let mut all = Self::default();
        for event in events {
            match event {
                Event::Answers(answers) => all.outcomes.extend(
                    answers.into_iter().map(|Answer { ticket, outcome, .. }| (ticket, outcome)),
                ),
                Event::Confirmed(..) | Event::Welcome { .. } => {}
                Event::Fenced(_) => {
                    let why = "another relay of this subscription is listened to";
                    all.refusal = Some(Problem::new(Kind::Fenced, why));
                }
                Event::Rewound(_, detail) => {
                    all.refusal = Some(Problem::new(Kind::Rewound, detail));
                }
                Event::Closed { unreachable: Some(Unreachable { why, .. }), .. }
                | Event::Gone(_, why) => {
                    all.refusal = Some(unavailable(why));
                }
                Event::Closed { unreachable: None, .. } => {}
            }
        }
        all
    }

    /// What became of one message; that nobody knows, if nothing was said.
    pub(super) fn of_message(&self, ticket: Ticket) -> Result<Applied, Problem> {
        match (self.outcomes.get(&ticket), &self.refusal) {
            (Some(outcome), _) => said(outcome),
            (None, Some(refusal)) => Err(refusal.clone()),
            (None, None) => Err(unavailable("nobody knows what became of it")),
        }
    }
}

/// An outcome as an effect or a refusal.
pub(super) fn said(outcome: &Outcome) -> Result<Applied, Problem> {
    match (outcome, Problem::of(outcome)) {
        (Outcome::Applied(applied), _) => Ok(applied.clone()),
        (_, Some(problem)) => Err(problem),
        (_, None) => Err(unavailable("it has no outcome")),
    }
}
