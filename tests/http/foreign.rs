//! The other side, where it is not ours: a consumer that keeps what it is sent, and a client.

use crate::server::Server;
use crate::stage::Stage;
use axum::Router;
use axum::body::Bytes;
use axum::response::{IntoResponse, Response};
use http::{HeaderMap, StatusCode};
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use surehand::Relay;
use surehand::transport::HttpBuilder;

pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// A request as it came.
#[derive(Clone, Debug)]
pub(crate) struct Taken {
    pub(crate) fields: HeaderMap,
    pub(crate) body: Bytes,
}

impl Taken {
    /// The value of a field that is there once.
    #[track_caller]
    pub(crate) fn field(&self, name: &str) -> &str {
        let values: Vec<_> = self.fields.get_all(name).iter().collect();
        assert_eq!(values.len(), 1, "`{name}` in {:?}", self.fields);
        values[0].to_str().unwrap()
    }
}

/// Takes every request, and answers as it is told.
pub(crate) struct Consumer {
    server: Server,
    taken: Arc<Mutex<Vec<Taken>>>,
}

impl Consumer {
    /// `answer` is given how many requests came before this one.
    pub(crate) fn answering(
        answer: impl Fn(usize, &Taken) -> Response + Clone + Send + Sync + 'static,
    ) -> Self {
        let taken: Arc<Mutex<Vec<Taken>>> = Arc::default();
        let kept = Arc::clone(&taken);
        let server = Server::start(move || {
            Router::new().fallback(async move |fields: HeaderMap, body: Bytes| {
                let one = Taken { fields, body };
                let mut kept = kept.lock().unwrap();
                let response = answer(kept.len(), &one);
                kept.push(one);
                response
            })
        });
        Self { server, taken }
    }

    /// Is content with whatever comes.
    pub(crate) fn content() -> Self {
        Self::answering(|_, _| StatusCode::NO_CONTENT.into_response())
    }

    pub(crate) fn url(&self) -> String {
        self.server.url()
    }

    pub(crate) fn taken(&self) -> Vec<Taken> {
        self.taken.lock().unwrap().clone()
    }
}

/// The requests by which everything in the shop's outbox goes to a consumer that is content.
pub(crate) async fn sent(stage: &Stage, http: impl FnOnce(String) -> HttpBuilder) -> Vec<Taken> {
    let consumer = Consumer::content();
    let http = http(consumer.url()).start().unwrap();
    let relay = Relay::open(&stage.shop).unwrap().deliver_to(http);
    until_idle(relay).await;
    stage.has_handed_over_all();
    consumer.taken()
}

/// Serves until nothing is left to do, which nothing here takes nearly as long for.
pub(crate) async fn until_idle(relay: Relay) {
    let idle = tokio::time::timeout(PATIENCE, relay.run_until_idle()).await;
    idle.expect("something is sent again and again").unwrap();
}

/// What was answered to a [`post`].
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    head: String,
    pub(crate) body: String,
}

impl Answer {
    pub(crate) fn has_field(&self, line: &str) -> bool {
        self.head.lines().any(|one| one.eq_ignore_ascii_case(line))
    }
}

/// Makes one request, by hand: nothing of ours is in it.
pub(crate) fn post(to: SocketAddr, fields: &[(&str, &str)], body: &[u8]) -> Answer {
    let mut request = format!("POST / HTTP/1.1\r\nhost: {to}\r\nconnection: close\r\n");
    for (name, value) in fields {
        request.push_str(&format!("{name}: {value}\r\n"));
    }
    request.push_str(&format!("content-length: {}\r\n\r\n", body.len()));
    let mut stream = TcpStream::connect(to).unwrap();
    stream.write_all(&[request.as_bytes(), body].concat()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    Answer { status, head: head.to_owned(), body: body.to_owned() }
}
