//! A destination that is away while messages come in, and then is back.

use super::service::{Counter, Running, counting, produce, shop, subscription};
use crate::Outcome;
use crate::common::{Limit, host, now, pragmas, wait};
use crate::measure::Work;
use crate::reading::Reading;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::Duration;
use surehand::transport::{Greeter, Hello, Local, Request, Settler};
use surehand::{Outbox, Relay, RetryPolicy, Transport};

/// Nobody is there while it is down.
struct Line {
    local: Local,
    down: Arc<AtomicBool>,
}

impl Transport for Line {
    fn deliver(&self, request: Request, settler: Settler) {
        if self.down.load(Relaxed) {
            settler.unreachable("down");
        } else {
            self.local.deliver(request, settler);
        }
    }

    fn hello(&self, hello: Hello, greeter: Greeter) {
        self.local.hello(hello, greeter);
    }

    fn remembers(&self) -> bool {
        self.local.remembers()
    }

    fn topics(&self) -> Vec<String> {
        self.local.topics()
    }
}

pub fn run(work: &Work) -> Outcome<Reading> {
    let outbox = Outbox::open(shop(work))?;
    let mut db = host(&shop(work))?;
    let handled = Counter::default();
    let down = Arc::new(AtomicBool::new(true));
    let local = Local::new(counting(work, "consumer.db", &handled)?);
    // An outage is looked after as often as a second.
    let retry = RetryPolicy::default().longest_delay(Duration::from_secs(1));
    let relay = Relay::open(shop(work))?.woken_by(outbox.doorbell());
    let line = Line { local, down: Arc::clone(&down) };
    let running = Running::start(relay.subscribe(subscription(work)?.retry(retry), line));
    let mut reading = Reading::of("surehand");
    reading.pragmas = vec![pragmas("producer", &db)?];

    let began = now();
    produce(&outbox, &mut db, work.backlog, work.batch, work)?;
    reading.set("enqueued/s during it", work.backlog as f64 / began.elapsed().as_secs_f64());
    let waiting = db.query_row("SELECT count(*) FROM outbox_delivery", [], |row| row.get(0));
    reading.set("exceptions", waiting.unwrap_or(0_i64));
    let resumed = Limit::of(60.0);
    down.store(false, Relaxed);
    wait(|| handled.load(Relaxed) > 0 || running.is_over() || resumed.is_over());
    reading.set("until it resumes, s", resumed.elapsed());
    let limit = Limit::of(180.0);
    wait(|| handled.load(Relaxed) >= work.backlog || running.is_over() || limit.is_over());
    (reading.count, reading.seconds) = (handled.load(Relaxed), limit.elapsed());
    running.stop()?;
    Ok(reading)
}
