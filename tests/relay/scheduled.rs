//! Messages that join the log when their time comes.

use super::stage::{Hands, PATIENCE, Shop, main_line, plain};
use std::sync::mpsc::{Sender, channel};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use surehand::Transport;
use surehand::transport::{Greeter, Hello, Outcome, Request, Settler, Welcome};

const HOUR: Duration = Duration::from_secs(3_600);

/// Acknowledges everything; an hour passes while it says hello.
struct SlowToGreet {
    clock: Arc<Hands>,
    arrivals: Mutex<Sender<i64>>,
}

impl Transport for SlowToGreet {
    fn deliver(&self, request: Request, settler: Settler) {
        for envelope in &request.envelopes {
            settler.settle(envelope.ticket(), Outcome::delivered());
            self.arrivals.lock().unwrap().send(envelope.seq()).unwrap();
        }
    }

    fn hello(&self, _: Hello, greeter: Greeter) {
        self.clock.pass(HOUR);
        greeter.welcome(Welcome::Stranger);
    }
}

#[test]
fn one_that_becomes_due_while_the_log_is_read_is_not_forgotten() {
    let mut shop = Shop::open();
    shop.put([plain(1).delay(HOUR)]);
    let (sender, arrivals) = channel();
    // The first cycle that may send reads an empty log, and then something is due.
    let host = SlowToGreet { clock: shop.clock.clone(), arrivals: Mutex::new(sender) };
    let relay = shop.serve(main_line(), host);
    assert_eq!(arrivals.recv_timeout(PATIENCE), Ok(1));
    relay.stop();
}
