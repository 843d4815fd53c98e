//! A transport as a user would write it: a thread that feeds an inbox. Told to, it does it wrong.

use std::mem;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};
use surehand::transport::{Greeter, Hello, Outcome, Request, Settler, Ticket};
use surehand::{Failure, Inbox, Processed, Ranges, Transport};

/// What is wrong with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// Nothing.
    None,
    /// Nothing: one message at a time, each answered by a thread of its own, in no order.
    Scatters,
    /// Says that all is delivered before the inbox has it.
    AnswersFirst,
    /// Gives each message its neighbour's outcome.
    SwapsOutcomes,
    /// Names the attempt before.
    NamesAnotherAttempt,
    /// Answers by the settler of the request that came first.
    MixesSettlers,
    /// Says first that nobody knows, and then what is.
    AnswersTwice,
    /// Feeds the inbox on the caller's thread.
    Blocks,
    /// Never lets go of a settler after an error.
    KeepsSettlers,
    /// Never lets go of a greeter after an error.
    KeepsGreeters,
    /// Never lets go of any greeter.
    NeverGreets,
    /// Blames the messages for an error of the consumer.
    Blames,
    /// Feeds the messages of a request from the last to the first.
    Reverses,
    /// Says for now what is for good.
    ForgetsForGood,
    /// Says nothing of why.
    LosesTexts,
    /// Passes no more than a hundred messages on.
    TruncatesRequests,
    /// Confirms a statement that the inbox never saw.
    KeepsStatements,
    /// Says that the inbox takes everything.
    TakesEverything,
    /// Says that the inbox takes one topic.
    TakesOneTopic,
    /// Says that nobody remembers.
    IsModest,
    /// Says nothing when it is fenced.
    IsDeafToFences,
    /// Says that nobody is there when the producer's store went back in time.
    HidesRewinding,
    /// Passes everything on as a new attempt of its own, the first.
    CountsByItself,
    /// Waits for its thread while that waits for more.
    HangsWhenDropped,
    /// Says that all is delivered when it is dropped.
    LiesWhenDropped,
}

pub(crate) struct Courier {
    fault: Fault,
    inbox: Arc<Mutex<Inbox>>,
    topics: Vec<String>,
    jobs: Sender<Job>,
    under_way: Mutex<Vec<(Vec<Ticket>, Settler)>>,
    thread: Option<JoinHandle<()>>,
}

enum Job {
    Hello(Hello, Greeter),
    Deliver(Request, Settler),
}

impl Courier {
    pub(crate) fn start(inbox: Inbox, fault: Fault) -> Self {
        let topics = inbox.topics();
        let inbox = Arc::new(Mutex::new(inbox));
        let (jobs, received) = channel();
        let served = Arc::clone(&inbox);
        let thread = Some(thread::spawn(move || serve(&served, &received, fault)));
        Self { fault, inbox, topics, jobs, under_way: Mutex::default(), thread }
    }
}

impl Transport for Courier {
    fn deliver(&self, request: Request, settler: Settler) {
        let tickets = || request.envelopes.iter().map(surehand::Envelope::ticket).collect();
        match self.fault {
            Fault::AnswersFirst => {
                let tickets: Vec<Ticket> = tickets();
                settler.settle_all(tickets.into_iter().map(|one| (one, Outcome::delivered())));
            }
            Fault::LiesWhenDropped => {
                self.under_way.lock().unwrap().push((tickets(), settler.clone()));
            }
            Fault::Blocks => {
                return feed(&mut self.inbox.lock().unwrap(), request, &settler, self.fault);
            }
            _ => {}
        }
        let _ = self.jobs.send(Job::Deliver(request, settler));
    }

    fn hello(&self, hello: Hello, greeter: Greeter) {
        let _ = self.jobs.send(Job::Hello(hello, greeter));
    }

    fn remembers(&self) -> bool {
        self.fault != Fault::IsModest
    }

    fn topics(&self) -> Vec<String> {
        match self.fault {
            Fault::TakesEverything => vec![">".into()],
            Fault::TakesOneTopic => self.topics[..1].to_vec(),
            _ => self.topics.clone(),
        }
    }
}

impl Drop for Courier {
    fn drop(&mut self) {
        match self.fault {
            Fault::HangsWhenDropped => drop(self.thread.take().unwrap().join()),
            Fault::LiesWhenDropped => {
                for (tickets, settler) in self.under_way.get_mut().unwrap().drain(..) {
                    settler.settle_all(tickets.into_iter().map(|one| (one, Outcome::delivered())));
                }
            }
            _ => {}
        }
    }
}

