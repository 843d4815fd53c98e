//! Over TLS: HTTP/2 where both ends speak it, and nothing to somebody who cannot prove who it is.

use crate::server::Server;
use crate::stage::{Stage, secret};
use axum::Router;
use axum::extract::Request;
use axum::middleware::{Next, from_fn};
use axum::serve::Listener;
use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use surehand::transport::{Http, HttpBuilder};
use surehand::{Operator, Receiver, Relay, Subscription};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

/// A listener whose connections have shaken hands.
pub(crate) struct Secure {
    listener: TcpListener,
    acceptor: TlsAcceptor,
}

impl Listener for Secure {
    type Io = TlsStream<TcpStream>;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Self::Io, SocketAddr) {
        loop {
            let Ok((stream, from)) = self.listener.accept().await else { continue };
            if let Ok(stream) = self.acceptor.accept(stream).await {
                return (stream, from);
            }
        }
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.listener.local_addr()
    }
}

/// A certificate for this machine, signed by itself, and the server's side of it.
fn certified(protocols: &[&str]) -> (String, TlsAcceptor) {
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let key = rustls::pki_types::PrivatePkcs8KeyDer::from(made.signing_key.serialize_der());
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![made.cert.der().clone()], key.into())
        .unwrap();
    config.alpn_protocols = protocols.iter().map(|name| name.as_bytes().to_vec()).collect();
    (made.cert.pem(), TlsAcceptor::from(Arc::new(config)))
}

/// Serves a warehouse over TLS; notes the version of every request.
fn serve(stage: &Stage, protocols: &[&str]) -> (Server, String, Arc<Mutex<Vec<http::Version>>>) {
    let (pem, acceptor) = certified(protocols);
    let (inbox, versions) = (stage.inbox(), Arc::<Mutex<Vec<_>>>::default());
    let seen = Arc::clone(&versions);
    let note = from_fn(move |request: Request, next: Next| {
        seen.lock().unwrap().push(request.version());
        next.run(request)
    });
    let make = move || -> Router { Receiver::verified(inbox, secret(1)).into_router().layer(note) };
    let secure = |listener| Secure { listener, acceptor };
    (Server::start_on(secure, make), pem, versions)
}

async fn hands_over(stage: &Stage, address: SocketAddr, form: impl Fn(HttpBuilder) -> HttpBuilder) {
    let url = format!("https://localhost:{}/", address.port());
    let http = form(Http::signed(url, secret(1)).to_inbox()).start().unwrap();
    let relay = Relay::open(&stage.shop).unwrap().deliver_to(http);
    relay.run_until_idle().await.unwrap();
}

#[tokio::test]
async fn where_both_speak_it_all_requests_share_a_connection_of_http_2() {
    let stage = Stage::set();
    stage.place(0..300);
    let (server, pem, versions) = serve(&stage, &["h2", "http/1.1"]);
    hands_over(&stage, server.address, |http| http.trusting(pem.as_bytes())).await;
    server.stop();
    stage.has_shipped(0..300);
    let versions = versions.lock().unwrap();
    assert!(versions.len() >= 300);
    assert!(versions.iter().all(|version| *version == http::Version::HTTP_2));
}

#[tokio::test]
async fn others_are_spoken_to_in_http_1() {
    let stage = Stage::set();
    stage.place(0..300);
    let (server, pem, versions) = serve(&stage, &["http/1.1"]);
    let form = |http: HttpBuilder| http.trusting(pem.as_bytes()).batches(100);
    hands_over(&stage, server.address, form).await;
    server.stop();
    stage.has_shipped(0..300);
    let versions = versions.lock().unwrap();
    assert!(versions.iter().all(|version| *version == http::Version::HTTP_11));
}

#[tokio::test]
async fn somebody_with_a_certificate_of_nobody_is_told_nothing() {
    let stage = Stage::set();
    stage.place(0..3);
    let (server, _, versions) = serve(&stage, &["h2"]);
    let url = format!("https://localhost:{}/", server.address.port());
    // Another authority of the same name.
    let (other, _) = certified(&["h2"]);
    let http = Http::signed(url, secret(1)).trusting(other.as_bytes()).start().unwrap();
    let relay = Relay::open(&stage.shop).unwrap().subscribe(Subscription::new("main"), http);
    let outage = async {
        loop {
            let stats = Operator::open(&stage.shop).unwrap().stats().unwrap();
            if stats.iter().any(|one| one.outages >= 2 && one.dead == 0) {
                return;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), relay.run_until(outage)).await.unwrap().unwrap();
    server.stop();
    assert!(versions.lock().unwrap().is_empty());
    assert!(stage.shipped().is_empty());
}
