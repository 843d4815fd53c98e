//! Who is listened to: the answer to what was asked last.

use super::stage::{PATIENCE, Shop, main_line, millis, plain};
use std::sync::Mutex;
use std::sync::mpsc::{Receiver, Sender, channel};
use surehand::Transport;
use surehand::transport::{Greeter, Hello, Outcome, Request, Settler, Welcome};

/// Leaves every answer to the test.
struct Quiet {
    greeters: Mutex<Sender<Greeter>>,
    requests: Mutex<Sender<(Request, Settler)>>,
}

impl Transport for Quiet {
    fn deliver(&self, request: Request, settler: Settler) {
        // At the end of the test nobody listens.
        drop(self.requests.lock().unwrap().send((request, settler)));
    }

    fn hello(&self, _: Hello, greeter: Greeter) {
        drop(self.greeters.lock().unwrap().send(greeter));
    }

    fn remembers(&self) -> bool {
        true
    }
}

fn next<T>(from: &Receiver<T>) -> T {
    from.recv_timeout(PATIENCE).expect("it comes")
}

/// The next request that carries a message; statements are confirmed.
fn next_message(from: &Receiver<(Request, Settler)>) -> (Request, Settler) {
    loop {
        let (request, settler) = next(from);
        if !request.envelopes.is_empty() {
            return (request, settler);
        }
        settler.confirm();
    }
}

#[test]
fn an_old_welcome_is_no_answer_to_a_new_greeting() {
    let mut shop = Shop::open();
    shop.put([plain(1)]);
    let (sender, greeters) = channel();
    let (requests, received) = channel();
    let quiet = Quiet { greeters: Mutex::new(sender), requests: Mutex::new(requests) };
    let relay = shop.serve(main_line().ack_timeout(millis(300)), quiet);
    // The first hello is slow to be answered, and a second one is sent.
    let slow = next(&greeters);
    next(&greeters).welcome(Welcome::Registered { high: 0, settled_to: 0 });
    let (request, settler) = next_message(&received);
    settler.settle(request.envelopes[0].ticket(), Outcome::delivered());
    shop.until(|stats| stats.settled_to == 1);
    shop.put([plain(2)]);
    // Another one was listened to for a moment.
    next_message(&received).1.fenced();
    let greeter = next(&greeters);
    slow.welcome(Welcome::Registered { high: 0, settled_to: 0 });
    greeter.welcome(Welcome::Registered { high: 1, settled_to: 1 });
    let (request, settler) = next_message(&received);
    assert_eq!(request.envelopes[0].seq(), 2);
    settler.settle(request.envelopes[0].ticket(), Outcome::delivered());
    shop.until(|stats| stats.settled_to == 2);
    relay.stop();
}
