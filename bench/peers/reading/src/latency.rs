//! The time from a message being committed to its handler beginning.
//!
//! A message is committed when the call that enqueues it has returned. The producer takes the
//! monotonic clock then, the handler takes it first of all, and where the handler was quicker than
//! the return of the call, the latency is 0. On Linux the clock is common to all processes.

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::{Condvar, Mutex};
use std::time::{Duration, Instant};

use rustix::time::{ClockId, clock_gettime};

use crate::{Arguments, Deadline, Problem, sequence_of};

/// How long the queue is left idle after each message.
const PAUSE: Duration = Duration::from_millis(5);

/// The case in which a program is started by itself, to enqueue for `latency-elsewhere`.
const PRODUCE: &str = "produce";

/// Nanoseconds of the clock that all processes share.
pub fn monotonic_nanoseconds() -> u64 {
    let now = clock_gettime(ClockId::Monotonic);
    now.tv_sec as u64 * 1_000_000_000 + now.tv_nsec as u64
}

/// When the handler began with each message.
#[derive(Debug)]
pub struct Arrivals {
    begun: Mutex<Vec<Option<u64>>>,
    changed: Condvar,
}

impl Arrivals {
    pub fn new(count: u64) -> Self {
        Self { begun: Mutex::new(vec![None; count as usize]), changed: Condvar::new() }
    }

    /// The first thing that a handler calls.
    pub fn handler_begins(&self, payload: &[u8]) {
        let now = monotonic_nanoseconds();
        if let Some(sequence) = sequence_of(payload) {
            // The first delivery counts, should a message come twice.
            self.begun.lock().unwrap()[sequence].get_or_insert(now);
            self.changed.notify_all();
        }
    }

    fn wait_for(&self, sequence: u64, deadline: &Deadline) -> Option<u64> {
        let missing = |begun: &mut Vec<Option<u64>>| begun[sequence as usize].is_none();
        let begun = self.begun.lock().unwrap();
        let waited = self.changed.wait_timeout_while(begun, deadline.remaining(), missing);
        waited.unwrap().0[sequence as usize]
    }
}

/// Enqueues one message after another on an idle queue and gives the latencies in nanoseconds.
/// `enqueue` returns what the clock showed when the message was committed.
pub fn latencies(
    arguments: &Arguments,
    arrivals: &Arrivals,
    mut enqueue: impl FnMut(u64) -> Result<u64, Problem>,
) -> Result<Vec<u64>, Problem> {
    let deadline = Deadline::after(arguments.time);
    let mut latencies = Vec::new();
    for sequence in 0..arguments.count {
        let committed = enqueue(sequence)?;
        // A message on its way when the time is over has no latency that could be told.
        let Some(begun) = arrivals.wait_for(sequence, &deadline) else { break };
        latencies.push(begun.saturating_sub(committed));
        std::thread::sleep(pause(sequence));
    }
    if latencies.is_empty() {
        return Err("no message was handled in the time given".into());
    }
    Ok(latencies)
}

/// Around [`PAUSE`]: whoever looks at a fixed pace would be met at the same moment each time.
fn pause(sequence: u64) -> Duration {
    let thousandths = 600 + 800 * (sequence % 97) / 97;
    PAUSE * u32::try_from(thousandths).unwrap_or(1_000) / 1_000
}

/// A producer in a process of its own, which enqueues a message whenever it is asked to.
#[derive(Debug)]
pub struct Elsewhere {
    process: Child,
    requests: Option<ChildStdin>,
    answers: BufReader<ChildStdout>,
}

impl Elsewhere {
    /// Starts this program once more as the producer, and waits until it has opened the queue.
    pub fn start(arguments: &Arguments) -> Result<Self, Problem> {
        let mut process = Command::new(std::env::current_exe()?)
            .arg(PRODUCE)
            .arg("--directory")
            .arg(&arguments.directory)
            .args(["--setting", &arguments.setting])
            .args(["--count", &arguments.count.to_string()])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        let requests = process.stdin.take();
        let output = process.stdout.take().ok_or("the producer has no standard output")?;
        let mut elsewhere = Self { process, requests, answers: BufReader::new(output) };
        elsewhere.answer()?;
        Ok(elsewhere)
    }

    /// Has the producer enqueue a message. Its answer tells the time of the commit.
    pub fn enqueue(&mut self, sequence: u64) -> Result<u64, Problem> {
        let requests = self.requests.as_mut().ok_or("the producer takes no more requests")?;
        writeln!(requests, "{sequence}")?;
        self.answer()
    }

    fn answer(&mut self) -> Result<u64, Problem> {
        let mut line = String::new();
        if self.answers.read_line(&mut line)? == 0 {
            return Err("the producer in the other process has ended".into());
        }
        Ok(line.trim().parse()?)
    }
}

impl Drop for Elsewhere {
    fn drop(&mut self) {
        // The end of its input ends the producer; one that hangs is ended by its id.
        drop(self.requests.take());
        let begin = Instant::now();
        while begin.elapsed() < Duration::from_secs(5) {
            if !matches!(self.process.try_wait(), Ok(None)) {
                return;
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// The producer's side of [`Elsewhere`]: enqueues on request until its input ends.
pub fn produce_on_request(
    mut enqueue: impl FnMut(u64) -> Result<(), Problem>,
) -> Result<(), Problem> {
    let mut output = std::io::stdout().lock();
    writeln!(output, "{}", monotonic_nanoseconds())?;
    for line in std::io::stdin().lock().lines() {
        enqueue(line?.trim().parse()?)?;
        writeln!(output, "{}", monotonic_nanoseconds())?;
        output.flush()?;
    }
    Ok(())
}
