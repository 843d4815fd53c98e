//! Drives an engine on a thread of its own: waits, notices commits, and stops in good order.

use super::engine::{Engine, Next};
use crate::error::{Error, ErrorKind, Result};
use crate::store::FileIdentity;
use crate::transport::{Event, Sink};
use crate::wake::WalWatcher;
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
    /// Claims nothing more, waits for answers, and ends.
    Stop,
    /// The future was dropped: nobody waits for answers any more.
    Cut,
}

/// Runs the engine until its goal or `shutdown` is reached. Dropping the future ends the thread
/// without waiting for answers.
pub(super) async fn run(
    engine: Engine,
    file: FileIdentity,
    drain: Duration,
    goal: Goal,
    shutdown: impl Future<Output = ()>,
) -> Result<()> {
    let (sender, signals) = channel();
    let stop = sender.clone();
    let _cut = CutOnDrop(sender.clone());
    let (done, mut finished) = oneshot::channel();
    let driver = Driver {
        engine,
        file,
        signals,
        sender,
        drain,
        goal,
        recheck_until: Duration::ZERO,
        watcher: None,
        watch_again: Duration::ZERO,
        stopping: false,
    };
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
    // A thread that is gone has stopped.
    let _ = stop.send(Signal::Stop);
    finished.await.unwrap_or_else(|_| Err(died()))
}

/// Tells the thread that the future is gone.
struct CutOnDrop(Sender<Signal>);

impl Drop for CutOnDrop {
    fn drop(&mut self) {
        // A thread that is gone has stopped.
        let _ = self.0.send(Signal::Cut);
    }
}

fn died() -> Error {
    Error::new(
        ErrorKind::Stopped,
        "the relay's thread panicked",
        "a transport that panics does this, or a bug of surehand; the panic's message says where. \
         Nothing is lost: start the relay again",
    )
}

struct Driver {
    engine: Engine,
    /// The file that was opened: an idle relay would not notice that it is gone, and one that lost
    /// its connection would open whatever lies there now.
    file: FileIdentity,
    signals: Receiver<Signal>,
    sender: Sender<Signal>,
    /// How long a stopping relay waits for answers.
    drain: Duration,
    goal: Goal,
    /// After a hint: until when to look often.
    recheck_until: Duration,
    watcher: Option<WalWatcher>,
    /// When to try again, without a WAL to watch.
    watch_again: Duration,
    stopping: bool,
}

impl Driver {
    fn drive(mut self) -> Result<()> {
        let sinks = self.sinks();
        let _listening: Vec<_> = self
            .engine
            .doorbells()
            .iter()
            .map(|doorbell| {
                let sender = self.sender.clone();
                // The thread that would listen may be gone.
                doorbell.listen(Arc::new(move || drop(sender.send(Signal::Commit))))
            })
            .collect();
        while !self.stopping {
            let next = self.step(&sinks)?;
            if self.goal == Goal::Idle && self.engine.is_done()? {
                break;
            }
            let patience = self.patience();
            self.listen(next, patience);
            if !self.stopping && self.engine.notice()? {
                self.recheck_until = Duration::ZERO;
            }
        }
        self.stop(&sinks)
    }

    /// One step, if the file is still the one that was opened.
    fn step(&mut self, sinks: &[Sink]) -> Result<Next> {
        self.file.check(self.engine.database().path())?;
        self.engine.step(sinks)
    }

    fn tick(&self) -> Duration {
        self.engine.database().now().tick
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

    /// How long nobody has to look for commits.
    fn patience(&mut self) -> Duration {
        let now = self.tick();
        if !self.is_watching() && now >= self.watch_again {
            // There was no WAL yet, or it went with a connection that was closed.
            self.watcher = self.watch();
            self.watch_again = now + BACKSTOP;
            if self.is_watching() {
                // What was committed just before gave no hint.
                self.recheck_until = now + RECHECK_FOR;
            }
        }
        match self.is_watching() {
            _ if now < self.recheck_until => RECHECK,
            true => BACKSTOP,
            false => POLL,
        }
    }

    fn is_watching(&self) -> bool {
        self.watcher.as_ref().is_some_and(|watcher| !watcher.has_ended())
    }

    /// Watches the WAL of the database, where the system can. It lies beside the database itself,
    /// wherever a link to it lies.
    fn watch(&self) -> Option<WalWatcher> {
        let path = self.engine.database().path();
        let mut wal = path.canonicalize().unwrap_or_else(|_| path.to_path_buf()).into_os_string();
        wal.push("-wal");
        let sender = self.sender.clone();
        let hint = move || drop(sender.send(Signal::Hint));
        WalWatcher::start(&PathBuf::from(wal), hint).ok().flatten()
    }

    /// Waits for a signal, until there is something to do, or to look for commits; and takes what
    /// else has come.
    fn listen(&mut self, next: Next, patience: Duration) {
        let time = match next {
            Next::Now => Duration::ZERO,
            Next::Event => patience,
            Next::At(tick) => {
                let at = Duration::from_millis(u64::try_from(tick).unwrap_or(0));
                at.saturating_sub(self.tick()).min(patience)
            }
        };
        if let Ok(signal) = self.signals.recv_timeout(time) {
            self.take(signal);
        }
        self.take_all();
    }

    fn take_all(&mut self) {
        while let Ok(signal) = self.signals.try_recv() {
            self.take(signal);
        }
    }

    fn take(&mut self, signal: Signal) {
        match signal {
            Signal::Transport(index, event) => self.engine.heard(index, event),
            Signal::Commit => self.engine.look_again(),
            Signal::Hint => self.recheck_until = self.tick() + RECHECK_FOR,
            Signal::Stop => self.stopping = true,
            Signal::Cut => (self.stopping, self.drain) = (true, Duration::ZERO),
        }
    }

    /// Stops claiming, waits for answers, writes what is known, lets go.
    fn stop(mut self, sinks: &[Sink]) -> Result<()> {
        let began = self.tick();
        self.engine.close();
        while self.engine.in_flight() > 0 {
            let left = self.drain.saturating_sub(self.tick() - began);
            if left.is_zero() {
                break;
            }
            let next = self.step(sinks)?;
            self.listen(next, left);
        }
        self.engine.close();
        while self.step(sinks)? == Next::Now {}
        self.engine.finish()
    }
}
