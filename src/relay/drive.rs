//! Drives an engine on a thread of its own: waits, notices commits, and stops in good order.

use super::engine::{Engine, Next};
use crate::error::{Error, ErrorKind, Result};
use crate::transport::{Event, Sink};
use crate::wake::{Doorbell, WalWatcher};
use std::future::Future;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::Duration;
use tokio::sync::oneshot;

/// Other processes' commits are looked for so often even without a hint.
const BACKSTOP: Duration = Duration::from_millis(100);
/// After a hint: how often, and for how long. The WAL is written before the commit is visible.
const RECHECK: Duration = Duration::from_micros(100);
const RECHECK_FOR: Duration = Duration::from_millis(20);
/// Without a watcher the relay looks more often.
const POLL: Duration = Duration::from_millis(2);

/// When a relay ends on its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Goal {
    Shutdown,
    Idle,
}

/// What wakes the thread.
enum Signal {
    Transport(usize, Event),
    /// Somebody of this process committed.
    Commit,
    /// The WAL file changed.
    Hint,
    Stop,
}

/// Runs the engine until its goal or `shutdown` is reached. Dropping the future stops the thread.
pub(super) async fn run(
    engine: Engine,
    doorbells: Vec<Doorbell>,
    drain: Duration,
    goal: Goal,
    shutdown: impl Future<Output = ()>,
) -> Result<()> {
    let (sender, signals) = channel();
    let stop = StopOnDrop(sender.clone());
    let (done, mut finished) = oneshot::channel();
    let driver = Driver { engine, signals, sender, doorbells, drain, goal };
    std::thread::Builder::new()
        .name("surehand-relay".into())
        .spawn(move || drop(done.send(driver.drive())))
        .map_err(|error| {
            Error::new(ErrorKind::Environment, "no thread for the relay", "try again")
                .because(error)
        })?;
    tokio::select! {
        biased;
        result = &mut finished => return result.unwrap_or_else(|_| Err(died())),
        () = shutdown => {}
    }
    drop(stop);
    finished.await.unwrap_or_else(|_| Err(died()))
}

/// Tells the thread to stop when the future ends or is dropped.
struct StopOnDrop(Sender<Signal>);

impl Drop for StopOnDrop {
    fn drop(&mut self) {
        // A thread that is gone has stopped.
        let _ = self.0.send(Signal::Stop);
    }
}

fn died() -> Error {
    Error::new(
        ErrorKind::Stopped,
        "the relay's thread panicked",
        "this is a bug of surehand; nothing is lost, start the relay again",
    )
}

struct Driver {
    engine: Engine,
    signals: Receiver<Signal>,
    sender: Sender<Signal>,
    doorbells: Vec<Doorbell>,
    drain: Duration,
    goal: Goal,
}

impl Driver {
    fn drive(mut self) -> Result<()> {
        let sinks = self.sinks();
        let _listening: Vec<_> = self
            .doorbells
            .iter()
            .map(|doorbell| {
                let sender = self.sender.clone();
                // The thread that would listen may be gone.
                doorbell.listen(Arc::new(move || drop(sender.send(Signal::Commit))))
            })
            .collect();
        let watcher = self.watch();
        let poll = if watcher.is_some() { BACKSTOP } else { POLL };
        let mut recheck_until = Duration::ZERO;
        loop {
            let next = self.engine.step(&sinks)?;
            if self.goal == Goal::Idle {
                if self.engine.is_idle() && !self.engine.notice()? {
                    break;
                }
                self.engine.hurry();
            }
            let now = self.engine.database().now().tick;
            let patience = if now < recheck_until { RECHECK } else { poll };
            match self.wait(next, patience) {
                Some(Signal::Stop) => break,
                Some(Signal::Hint) => recheck_until = now + RECHECK_FOR,
                Some(signal) => self.take(signal),
                None => {}
            }
            if self.drain_signals(&mut recheck_until) {
                break;
            }
            if self.engine.notice()? {
                recheck_until = Duration::ZERO;
            }
        }
        self.stop(&sinks)
    }

    fn sinks(&self) -> Vec<Sink> {
        (0..self.engine.served())
            .map(|index| {
                let sender = self.sender.clone();
                let sink = move |event| {
                    // A relay that has stopped does not want to know.
                    let _ = sender.send(Signal::Transport(index, event));
                };
                Arc::new(sink) as Sink
            })
            .collect()
    }

    /// Watches the WAL of the database, where the system can.
    fn watch(&self) -> Option<WalWatcher> {
        let mut wal = self.engine.database().path().as_os_str().to_owned();
        wal.push("-wal");
        let sender = self.sender.clone();
        let hint = move || drop(sender.send(Signal::Hint));
        WalWatcher::start(&PathBuf::from(wal), hint).ok().flatten()
    }

    /// Waits for a signal, until there is something to do, or to look for commits.
    fn wait(&self, next: Next, patience: Duration) -> Option<Signal> {
        let now = self.engine.database().now().tick;
        let time = match next {
            Next::Now => return self.signals.try_recv().ok(),
            Next::Event => patience,
            Next::At(tick) => {
                let at = Duration::from_millis(u64::try_from(tick).unwrap_or(0));
                at.saturating_sub(now).min(patience)
            }
        };
        self.signals.recv_timeout(time).ok()
    }

    /// Takes what else has come; says whether to stop.
    fn drain_signals(&mut self, recheck_until: &mut Duration) -> bool {
        while let Ok(signal) = self.signals.try_recv() {
            match signal {
                Signal::Stop => return true,
                Signal::Hint => {
                    *recheck_until = self.engine.database().now().tick + RECHECK_FOR;
                }
                signal => self.take(signal),
            }
        }
        false
    }

    fn take(&mut self, signal: Signal) {
        match signal {
            Signal::Transport(index, event) => self.engine.heard(index, event),
            Signal::Commit => self.engine.look_again(),
            Signal::Hint | Signal::Stop => {}
        }
    }

    /// Stops claiming, waits for answers, writes what is known, lets go.
    fn stop(mut self, sinks: &[Sink]) -> Result<()> {
        let until = self.engine.database().now().tick + self.drain;
        self.engine.close();
        while self.engine.in_flight() > 0 {
            let now = self.engine.database().now().tick;
            if now >= until {
                break;
            }
            let next = self.engine.step(sinks)?;
            match self.wait(next, until - now) {
                Some(Signal::Stop | Signal::Hint) | None => {}
                Some(signal) => self.take(signal),
            }
        }
        self.engine.close();
        while self.engine.step(sinks)? == Next::Now {}
        self.engine.finish()
    }
}