fn serve(inbox: &Mutex<Inbox>, jobs: &Receiver<Job>, fault: Fault) {
    let mut first = None;
    for job in jobs {
        let mut inbox = inbox.lock().unwrap();
        match job {
            Job::Hello(_, greeter) if fault == Fault::NeverGreets => mem::forget(greeter),
            Job::Hello(hello, greeter) => match inbox.hello(&hello) {
                Ok(welcome) => greeter.welcome(welcome),
                Err(_) if fault == Fault::KeepsGreeters => mem::forget(greeter),
                Err(_) => {}
            },
            Job::Deliver(request, settler) if fault == Fault::Scatters => {
                scatter(&mut inbox, request, &settler);
            }
            Job::Deliver(request, settler) if fault == Fault::MixesSettlers => {
                feed(&mut inbox, request, first.get_or_insert(settler), fault);
            }
            Job::Deliver(request, settler) => feed(&mut inbox, request, &settler, fault),
        }
    }
}

fn feed(inbox: &mut Inbox, mut request: Request, settler: &Settler, fault: Fault) {
    let stated = !request.settled.is_empty();
    match fault {
        Fault::Reverses => request.envelopes.reverse(),
        Fault::TruncatesRequests => request.envelopes.truncate(100),
        Fault::KeepsStatements => request.settled = Ranges::new(),
        _ => {}
    }
    let mut answers = Vec::new();
    let processed = inbox.process(&request, &mut |ticket, outcome| answers.push((ticket, outcome)));
    if fault == Fault::AnswersTwice {
        settler.settle_all(answers.iter().map(|(ticket, _)| (*ticket, Outcome::Unknown)));
    }
    if fault != Fault::AnswersFirst {
        spoil(&mut answers, fault);
        settler.settle_all(answers);
    }
    match processed {
        Ok(Processed::All) if stated => settler.confirm(),
        Ok(Processed::All) => {}
        Ok(Processed::Fenced) if fault == Fault::IsDeafToFences => {}
        Ok(Processed::Fenced) => settler.fenced(),
        Ok(Processed::Rewound(_)) if fault == Fault::HidesRewinding => settler.unreachable("gone"),
        Ok(Processed::Rewound(detail)) => settler.rewound(detail),
        Err(_) if fault == Fault::KeepsSettlers => mem::forget(settler.clone()),
        Err(error) if fault == Fault::Blames => {
            let failed = || Outcome::Failed(Failure::retry(error.to_string()));
            settler.settle_all(request.envelopes.iter().map(|one| (one.ticket(), failed())));
        }
        Err(error) => settler.unreachable(error.to_string()),
    }
}

/// Does its worst to what the inbox said.
fn spoil(answers: &mut [(Ticket, Outcome)], fault: Fault) {
    let earlier = |ticket: &Ticket| ticket.attempt - 1;
    match fault {
        Fault::SwapsOutcomes => {
            for pair in answers.chunks_exact_mut(2) {
                let (left, right) = pair.split_at_mut(1);
                mem::swap(&mut left[0].1, &mut right[0].1);
            }
        }
        Fault::NamesAnotherAttempt => {
            answers.iter_mut().for_each(|(ticket, _)| ticket.attempt = earlier(ticket));
        }
        Fault::CountsByItself => answers.iter_mut().for_each(|(ticket, _)| ticket.attempt = 1),
        Fault::ForgetsForGood | Fault::LosesTexts => {
            for (_, outcome) in answers {
                let Outcome::Failed(failure) = outcome else { continue };
                *failure = match (fault, failure.is_permanent()) {
                    (Fault::LosesTexts, true) => Failure::permanent("it failed"),
                    (Fault::LosesTexts, false) => Failure::retry("it failed"),
                    _ => Failure::retry(failure.to_string()),
                };
            }
        }
        _ => {}
    }
}

/// Right, however odd it looks.
fn scatter(inbox: &mut Inbox, request: Request, settler: &Settler) {
    let Request { store, subscription, incarnation, settled, envelopes } = request;
    let all = Request { store, subscription, incarnation, settled, envelopes };
    let mut answers = Vec::new();
    match inbox.process(&all, &mut |ticket, outcome| answers.push((ticket, outcome))) {
        Ok(Processed::All) => {
            let confirming = (!all.settled.is_empty()).then(|| settler.clone());
            for (ticket, outcome) in answers.into_iter().rev() {
                let settler = settler.clone();
                thread::spawn(move || settler.settle(ticket, outcome));
            }
            thread::spawn(move || confirming.map(|settler| settler.confirm()));
        }
        Ok(Processed::Fenced) => settler.fenced(),
        Ok(Processed::Rewound(detail)) => settler.rewound(detail),
        Err(_) => {}
    }
}
