//! Straight into an inbox in the same process: two SQLite files, or one.

mod together;

use super::{Greeter, Hello, Outcome, Request, Settler, Transport};
use crate::error::Result;
use crate::failure::Failure;
use crate::id::Seq;
use crate::inbox::{Inbox, Prepared, Preparers, Received};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError, mpsc};
use std::thread::JoinHandle;
use tokio::runtime::Handle;
use tokio::sync::{Semaphore, mpsc as queue, oneshot};
use tokio::task::JoinError;

#[cfg(feature = "testing")]
pub(crate) use together::deliver;

/// How many `prepare` steps run at the same time.
const PREPARING: usize = 32;

/// Delivers into an [`Inbox`] of this process, on a thread of its own.
///
/// Subscribes to the topics the inbox has handlers for.
///
/// ```
/// use surehand::{Effect, Inbox, Json, Relay, Subscription, transport::Local};
/// # let directory = tempfile::tempdir().unwrap();
/// # let (shop, store) = (directory.path().join("shop.db"), directory.path().join("store.db"));
///
/// let inbox = Inbox::open(&store)?.on("order.placed", |tx: &Effect, order: Json<i64>| {
///     tx.execute("INSERT INTO shipment (order_id) VALUES (?1)", [*order])?;
///     Ok(())
/// });
/// let relay = Relay::open(&shop)?.subscribe(Subscription::new("warehouse"), Local::new(inbox));
/// # Ok::<(), surehand::Error>(())
/// ```
#[derive(Debug)]
#[must_use]
pub struct Local {
    topics: Vec<String>,
    jobs: Option<mpsc::Sender<Job>>,
    preparing: Option<queue::UnboundedSender<(Request, Settler)>>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

#[derive(Debug)]
enum Job {
    Hello(Hello, Greeter),
    Deliver(Delivery),
    #[cfg_attr(not(feature = "http-server"), allow(dead_code))]
    Receive(Received, oneshot::Sender<Result<Outcome>>),
}

#[derive(Debug)]
struct Delivery {
    request: Request,
    prepared: HashMap<Seq, Result<Prepared, Failure>>,
    settler: Settler,
}

impl Local {
    /// Starts the inbox.
    ///
    /// # Panics
    ///
    /// When the system gives no thread; and outside a tokio runtime, if the inbox has `prepare`
    /// steps: they run on the one that this is called from.
    pub fn new(inbox: Inbox) -> Self {
        let topics = inbox.topics();
        let preparers = inbox.preparers();
        let (jobs, received) = mpsc::channel();
        let thread = std::thread::Builder::new()
            .name("surehand-inbox".into())
            .spawn(move || serve(inbox, &received))
            .expect("the system gives a thread");
        let preparing = (!preparers.is_empty()).then(|| start_preparing(preparers, jobs.clone()));
        Self { topics, jobs: Some(jobs), preparing, thread: Mutex::new(Some(thread)) }
    }

    /// Hands in a message of a sender without an outbox; its outcome is nothing when the inbox is
    /// gone.
    #[cfg(feature = "http-server")]
    pub(crate) async fn receive(&self, received: Received) -> Option<Result<Outcome>> {
        let (sender, outcome) = oneshot::channel();
        self.submit(Job::Receive(received, sender));
        outcome.await.ok()
    }

    fn submit(&self, job: Job) {
        if let Some(jobs) = &self.jobs {
            // A thread that is gone drops the job, and the settler in it says that nobody knows.
            drop(jobs.send(job));
        }
    }
}

impl Transport for Local {
    fn deliver(&self, request: Request, settler: Settler) {
        match &self.preparing {
            Some(preparing) => drop(preparing.send((request, settler))),
            None => {
                let prepared = HashMap::new();
                self.submit(Job::Deliver(Delivery { request, prepared, settler }));
            }
        }
    }

    fn hello(&self, hello: Hello, greeter: Greeter) {
        self.submit(Job::Hello(hello, greeter));
    }

    fn remembers(&self) -> bool {
        true
    }

    fn topics(&self) -> Vec<String> {
        self.topics.clone()
    }
}

impl Drop for Local {
    /// Waits for the transaction that is under way, so that the consumer's database is closed when
    /// this returns. Not with `prepare` steps: they may need the very thread that would wait.
    fn drop(&mut self) {
        self.jobs = None;
        if self.preparing.take().is_some() {
            return;
        }
        let thread = self.thread.get_mut().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(thread) = thread {
            let _ = thread.join();
        }
    }
}

fn serve(mut inbox: Inbox, jobs: &mpsc::Receiver<Job>) {
    let mut next = None;
    while let Some(job) = next.take().or_else(|| jobs.recv().ok()) {
        match job {
            Job::Hello(hello, greeter) => match inbox.hello(&hello) {
                Ok(welcome) => greeter.welcome(welcome),
                Err(error) => tracing::warn!(%error, "the inbox could not answer a hello"),
            },
            Job::Deliver(delivery) => {
                let (together, after) = together::gather(delivery, jobs);
                together::deliver_all(&mut inbox, together);
                inbox.checkpoint();
                next = after;
            }
            Job::Receive(received, outcome) => {
                // Nobody may be there any more to hear it.
                let _ = outcome.send(inbox.receive_it(received));
                inbox.checkpoint();
            }
        }
    }
}

/// Runs `prepare` steps on the runtime, request after request, and passes the requests on.
fn start_preparing(
    preparers: Preparers,
    jobs: mpsc::Sender<Job>,
) -> queue::UnboundedSender<(Request, Settler)> {
    let (sender, mut requests) = queue::unbounded_channel::<(Request, Settler)>();
    let runtime = Handle::current();
    runtime.clone().spawn(async move {
        let permits = Arc::new(Semaphore::new(PREPARING));
        while let Some((request, settler)) = requests.recv().await {
            let mut steps = Vec::new();
            for envelope in &request.envelopes {
                if let Some(step) = preparers.start(envelope) {
                    let permits = Arc::clone(&permits);
                    let step = runtime.spawn(async move {
                        let _permit = permits.acquire_owned().await;
                        step.await
                    });
                    steps.push((envelope.seq(), step));
                }
            }
            let mut prepared = HashMap::new();
            for (seq, step) in steps {
                let result = match step.await.map_err(JoinError::try_into_panic) {
                    Ok(result) => result,
                    Err(Ok(panic)) => Err(Failure::panicked("the prepare step", &*panic)),
                    // The runtime ends: nobody knows, and no message is to blame.
                    Err(Err(_)) => return,
                };
                prepared.insert(seq, result);
            }
            if jobs.send(Job::Deliver(Delivery { request, prepared, settler })).is_err() {
                return;
            }
        }
    });
    sender
}
