//! A depot that hands out its parcels over a counter: each is promised the moment it is answered.

use super::held::held;
use super::programs::{DEPOT, SHOP, Sale, Shop, TO_DEPOT, depot, found, send, sent, stay_open};
use std::sync::Mutex;
use surehand::testing::{CrashTest, Failed, World};
use surehand::transport::{Greeter, Hello, Outcome, Request, Settler};
use surehand::{Inbox, Processed, Relay, Subscription, Transport};

/// Who stands between the relay and the inbox, and promises what the inbox answers.
struct Clerk {
    world: World,
    inbox: Mutex<Inbox>,
}

impl Transport for Clerk {
    fn deliver(&self, request: Request, settler: Settler) {
        let mut inbox = self.inbox.lock().unwrap();
        let processed = inbox.process(&request, &mut |ticket, outcome| {
            if let Outcome::Applied(_) = outcome {
                let its = request.envelopes.iter().find(|envelope| envelope.ticket() == ticket);
                let sale = its.expect("it is of this request").payload();
                self.world.promised("parcel", String::from_utf8_lossy(sale));
            }
            settler.settle(ticket, outcome);
        });
        match processed {
            Ok(Processed::All) if request.settled.is_empty() => {}
            Ok(Processed::All) => settler.confirm(),
            Ok(Processed::Fenced) => settler.fenced(),
            Ok(Processed::Rewound(detail)) => settler.rewound(detail),
            Err(error) => settler.unreachable(error.to_string()),
        }
    }

    fn hello(&self, hello: Hello, greeter: Greeter) {
        if let Ok(welcome) = self.inbox.lock().unwrap().hello(&hello) {
            greeter.welcome(welcome);
        }
    }

    fn remembers(&self) -> bool {
        true
    }

    fn topics(&self) -> Vec<String> {
        self.inbox.lock().unwrap().topics()
    }
}

fn deliver(w: &World) -> Result<(), Failed> {
    let inbox = Mutex::new(depot(w, DEPOT, send)?);
    let clerk = Clerk { world: w.clone(), inbox };
    let relay = Relay::open(w.database(SHOP))?;
    Ok(w.run(relay.subscribe(Subscription::new(TO_DEPOT), clerk))?)
}

/// Two sales, whose parcels the customers are told of as soon as the depot answers.
pub(crate) fn counter() -> CrashTest {
    let test = CrashTest::new("counter").given(|w| {
        found(w)?;
        let mut shop = Shop::open(w)?;
        shop.sell(w, Sale::of(1, "north"))?;
        shop.sell(w, Sale::of(2, "north"))
    });
    let test = test.scenario(|w| {
        stay_open(w, &[SHOP, DEPOT])?;
        deliver(w)?;
        if sent(w, DEPOT)? == [1, 2] && w.promises("parcel").len() == 2 {
            w.reached("both are promised");
        }
        Ok(())
    });
    let test = test.must_reach(["both are promised"]).recover(|w| {
        let sent = sent(w, DEPOT)?;
        for sale in w.promises("parcel") {
            if !sent.contains(&sale.parse()?) {
                // Delivered again, it would be as if it had been there all the time.
                return Ok(());
            }
        }
        deliver(w)
    });
    held(test)
}
