//! Each form of the transport, into an inbox behind a receiver, keeps what a transport promises.

use crate::server::Server;
use crate::stage::secret;
use surehand::testing::conformance::{Conformance, Finding, Report};
use surehand::transport::{Greeter, Hello, Http, HttpBuilder, Request, Settler};
use surehand::{Inbox, Receiver, Transport};

/// The transport with its server.
struct Both {
    http: Http,
    topics: Vec<String>,
    _server: Server,
}

impl Transport for Both {
    fn deliver(&self, request: Request, settler: Settler) {
        self.http.deliver(request, settler);
    }

    fn hello(&self, hello: Hello, greeter: Greeter) {
        self.http.hello(hello, greeter);
    }

    fn remembers(&self) -> bool {
        self.http.remembers()
    }

    fn topics(&self) -> Vec<String> {
        self.topics.clone()
    }
}

fn signed(inbox: Inbox, form: fn(HttpBuilder) -> HttpBuilder) -> Both {
    let topics = inbox.topics();
    let server = Server::start(move || Receiver::verified(inbox, secret(1)).into_router());
    let http = form(Http::signed(server.url(), secret(1)).to_inbox()).start().unwrap();
    Both { http, topics, _server: server }
}

fn unsigned(inbox: Inbox, form: fn(HttpBuilder) -> HttpBuilder) -> Both {
    let topics = inbox.topics();
    let server = Server::start(move || Receiver::unsigned(inbox).into_router());
    let http = form(Http::unsigned(server.url()).to_inbox()).start().unwrap();
    Both { http, topics, _server: server }
}

/// What a transport does not promise that sends each message alone.
const AS_REQUESTED: &str = "a request is applied in its order";

fn alone(name: &str, make: impl Fn(Inbox) -> Both + 'static) -> Conformance {
    let why = "each message is a request of its own";
    Conformance::with_inbox(name, make).except(AS_REQUESTED, why)
}

#[track_caller]
fn keeps_its_promises(report: &Report, excepted: &[&str]) {
    println!("{report}");
    report.assert();
    let skips = report.checks.iter().filter(|check| matches!(check.finding, Finding::Skipped(_)));
    let skips: Vec<&str> = skips.map(|check| check.name.as_str()).collect();
    assert_eq!(skips, [excepted, &["a prepare step is its own message's"]].concat());
}

#[test]
fn one_by_one() {
    let make = |inbox| signed(inbox, |http| http);
    keeps_its_promises(&alone("http", make).run(), &[AS_REQUESTED]);
}

#[test]
fn in_batches() {
    let make = |inbox| signed(inbox, |http| http.batches(100));
    keeps_its_promises(&Conformance::with_inbox("http, batches", make).run(), &[]);
}

#[test]
fn in_batches_packed_by_gzip_two_at_a_time() {
    let make = |inbox| signed(inbox, |http| http.batches(2).gzip());
    keeps_its_promises(&Conformance::with_inbox("http, gzip", make).run(), &[]);
}

#[test]
fn in_header_fields() {
    let make = |inbox| unsigned(inbox, HttpBuilder::binary);
    keeps_its_promises(&alone("http, binary", make).run(), &[AS_REQUESTED]);
}

#[test]
fn with_prepare_steps() {
    let make = |inbox| signed(inbox, |http| http);
    let report = alone("http, prepared", make).prepared().run();
    println!("{report}");
    report.assert();
}
