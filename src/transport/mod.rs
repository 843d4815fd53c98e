//! The way to the other side.
//!
//! A transport takes requests and answers them message by message, whenever it knows. It cannot
//! reach the store it is fed from, and no answer it gives can lose a message: what is not answered
//! is delivered again.

pub mod function;
#[cfg(feature = "http")]
#[cfg_attr(docsrs, doc(cfg(feature = "http")))]
pub mod http;
pub(crate) mod local;
mod settler;

pub use crate::handoff::{Applied, Hello, Outcome, Request, Ticket, Welcome};
pub use function::{Function, function};
#[cfg(feature = "http")]
#[cfg_attr(docsrs, doc(cfg(feature = "http")))]
pub use http::{Http, HttpBuilder};
pub use local::Local;
pub(crate) use settler::{Answer, Event, Sink, Unreachable};
pub use settler::{Greeter, Settler};

/// The way to the other side.
///
/// Neither call may block: hand the work to a task or a thread. As many requests are under way at a
/// time as the subscription's window has messages; what cannot be sent yet waits in the transport.
/// The settler may be used late and from any thread; dropping it says that nobody knows what became
/// of the rest. A call that panics ends the relay, with all its subscriptions.
/// `testing::conformance`, with that feature, holds a transport of yours to all of this.
///
/// ```
/// use std::sync::mpsc;
/// use surehand::Transport;
/// use surehand::transport::{Outcome, Request, Settler};
///
/// /// Prints every message on a thread of its own, which answers when that is done.
/// struct Printer(mpsc::Sender<(Request, Settler)>);
///
/// impl Printer {
///     fn start() -> Self {
///         let (sender, requests) = mpsc::channel::<(Request, Settler)>();
///         std::thread::spawn(move || {
///             for (request, settler) in requests {
///                 for envelope in &request.envelopes {
///                     println!("{}: {} bytes", envelope.topic(), envelope.payload().len());
///                     settler.settle(envelope.ticket(), Outcome::delivered());
///                 }
///             }
///         });
///         Self(sender)
///     }
/// }
///
/// impl Transport for Printer {
///     fn deliver(&self, request: Request, settler: Settler) {
///         // With the thread gone the settler is dropped, and the messages come again.
///         let _ = self.0.send((request, settler));
///     }
/// }
///
/// # let directory = tempfile::tempdir().unwrap();
/// # let path = directory.path().join("shop.db");
/// let relay = surehand::Relay::open(&path)?.deliver_to(Printer::start());
/// # Ok::<(), surehand::Error>(())
/// ```
pub trait Transport: Send + Sync + 'static {
    /// Takes messages towards the other side.
    fn deliver(&self, request: Request, settler: Settler);

    /// Asks the other side to listen to this incarnation. Without an inbox at the other end there
    /// is nobody to ask: the default.
    fn hello(&self, hello: Hello, greeter: Greeter) {
        let _ = hello;
        greeter.welcome(Welcome::Stranger);
    }

    /// Whether the other end is an [`Inbox`](crate::Inbox), which checks the order within a key,
    /// remembers what it applied and merges what it is told to be settled. If not, a message waits
    /// for the answer to the one before it of its key, and what was skipped cannot be recalled.
    fn remembers(&self) -> bool {
        false
    }

    /// The topics the other side takes; everything unless it says otherwise.
    fn topics(&self) -> Vec<String> {
        vec![">".into()]
    }

    /// How many messages are worth handing over before one is answered: more would wait inside,
    /// past the time in which an answer is expected. The subscription's window is the other bound.
    fn capacity(&self) -> usize {
        usize::MAX
    }
}

impl<T: Transport + ?Sized> Transport for std::sync::Arc<T> {
    fn deliver(&self, request: Request, settler: Settler) {
        (**self).deliver(request, settler);
    }

    fn hello(&self, hello: Hello, greeter: Greeter) {
        (**self).hello(hello, greeter);
    }

    fn remembers(&self) -> bool {
        (**self).remembers()
    }

    fn topics(&self) -> Vec<String> {
        (**self).topics()
    }

    fn capacity(&self) -> usize {
        (**self).capacity()
    }
}
