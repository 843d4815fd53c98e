//! The warehouse as a service: takes orders over HTTP and ships each of them once.

use super::Outcome;
use super::arguments::Arguments;
use super::order::TOPIC;
use super::worker::{furnish, ship};
use std::future::Future;
use std::net::SocketAddr;
use std::path::PathBuf;
use surehand::http::Secret;
use surehand::{Inbox, Receiver};
use tokio::net::TcpListener;

pub(crate) const USAGE: &str = "http_consumer --inbox warehouse.db [--listen 127.0.0.1:0]";

/// Who knows it may send. Of a demonstration on one machine: yours comes from your configuration.
const SECRET: &str = "whsec_b25seSBmb3IgdGhlIGRlbW9uc3RyYXRpb24=";

/// The secret both ends share.
pub(crate) fn secret() -> Outcome<Secret> {
    let text = std::env::var("SUREHAND_SECRET").unwrap_or_else(|_| SECRET.into());
    Ok(text.parse()?)
}

/// What the service was told.
pub(crate) struct Consumer {
    pub(crate) inbox: PathBuf,
    listen: SocketAddr,
}

impl Consumer {
    pub(crate) fn new(mut arguments: Arguments) -> Outcome<Self> {
        let anywhere = SocketAddr::from(([127, 0, 0, 1], 0));
        let consumer = Self {
            inbox: arguments.required("--inbox")?,
            listen: arguments.optional("--listen")?.unwrap_or(anywhere),
        };
        arguments.finish()?;
        Ok(consumer)
    }

    /// Serves until it is told to stop; what was begun is answered.
    pub(crate) async fn run(&self, stop: impl Future<Output = ()> + Send + 'static) -> Outcome<()> {
        let inbox = Inbox::open(&self.inbox)?.on(TOPIC, ship);
        furnish(&self.inbox)?;
        let inbox = Receiver::verified(inbox, secret()?).into_router();
        let app = axum::Router::new().nest("/inbox", inbox);
        let listener = TcpListener::bind(self.listen).await?;
        eprintln!("takes orders at http://{}/inbox", listener.local_addr()?);
        axum::serve(listener, app).with_graceful_shutdown(stop).await?;
        Ok(())
    }
}
