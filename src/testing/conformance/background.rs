//! A runtime on a thread of its own, for transports that need one, which can be ended under them.

use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;
use std::{io, thread};
use tokio::runtime::{Builder, Handle};
use tokio::sync::oneshot;

/// A tokio runtime at work; dropping it ends it, and waits for nothing.
#[derive(Debug)]
pub(super) struct Background {
    handle: Handle,
    stop: Option<oneshot::Sender<()>>,
    ended: Receiver<()>,
}

impl Background {
    pub(super) fn start() -> io::Result<Self> {
        let runtime = Builder::new_current_thread().enable_all().build()?;
        let handle = runtime.handle().clone();
        let (stop, stopped) = oneshot::channel::<()>();
        let (ending, ended) = channel();
        thread::Builder::new().name("surehand-conformance".into()).spawn(move || {
            let _ = runtime.block_on(stopped);
            // Tasks are dropped where they wait; what blocks a thread is not waited for.
            runtime.shutdown_background();
            let _ = ending.send(());
        })?;
        Ok(Self { handle, stop: Some(stop), ended })
    }

    pub(super) fn handle(&self) -> &Handle {
        &self.handle
    }

    /// Ends it, with whatever runs on it; says whether it ended within that time.
    pub(super) fn end(&mut self, patience: Duration) -> bool {
        self.stop.take().is_none() || self.ended.recv_timeout(patience).is_ok()
    }
}
