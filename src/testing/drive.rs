//! Futures that the test drives itself: polled one time after the other, and dropped at any of
//! them where that is what goes wrong.

use super::disk::{Call, Met};
use super::script::Failed;
use super::world::World;
use crate::error::Result;
use crate::outbox::{AsyncOutbox, Outbox, Stepped};
use std::future::Future;
use std::pin::pin;
use std::task::{Context, Poll, Waker};

/// A future that was pending so often never ends.
const POLLS: usize = 10_000;

impl World {
    /// The handle for async callers, without its thread: what is handed in is done while
    /// [`drive`](Self::drive) waits.
    ///
    /// # Errors
    ///
    /// As [`AsyncOutbox::start`].
    pub fn async_outbox(&self, outbox: Outbox) -> Result<AsyncOutbox> {
        let (handle, store) = AsyncOutbox::stepped(outbox)?;
        self.stores().push(store);
        Ok(handle)
    }

    /// Polls a future until it is ready, and does meanwhile what it waits for. With
    /// [`Fault::Dropped`](super::Fault::Dropped) it is dropped when it is pending.
    ///
    /// ```
    /// # use surehand::testing::CrashTest;
    /// use surehand::{Message, Outbox};
    ///
    /// let test = CrashTest::new("async").scenario(|w| {
    ///     let outbox = w.async_outbox(Outbox::open(w.database("shop/shop.db"))?)?;
    ///     let id = w.drive(outbox.enqueue(Message::new("sale.made")))??;
    ///     w.promised("message", id);
    ///     Ok(())
    /// });
    /// # let _ = test;
    /// ```
    ///
    /// # Errors
    ///
    /// When it was dropped, and when nothing it can wait for ever happens.
    pub fn drive<F: Future>(&self, future: F) -> Result<F::Output, Failed> {
        self.poll(future, || self.network().carry(self).map(drop))
    }

    /// The same for a step of a consumer's, during which nothing else arrives.
    pub(crate) fn drive_alone<F: Future>(&self, future: F) -> Result<F::Output, Failed> {
        self.poll(future, || Ok(()))
    }

    fn poll<F: Future>(
        &self,
        future: F,
        meanwhile: impl Fn() -> Result<(), Failed>,
    ) -> Result<F::Output, Failed> {
        let mut context = Context::from_waker(Waker::noop());
        let mut future = pin!(future);
        for _ in 0..POLLS {
            if let Poll::Ready(output) = future.as_mut().poll(&mut context) {
                return Ok(output);
            }
            if self.is_dropped() {
                return Err("the future was dropped".into());
            }
            for store in &mut *self.stores() {
                while store.step() {}
            }
            meanwhile()?;
        }
        Err("the future is never ready".into())
    }

    /// Something is pending: whether it is dropped here.
    pub(crate) fn is_dropped(&self) -> bool {
        self.disk().meet(Call::Pending) != Met::Nothing
    }
}

/// The stores of async handles, which are stepped.
pub(crate) type Stores = Vec<Stepped>;
