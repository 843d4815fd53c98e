//! What waits for the inbox is applied together: one transaction, and one sync, for many requests.

use super::{Delivery, Job};
use crate::failure::Failure;
use crate::handoff::{Outcome, Request, Ticket};
use crate::id::Seq;
use crate::inbox::{Inbox, Prepared, Processed};
use crate::message::Envelope;
use crate::transport::Settler;
use crate::watermark::Ranges;
use std::collections::HashMap;
use std::sync::mpsc;

/// So many messages, and no more requests are added.
const ENOUGH: usize = 256;

/// Takes what waits behind a delivery and may join it; and the job after those, if it was taken.
pub(super) fn gather(first: Delivery, jobs: &mpsc::Receiver<Job>) -> (Vec<Delivery>, Option<Job>) {
    let mut messages = first.request.envelopes.len();
    let mut together = vec![first];
    while messages < ENOUGH {
        match jobs.try_recv() {
            Ok(Job::Deliver(delivery)) if joins(&delivery, &together[0]) => {
                messages += delivery.request.envelopes.len();
                together.push(delivery);
            }
            Ok(other) => return (together, Some(other)),
            Err(_) => break,
        }
    }
    (together, None)
}

/// Whether two are from one opening of one subscription. What was prepared is by place, and one
/// place may be in both.
fn joins(one: &Delivery, other: &Delivery) -> bool {
    let source = |request: &Request| (request.store, request.subscription, request.incarnation);
    source(&one.request) == source(&other.request)
        && one.prepared.is_empty()
        && other.prepared.is_empty()
}

/// Applies requests as one, in the order of their places, and answers each.
pub(super) fn deliver_all(inbox: &mut Inbox, mut together: Vec<Delivery>) {
    if let [Delivery { request, prepared, settler }] = together.as_slice() {
        return deliver(inbox, request, prepared, settler);
    }
    let mut settled = Ranges::new();
    let mut placed: Vec<(Envelope, usize)> = Vec::new();
    for (origin, delivery) in together.iter_mut().enumerate() {
        settled.union(&delivery.request.settled);
        let envelopes = std::mem::take(&mut delivery.request.envelopes);
        placed.extend(envelopes.into_iter().map(|envelope| (envelope, origin)));
    }
    placed.sort_by_key(|(envelope, _)| envelope.seq);
    let (envelopes, origins): (Vec<_>, Vec<_>) = placed.into_iter().unzip();
    let settlers: Vec<_> = together
        .iter()
        .map(|delivery| (&delivery.settler, !delivery.request.settled.is_empty()))
        .collect();
    let Request { store, subscription, incarnation, .. } = together[0].request;
    let request = Request { store, subscription, incarnation, settled, envelopes };
    apply(inbox, &request, &HashMap::new(), &settlers, &|index| origins[index]);
}

/// Applies a request. Its messages are answered in their order, each to the settler it came with;
/// beside each of those stands whether a statement came with it.
fn apply(
    inbox: &mut Inbox,
    request: &Request,
    prepared: &HashMap<Seq, Result<Prepared, Failure>>,
    settlers: &[(&Settler, bool)],
    origin: &dyn Fn(usize) -> usize,
) {
    let mut answers: Vec<Vec<(Ticket, Outcome)>> = settlers.iter().map(|_| Vec::new()).collect();
    let mut answered = 0;
    let processed = inbox.process_prepared(request, prepared, &mut |ticket, outcome| {
        answers[origin(answered)].push((ticket, outcome));
        answered += 1;
    });
    if let Err(error) = &processed {
        tracing::warn!(%error, "the inbox could not apply a request");
    }
    for ((settler, states), answers) in settlers.iter().zip(answers) {
        settler.settle_all(answers);
        match &processed {
            Ok(Processed::All) if *states => settler.confirm(),
            Ok(Processed::All) => {}
            Ok(Processed::Fenced) => settler.fenced(),
            Ok(Processed::Rewound(detail)) => settler.rewound(detail.as_str()),
            Err(error) => settler.unreachable(error.to_string()),
        }
    }
}

/// Applies one request, and answers it.
pub(crate) fn deliver(
    inbox: &mut Inbox,
    request: &Request,
    prepared: &HashMap<Seq, Result<Prepared, Failure>>,
    settler: &Settler,
) {
    apply(inbox, request, prepared, &[(settler, !request.settled.is_empty())], &|_| 0);
}
