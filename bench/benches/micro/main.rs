//! Micro-benchmarks of what a message costs on its way: `cargo bench`. They are for comparing one
//! version with the next, not for bars.

mod captured;

use captured::Captured;
use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use std::hint::black_box;
use std::time::{Duration, Instant};
use surehand::rusqlite::{Connection, TransactionBehavior::Immediate};
use surehand::transport::Outcome;
use surehand::{Effect, Inbox, Message, Outbox};

type Make = fn(u64) -> Message;

/// In a transaction, at the most.
const MESSAGES: u64 = 5_000;

fn now() -> Instant {
    #[allow(clippy::disallowed_methods, reason = "it measures")]
    Instant::now()
}

fn message(number: u64) -> Message {
    Message::new("order.placed").payload(number.to_le_bytes().repeat(25))
}

fn keyed(number: u64) -> Message {
    message(number).key(number % 1_000).header("tenant", "north").traceparent("00-0af7651916cd-01")
}

/// One enqueue in a transaction that is rolled back; begin and rollback are not counted.
fn enqueue(criterion: &mut Criterion) {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("shop.db");
    let outbox = Outbox::open(&path).expect("an outbox");
    let mut db = Connection::open(&path).expect("a connection");
    let ways = [("plain", message as Make), ("key and headers", keyed)];
    let mut group = criterion.benchmark_group("enqueue in a transaction");
    for (name, message) in ways {
        group.bench_function(name, |bencher| {
            bencher.iter_custom(|count| {
                let (mut left, mut time) = (count, Duration::ZERO);
                while left > 0 {
                    let some = left.min(MESSAGES);
                    let messages: Vec<_> = (0..some).map(message).collect();
                    let tx = db.transaction_with_behavior(Immediate).expect("begin");
                    let began = now();
                    for message in messages {
                        black_box(outbox.enqueue(&tx, message).expect("enqueue"));
                    }
                    time += began.elapsed();
                    tx.rollback().expect("rollback");
                    left -= some;
                }
                time
            });
        });
    }
}

/// A request of 256 into an inbox with an effect of nothing: one durable commit.
fn process(criterion: &mut Criterion) {
    let captured = Captured::requests(40_000, keyed);
    let mut group = criterion.benchmark_group("inbox");
    group.throughput(Throughput::Elements(captured.batch()));
    group.bench_function("a request of 256", |bencher| {
        bencher.iter_custom(|count| {
            let (mut left, mut time) = (count, Duration::ZERO);
            while left > 0 {
                let directory = tempfile::tempdir().expect("a directory");
                let mut inbox = Inbox::open(directory.path().join("store.db")).expect("an inbox");
                inbox = inbox.on("order.placed", |_: &Effect, _: Vec<u8>| Ok(()));
                let _ = inbox.hello(&captured.hello).expect("hello");
                let began = now();
                for request in captured.requests.iter().take(usize::try_from(left).unwrap_or(0)) {
                    let mut applied = 0;
                    let _ = inbox
                        .process(request, &mut |_, outcome| {
                            applied += usize::from(matches!(outcome, Outcome::Applied(_)));
                        })
                        .expect("process");
                    assert_eq!(applied, request.envelopes.len());
                    left -= 1;
                }
                time += began.elapsed();
            }
            time
        });
    });
}

/// What is read of an envelope by whoever handles it.
fn envelope(criterion: &mut Criterion) {
    let order = serde_json::json!({ "order_id": 41, "sku": "A-1", "lines": [1, 2, 3] });
    let captured = Captured::requests(256, move |number| {
        let message = message(number).key(number).header("tenant", "north");
        message.json(&order).expect("JSON")
    });
    let envelope = &captured.requests[0].envelopes[0];
    let mut group = criterion.benchmark_group("envelope");
    group.bench_function("checksum", |bencher| bencher.iter(|| black_box(envelope).is_intact()));
    group.bench_function("a header", |bencher| {
        bencher.iter(|| black_box(envelope).header(black_box("tenant")));
    });
    group.bench_function("its payload as JSON", |bencher| {
        bencher.iter(|| -> serde_json::Value {
            serde_json::from_slice(black_box(envelope).payload()).expect("JSON")
        });
    });
    group.bench_function("a copy", |bencher| {
        bencher.iter_batched(|| (), |()| black_box(envelope).clone(), BatchSize::SmallInput);
    });
}

#[cfg(feature = "http")]
fn sign(criterion: &mut Criterion) {
    let secret = "whsec_b25seSBmb3IgdGhlIGRlbW9uc3RyYXRpb24=".parse::<surehand::http::Secret>();
    let signer = surehand::http::Signer::new(secret.expect("a secret"));
    let body = [b'x'; 400];
    criterion.bench_function("sign 400 bytes", |bencher| {
        bencher.iter(|| signer.sign("01890a5d", 1_700_000_000, black_box(&body)));
    });
}

#[cfg(not(feature = "http"))]
fn sign(_: &mut Criterion) {}

criterion_group! {
    name = micro;
    config = Criterion::default()
        .sample_size(20)
        .warm_up_time(Duration::from_secs(1))
        .measurement_time(Duration::from_secs(3));
    targets = enqueue, process, envelope, sign
}
criterion_main!(micro);
