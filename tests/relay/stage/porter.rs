//! A transport that ends in a real inbox, with somebody at its door: the test lets each request in
//! when it likes, twice if it likes, and passes the answers on when it likes.

use super::{PATIENCE, Running, Shelf, Shop, main_line, plain};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, MutexGuard};
use surehand::operator::DeadLetter;
use surehand::transport::{Applied, Greeter, Hello, Outcome, Request, Settler, Ticket};
use surehand::{Failure, Inbox, Processed, Ranges, SourceStats, Transport};

/// The relay's end. Hellos are answered by the inbox at once, unless its door is held shut.
pub(crate) struct Door {
    inbox: Arc<Mutex<Inbox>>,
    parcels: Sender<Parcel>,
}

/// The test's end.
pub(crate) struct Porter {
    inbox: Arc<Mutex<Inbox>>,
    parcels: Receiver<Parcel>,
}

/// A request on its way.
pub(crate) struct Parcel {
    pub(crate) request: Request,
    settler: Settler,
}

/// What the inbox said to a request, not passed on yet.
pub(crate) struct Answers {
    pub(crate) processed: Processed,
    answers: Vec<(Ticket, Outcome)>,
}

pub(crate) fn porter(inbox: Inbox) -> (Door, Porter) {
    let inbox = Arc::new(Mutex::new(inbox));
    let (sender, parcels) = channel();
    (Door { inbox: Arc::clone(&inbox), parcels: sender }, Porter { inbox, parcels })
}

impl Transport for Door {
    fn deliver(&self, request: Request, settler: Settler) {
        // A test that is over does not look any more.
        let _ = self.parcels.send(Parcel { request, settler });
    }

    fn hello(&self, hello: Hello, greeter: Greeter) {
        greeter.welcome(self.inbox.lock().unwrap().hello(&hello).unwrap());
    }

    fn remembers(&self) -> bool {
        true
    }
}

impl Porter {
    /// The next request that carries a message; statements that go alone are let in on the way.
    #[track_caller]
    pub(crate) fn next(&self) -> Parcel {
        loop {
            let parcel = self.parcels.recv_timeout(PATIENCE).expect("a message is delivered");
            if !parcel.request.envelopes.is_empty() {
                return parcel;
            }
            self.let_in(&parcel);
        }
    }

    /// Lets everything in until this place was stated to be settled.
    #[track_caller]
    pub(crate) fn is_told(&self, seq: i64) {
        loop {
            let parcel = self.parcels.recv_timeout(PATIENCE).expect("a statement");
            self.let_in(&parcel);
            if parcel.request.settled.contains(seq) {
                return;
            }
        }
    }

    /// Lets a request in, and passes the answers on.
    pub(crate) fn let_in(&self, parcel: &Parcel) {
        self.process(&parcel.request).tell(parcel);
    }

    /// Lets a request in; nobody hears what the inbox says.
    pub(crate) fn process(&self, request: &Request) -> Answers {
        self.hold().process(request)
    }

    /// What the inbox has counted.
    pub(crate) fn stats(&self) -> Vec<SourceStats> {
        self.inbox.lock().unwrap().stats().unwrap()
    }

    /// Holds the door shut: no hello is answered before this is dropped.
    pub(crate) fn hold(&self) -> Held<'_> {
        Held(self.inbox.lock().unwrap())
    }
}

/// The door, shut for everybody but the test.
pub(crate) struct Held<'a>(MutexGuard<'a, Inbox>);

impl Held<'_> {
    pub(crate) fn process(&mut self, request: &Request) -> Answers {
        let mut answers = Vec::new();
        let processed = self.0.process(request, &mut |ticket, outcome| {
            answers.push((ticket, outcome));
        });
        Answers { processed: processed.unwrap(), answers }
    }
}

impl Parcel {
    /// Another copy of its messages, as the incarnation of a later parcel would have sent it.
    pub(crate) fn copied_as(&self, later: &Parcel) -> Request {
        let Request { store, subscription, incarnation, .. } = later.request;
        let envelopes = self.request.envelopes.clone();
        Request { store, subscription, incarnation, settled: Ranges::new(), envelopes }
    }

    /// The revision of its only message.
    #[track_caller]
    pub(crate) fn revision(&self) -> i64 {
        assert_eq!(self.request.envelopes.len(), 1);
        self.request.envelopes[0].revision()
    }
}

impl Answers {
    /// Passes on what the inbox said.
    pub(crate) fn tell(self, parcel: &Parcel) {
        parcel.settler.settle_all(self.answers);
        match self.processed {
            Processed::All if parcel.request.settled.is_empty() => {}
            Processed::All => parcel.settler.confirm(),
            Processed::Fenced => parcel.settler.fenced(),
            Processed::Rewound(detail) => parcel.settler.rewound(detail),
        }
    }

    /// What the inbox said to its only message, which took effect.
    #[track_caller]
    pub(crate) fn applied(&self) -> &Applied {
        match &self.answers[..] {
            [(_, Outcome::Applied(applied))] => applied,
            other => panic!("not applied: {other:?}"),
        }
    }

    /// The inbox did not look at it.
    #[track_caller]
    pub(crate) fn is_fenced(&self) {
        assert_eq!(self.processed, Processed::Fenced);
        assert!(self.answers.is_empty());
    }
}

/// A copy of the only message is under way, and another one was refused for good.
pub(crate) fn with_a_copy_under_way(
    shop: &mut Shop,
    shelf: &Shelf,
) -> (Running, Porter, Parcel, DeadLetter) {
    shop.put([plain(1)]);
    let refused = AtomicBool::new(false);
    // Refused once, and applied whenever another copy comes.
    let (door, porter) = porter(shelf.inbox(move |_| match refused.swap(true, Ordering::SeqCst) {
        true => Ok(()),
        false => Err(Failure::permanent("no such customer")),
    }));
    let relay = shop.serve(main_line(), door);
    let first = porter.next();
    shop.clock.pass(PATIENCE);
    let second = porter.next();
    porter.let_in(&second);
    let letter = shop.dead(1).remove(0);
    (relay, porter, first, letter)
}
