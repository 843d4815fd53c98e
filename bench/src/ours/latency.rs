//! From a commit to the beginning of the handler, on a system that does nothing else.

use super::service::{Running, TOPIC, shop};
use crate::Outcome;
use crate::common::{Limit, host, nanos, payload, pragmas, sleep};
use crate::measure::{Way, Work};
use crate::reading::Reading;
use rusqlite::TransactionBehavior::Immediate;
use std::io::{BufRead, BufReader, Lines, Write};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;
use surehand::transport::Local;
use surehand::{AsyncOutbox, Effect, Inbox, Message, Outbox, Relay, Subscription};

/// The relay's own backstop is 100 ms: whatever comes as late was not woken for.
const MISSED: Duration = Duration::from_millis(50);
const LOST: Duration = Duration::from_secs(5);

pub fn run(work: &Work) -> Outcome<Reading> {
    let outbox = Outbox::open(shop(work))?;
    let (arrived, arrivals) = channel();
    let inbox = Inbox::open(work.directory.join("consumer.db"))?;
    let inbox = inbox.on(TOPIC, move |_: &Effect, _: Vec<u8>| {
        let now = nanos();
        // Nobody listens any more when it is over.
        let _ = arrived.send(now);
        Ok(())
    });
    let relay = Relay::open(shop(work))?.woken_by(outbox.doorbell());
    let relay = relay.subscribe(Subscription::new("bench"), Local::new(inbox));
    let mut reading = Reading::of("surehand");
    reading.pragmas = vec![pragmas("another", &host(&shop(work))?)?];
    let running = Running::start(relay);
    let limit = Limit::of(0.0);
    let times = if work.way == Way::Elsewhere {
        let mut other = Other::start(work)?;
        trials(work, &arrivals, &mut || other.commit())?
    } else {
        let outbox = AsyncOutbox::start(outbox)?;
        let runtime = tokio::runtime::Builder::new_current_thread().build()?;
        trials(work, &arrivals, &mut || {
            let message = Message::new(TOPIC).payload(payload(work.payload));
            runtime.block_on(outbox.enqueue(message))?;
            Ok(nanos())
        })?
    };
    (reading.count, reading.seconds) = (work.count, limit.elapsed());
    let Times { from_commit, from_call } = times;
    let missed = from_commit.iter().filter(|time| **time >= MISSED).count();
    reading.set("missed", missed);
    let mut whole = Reading::default();
    whole.latencies(from_call);
    if let Some(latency) = whole.latency_us {
        reading.set("p50 from the call, us", latency.p50);
        reading.set("p99 from the call, us", latency.p99);
    }
    reading.latencies(from_commit);
    running.stop()?;
    Ok(reading)
}

struct Times {
    /// 0 where the handler was quicker than the return of the commit.
    from_commit: Vec<Duration>,
    from_call: Vec<Duration>,
}

/// `commit` says when it had committed.
fn trials(
    work: &Work,
    arrivals: &Receiver<u64>,
    commit: &mut dyn FnMut() -> Outcome<u64>,
) -> Outcome<Times> {
    let mut times = Times { from_commit: Vec::new(), from_call: Vec::new() };
    let limit = Limit::of(work.seconds);
    // The first opens what is opened when it is needed.
    for number in 0..=work.count {
        let called = nanos();
        let committed = commit()?;
        let arrived = arrivals.recv_timeout(LOST).unwrap_or(committed + 5_000_000_000);
        if number > 0 {
            times.from_commit.push(Duration::from_nanos(arrived.saturating_sub(committed)));
            times.from_call.push(Duration::from_nanos(arrived.saturating_sub(called)));
        }
        // Different pauses meet the relay in different moods.
        sleep(Duration::from_micros(work.pause * (600 + 800 * (number % 97) / 97)));
        if limit.is_over() {
            break;
        }
    }
    Ok(times)
}

/// A producer in a process of its own.
struct Other {
    child: Child,
    orders: ChildStdin,
    answers: Lines<BufReader<ChildStdout>>,
}

impl Other {
    fn start(work: &Work) -> Outcome<Self> {
        let mut child = Command::new(std::env::current_exe()?)
            .args(["measure", "produce", "--directory"])
            .arg(&work.directory)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        let orders = child.stdin.take().ok_or("no input of the producer")?;
        let answers = child.stdout.take().ok_or("no output of the producer")?;
        Ok(Self { child, orders, answers: BufReader::new(answers).lines() })
    }

    fn commit(&mut self) -> Outcome<u64> {
        writeln!(self.orders)?;
        let line = self.answers.next().ok_or("the producer has ended")??;
        Ok(line.parse()?)
    }
}

impl Drop for Other {
    fn drop(&mut self) {
        // It may have ended.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The other process: a message in its own transaction for each line, and when it was committed.
pub fn produce(work: &Work) -> Outcome<Reading> {
    let outbox = Outbox::open(shop(work))?;
    let mut db = host(&shop(work))?;
    let mut output = std::io::stdout().lock();
    for line in std::io::stdin().lock().lines() {
        line?;
        let tx = db.transaction_with_behavior(Immediate)?;
        outbox.enqueue(&tx, Message::new(TOPIC).payload(payload(work.payload)))?;
        tx.commit()?;
        writeln!(output, "{}", nanos())?;
        output.flush()?;
    }
    Ok(Reading::of("surehand"))
}
