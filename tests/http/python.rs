//! The examples in Python, against the transport and the receiver: nothing is lost, and nothing
//! takes effect twice, with the consumer gone once in the middle.

use crate::foreign::{PATIENCE, post, until_idle};
use crate::server::Server;
use crate::stage::{Stage, count, secret};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver as Lines, channel};
use surehand::clock::{Clock, System};
use surehand::http::Signer;
use surehand::transport::Http;
use surehand::{Effect, Inbox, Json, Message, Receiver, Relay, Subscription};

const ORDERS: i64 = 200;

/// One of the examples, running; it is ended with its owner.
struct Python {
    child: Child,
    said: Lines<String>,
    complained: Lines<String>,
}

impl Python {
    fn start(example: &str, arguments: &[&str]) -> Self {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/python");
        let mut child = Command::new("python3")
            .arg("-I")
            .arg(folder.join(example))
            .args(arguments)
            .env("WEBHOOK_SECRET", format!("whsec_{}", STANDARD.encode([1; 32])))
            .env("no_proxy", "*")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let said = lines(child.stdout.take().unwrap());
        let complained = lines(child.stderr.take().unwrap());
        Self { child, said, complained }
    }

    /// What it says next.
    #[track_caller]
    fn line(&self) -> String {
        self.said.recv_timeout(PATIENCE).unwrap_or_else(|why| {
            let complaints: Vec<String> = self.complained.try_iter().collect();
            panic!("it says nothing ({why}), but complains: {complaints:#?}");
        })
    }

    /// Ends it at once, as a crash would; what it had said by then is not lost.
    fn kill(mut self) -> Vec<String> {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
        self.said.iter().collect()
    }
}

impl Drop for Python {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn lines(from: impl Read + Send + 'static) -> Lines<String> {
    let (sender, lines) = channel();
    std::thread::spawn(move || {
        for line in BufReader::new(from).lines().map_while(Result::ok) {
            let _ = sender.send(line);
        }
    });
    lines
}

/// Whether there is one; says so if not, for then nothing is tested.
fn is_there() -> bool {
    let is_there = Command::new("python3").arg("--version").output().is_ok();
    if !is_there {
        eprintln!("NOT TESTED: there is no `python3` here, which the examples in Python need");
    }
    is_there
}

fn message(order: i64) -> Message {
    Message::new("order.placed").key(order % 7).json(&json!({ "order_id": order })).unwrap()
}

/// The ids of what was applied; nothing was for the second time.
fn applied<'a>(said: impl IntoIterator<Item = &'a String>, all: &mut BTreeSet<String>) {
    for line in said {
        if let Some(id) = line.strip_prefix("applied ") {
            assert!(all.insert(id.to_owned()), "{id} was applied twice");
        }
    }
}

/// What is not signed, or by somebody else, or long ago, is refused.
fn believes_nobody(consumer: SocketAddr) {
    assert_eq!(post(consumer, &[], b"{}").status, 401);
    let now_s = System.now().wall_ms / 1_000;
    for (number, at) in [(2, now_s), (1, now_s - 310), (1, now_s + 310)] {
        let signature = Signer::new(secret(number)).sign("a", at, b"{}");
        let at = at.to_string();
        let fields =
            [("webhook-id", "a"), ("webhook-timestamp", &at), ("webhook-signature", &signature)];
        let answer = post(consumer, &fields, b"{}");
        assert_eq!(answer.status, 401, "{answer:?} to secret {number} at {at}");
    }
}

#[test]
fn a_consumer_applies_once_what_a_relay_sends() {
    if !is_there() {
        return;
    }
    let stage = Stage::set();
    stage.put((0..ORDERS).map(message));
    let store = stage.warehouse.with_file_name("python.db");
    let store = store.to_str().unwrap();
    let consumer = Python::start("consumer.py", &[store]);
    let url = consumer.line();
    let port = url.trim_end_matches('/').rsplit(':').next().unwrap().to_owned();
    believes_nobody(format!("127.0.0.1:{port}").parse().unwrap());

    // Each comes over both subscriptions: one of them at least is a duplicate.
    let shop = stage.shop.clone();
    let relay = std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let http = || Http::signed(url.as_str(), secret(1)).requests(4).start().unwrap();
            let relay = Relay::open(&shop).unwrap();
            let relay = relay.subscribe(Subscription::new("one"), http());
            let relay = relay.subscribe(Subscription::new("two"), http());
            until_idle(relay).await;
        });
    });
    let mut ids = BTreeSet::new();
    let before: Vec<String> = (0..ORDERS / 2).map(|_| consumer.line()).collect();
    applied(before.iter().chain(&consumer.kill()), &mut ids);
    let consumer = Python::start("consumer.py", &[store, &port]);
    relay.join().unwrap();
    applied(&consumer.kill(), &mut ids);

    stage.has_handed_over_all();
    let sql = "SELECT count(*) * 1000000 + count(DISTINCT order_id) FROM shipment";
    assert_eq!(count(Path::new(store), sql), ORDERS * 1_000_001, "all, and none twice");
    // A crash may come between the commit and the line about it.
    assert!(ids.len() <= usize::try_from(ORDERS).unwrap());
}

/// An inbox that ships what a webhook or an event is about.
fn inbox(stage: &Stage) -> Inbox {
    Inbox::open(&stage.warehouse).unwrap().on("order.placed", |tx: &Effect, it: Json<Value>| {
        let order = it.get("data").unwrap_or(&it)["order_id"].as_i64();
        tx.execute("INSERT INTO shipment (order_id) VALUES (?1)", [order])?;
        Ok(())
    })
}

/// Has a producer send all orders, and takes the receiver away from it in the middle.
fn sends_all(stage: &Stage, form: &str, time: &str) {
    let serve = |address| {
        let inbox = inbox(stage);
        Server::start_at(address, || Receiver::verified(inbox, secret(1)).into_router())
    };
    let mut server = serve("127.0.0.1:0".parse().unwrap());
    let mut producer = Python::start("producer.py", &[&server.url(), form]);
    let mut stdin = producer.child.stdin.take().unwrap();
    for order in 0..ORDERS {
        writeln!(stdin, "order-{order} {time} {order}").unwrap();
    }
    drop(stdin);
    for order in 0..ORDERS {
        if order == ORDERS / 2 {
            let address = server.address;
            server.stop();
            let complaint = producer.complained.recv_timeout(PATIENCE).unwrap();
            assert!(complaint.starts_with("trying order-"), "{complaint}");
            server = serve(address);
        }
        assert_eq!(producer.line(), format!("order-{order}"));
    }
    assert!(producer.child.wait().unwrap().success());
    server.stop();
}

fn a_receiver_applies_once(form: &str) {
    if !is_there() {
        return;
    }
    let stage = Stage::set();
    let time = jiff::Timestamp::now().to_string();
    sends_all(&stage, form, &time);
    stage.has_shipped(0..ORDERS);
    // As a producer does that crashed before it noted what was taken.
    sends_all(&stage, form, &time);
    stage.has_shipped(0..ORDERS);
}

#[test]
fn a_receiver_applies_once_the_webhooks_of_a_producer() {
    a_receiver_applies_once("webhook");
}

#[test]
fn a_receiver_applies_once_the_events_of_a_producer() {
    a_receiver_applies_once("event");
}
