//! A server on a free port of this machine, on a thread of its own; gone when it is dropped.

use axum::Router;
use axum::serve::Listener;
use std::net::{SocketAddr, TcpListener};
use std::thread::JoinHandle;
use tokio::sync::oneshot;

pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Server {
    /// `make` runs inside the server's runtime.
    pub(crate) fn start(make: impl FnOnce() -> Router + Send + 'static) -> Self {
        Self::start_at("127.0.0.1:0".parse().unwrap(), make)
    }

    pub(crate) fn start_at(
        address: SocketAddr,
        make: impl FnOnce() -> Router + Send + 'static,
    ) -> Self {
        Self::with(address, |listener| listener, make)
    }

    /// With connections that are more than TCP.
    pub(crate) fn start_on<L: Listener<Addr = SocketAddr>>(
        over: impl FnOnce(tokio::net::TcpListener) -> L + Send + 'static,
        make: impl FnOnce() -> Router + Send + 'static,
    ) -> Self {
        Self::with("127.0.0.1:0".parse().unwrap(), over, make)
    }

    fn with<L: Listener<Addr = SocketAddr>>(
        address: SocketAddr,
        over: impl FnOnce(tokio::net::TcpListener) -> L + Send + 'static,
        make: impl FnOnce() -> Router + Send + 'static,
    ) -> Self {
        let listener = TcpListener::bind(address).unwrap();
        listener.set_nonblocking(true).unwrap();
        let address = listener.local_addr().unwrap();
        let (stop, stopped) = oneshot::channel::<()>();
        let thread = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_multi_thread()
                .worker_threads(2)
                .enable_all()
                .build()
                .unwrap();
            runtime.block_on(async move {
                let listener = over(tokio::net::TcpListener::from_std(listener).unwrap());
                let router = make();
                let served = axum::serve(listener, router).with_graceful_shutdown(async {
                    let _ = stopped.await;
                });
                served.await.unwrap();
            });
        });
        Self { address, stop: Some(stop), thread: Some(thread) }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}/", self.address)
    }

    /// Every request that was begun is answered first.
    pub(crate) fn stop(mut self) {
        drop(self.stop.take());
        self.thread.take().unwrap().join().unwrap();
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        drop(self.stop.take());
    }
}
