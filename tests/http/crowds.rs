//! Too much at once: slow bodies, half-open connections, a full queue, an attack; and a shutdown in
//! the middle of work.

use crate::post::{EVENT, Post, event};
use crate::server::Server;
use crate::stage::{Stage, secret};
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::mpsc::{Receiver as Hearer, Sender, channel};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use surehand::{Effect, Inbox, Json, Receiver};

const PATIENCE: Duration = Duration::from_secs(20);

/// A handler that says that it began, and waits until it may go on.
struct Slow {
    inbox: Inbox,
    began: Hearer<i64>,
    go_on: Sender<()>,
}

fn slow(stage: &Stage) -> Slow {
    let (begins, began) = channel();
    let (go_on, may_go_on) = channel();
    let (begins, may_go_on) = (Mutex::new(begins), Mutex::new(may_go_on));
    let inbox = Inbox::open(&stage.warehouse).unwrap();
    let inbox = inbox.on("order.placed", move |tx: &Effect, order: Json<i64>| {
        begins.lock().unwrap().send(*order)?;
        may_go_on.lock().unwrap().recv()?;
        tx.execute("INSERT INTO shipment (order_id) VALUES (?1)", [*order])?;
        Ok(*order)
    });
    Slow { inbox, began, go_on }
}

async fn has_begun(began: Hearer<i64>) -> Hearer<i64> {
    let first = move || began.recv().map(|_| began);
    tokio::task::spawn_blocking(first).await.unwrap().unwrap()
}

/// A connection that has sent the head of a request, and of its body nothing yet.
fn half_open(address: SocketAddr, length: usize) -> TcpStream {
    let mut stream = TcpStream::connect(address).unwrap();
    let head = format!(
        "POST / HTTP/1.1\r\nhost: a\r\ncontent-type: {EVENT}\r\ncontent-length: {length}\r\n\r\n"
    );
    stream.write_all(head.as_bytes()).unwrap();
    stream
}

fn answer(mut stream: TcpStream) -> String {
    let mut bytes = [0; 64];
    let read = stream.read(&mut bytes).unwrap();
    String::from_utf8_lossy(&bytes[..read]).into_owned()
}

#[tokio::test]
async fn slow_bodies_keep_nobody_waiting_and_end() {
    let stage = Stage::set();
    let inbox = stage.inbox();
    let server = Server::start(move || {
        let receiver = Receiver::unsigned(inbox).body_timeout(Duration::from_millis(700));
        receiver.queue(2).into_router()
    });
    let slow: Vec<TcpStream> = (0..200).map(|_| half_open(server.address, 1_000)).collect();
    let came = Post::new(EVENT, event("a", 1)).to(server.address).await;
    assert_eq!(came.status, 200);
    for stream in slow {
        let answer = answer(stream);
        assert!(answer.starts_with("HTTP/1.1 408"), "{answer}");
    }
    server.stop();
    assert_eq!(stage.shipped(), [1]);
}

#[tokio::test]
async fn a_body_that_is_cut_off_is_nothing() {
    let stage = Stage::set();
    let inbox = stage.inbox();
    let server = Server::start(move || Receiver::unsigned(inbox).into_router());
    let whole = event("a", 1);
    let mut stream = half_open(server.address, whole.len());
    stream.write_all(&whole.as_bytes()[..whole.len() - 1]).unwrap();
    drop(stream);
    let came = Post::new(EVENT, event("b", 2)).to(server.address).await;
    assert_eq!(came.status, 200);
    server.stop();
    assert_eq!(stage.shipped(), [2]);
}

#[tokio::test]
async fn more_bodies_than_the_budget_holds_come_again() {
    let stage = Stage::set();
    let inbox = stage.inbox();
    let server = Server::start(move || {
        let receiver = Receiver::unsigned(inbox).longest_body(210_000).budget(256 * 1024);
        receiver.body_timeout(PATIENCE).into_router()
    });
    let mut slow = half_open(server.address, 200_000);
    slow.write_all(&[b' '; 100 * 1024]).unwrap();
    // When the bytes of the slow one are read is seen from the answers to others.
    let large = || Post::new(EVENT, format!("{}{}", " ".repeat(200_000), event("a", 1)));
    let until = async |is_wanted: fn(u16) -> bool| loop {
        let came = large().to(server.address).await;
        if is_wanted(came.status) {
            return came;
        }
    };
    let refused = tokio::time::timeout(PATIENCE, until(|status| status != 200)).await.unwrap();
    assert_eq!((refused.status, refused.problem().as_str()), (503, "busy"));
    assert_eq!(refused.field("retry-after"), Some("1"));
    drop(slow);
    tokio::time::timeout(PATIENCE, until(|status| status == 200)).await.unwrap();
    server.stop();
    assert_eq!(stage.shipped(), [1]);
}

#[tokio::test]
async fn a_full_queue_says_so_and_what_is_under_way_is_told() {
    let stage = Stage::set();
    let Slow { inbox, began, go_on } = slow(&stage);
    let server = Server::start(move || Receiver::unsigned(inbox).queue(1).into_router());
    let address = server.address;
    let first = tokio::spawn(Post::new(EVENT, event("a", 1)).to(address));
    let _began = has_begun(began).await;
    let refused = Post::new(EVENT, event("b", 2)).to(address).await;
    assert_eq!((refused.status, refused.problem().as_str()), (503, "busy"));
    assert_eq!(refused.field("retry-after"), Some("1"));
    go_on.send(()).unwrap();
    go_on.send(()).unwrap();
    assert_eq!(first.await.unwrap().status, 200);
    assert_eq!(Post::new(EVENT, event("b", 2)).to(address).await.status, 200);
    server.stop();
    assert_eq!(stage.shipped(), [1, 2]);
}

#[tokio::test]
async fn a_second_request_with_one_under_way_is_told_so() {
    let stage = Stage::set();
    let Slow { inbox, began, go_on } = slow(&stage);
    let server = Server::start(move || Receiver::unsigned(inbox).into_router());
    let address = server.address;
    let first = tokio::spawn(Post::new(EVENT, event("a", 1)).to(address));
    let _began = has_begun(began).await;
    let again = Post::new(EVENT, event("a", 1)).to(address).await;
    assert_eq!((again.status, again.problem().as_str()), (409, "in-progress"));
    go_on.send(()).unwrap();
    let first = first.await.unwrap();
    let again = Post::new(EVENT, event("a", 1)).to(address).await;
    assert_eq!((first.status, again.status, &first.body), (200, 200, &again.body));
    server.stop();
    assert_eq!(stage.shipped(), [1]);
}

#[tokio::test]
async fn a_shutdown_answers_what_was_begun() {
    let stage = Stage::set();
    let Slow { inbox, began, go_on } = slow(&stage);
    let server = Server::start(move || Receiver::unsigned(inbox).into_router());
    let posts = (0..5).map(|n| Post::new(EVENT, event(&n.to_string(), n)).to(server.address));
    let posts: Vec<_> = posts.map(tokio::spawn).collect();
    let _began = has_begun(began).await;
    let stopped = Arc::new(Mutex::new(false));
    let seen = Arc::clone(&stopped);
    let stopping = tokio::task::spawn_blocking(move || {
        server.stop();
        *seen.lock().unwrap() = true;
    });
    assert!(!*stopped.lock().unwrap(), "it waits");
    for _ in 0..5 {
        go_on.send(()).unwrap();
    }
    for post in posts {
        assert_eq!(post.await.unwrap().status, 200);
    }
    stopping.await.unwrap();
    assert_eq!(stage.shipped(), [0, 1, 2, 3, 4]);
}

/// For half a minute's worth of attackers at once: bombs, huge bodies, slow ones, deep ones, with
/// and without a signature. The peak of the process that serves them stays in bounds.
#[cfg(target_os = "linux")]
mod attack {
    use super::*;
    use crate::post::BATCH;
    use flate2::Compression;
    use flate2::write::GzEncoder;
    use std::io::BufRead;
    use std::process::{Child, Command, Stdio};

    const MOST_KIB: u64 = 128 * 1024;
    const ENVIRONMENT: &str = "SUREHAND_TEST_SERVES";

    /// Not a test of its own: the process that is attacked.
    #[test]
    fn the_one_who_is_attacked() {
        let Ok(warehouse) = std::env::var(ENVIRONMENT) else { return };
        let inbox = Inbox::open(warehouse).unwrap();
        let inbox = inbox.on("order.placed", |tx: &Effect, order: Json<i64>| {
            tx.execute("INSERT INTO shipment (order_id) VALUES (?1)", [*order])?;
            Ok(())
        });
        let server = Server::start(move || Receiver::verified(inbox, secret(1)).into_router());
        println!("\nserves {}", server.address);
        // Until whoever attacks is done.
        let _ = std::io::stdin().read_line(&mut String::new());
    }

    struct Attacked {
        child: Child,
        address: SocketAddr,
    }

    fn attacked(stage: &Stage) -> Attacked {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["crowds::attack::the_one_who_is_attacked", "--exact", "--nocapture"])
            .env(ENVIRONMENT, &stage.warehouse)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let lines = std::io::BufReader::new(child.stdout.take().unwrap()).lines();
        let served = lines
            .map_while(Result::ok)
            .find_map(|line| line.strip_prefix("serves ").map(|address| address.parse().unwrap()));
        Attacked { child, address: served.unwrap() }
    }

    impl Attacked {
        fn peak_kib(&self) -> u64 {
            let path = format!("/proc/{}/status", self.child.id());
            let status = std::fs::read_to_string(path).unwrap();
            let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
            peak.trim().trim_end_matches(" kB").parse().unwrap()
        }
    }

    impl Drop for Attacked {
        fn drop(&mut self) {
            let _ = self.child.kill();
            let _ = self.child.wait();
        }
    }

    fn attacks() -> Vec<Post> {
        let packed = |bytes: &[u8]| {
            let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
            encoder.write_all(bytes).unwrap();
            encoder.finish().unwrap()
        };
        let bomb =
            Post::new(EVENT, packed(&vec![b'['; 100 << 20])).field("content-encoding", "gzip");
        let events = format!("[{}]", vec!["1"; 3 << 20].join(","));
        let nested = format!("[{}", "[".repeat(7 << 20));
        let text = format!("[{}]", vec![event("a", 1); 30_000].join(","));
        vec![
            bomb.clone().signed("a"),
            bomb.signed_with(secret(2), "a", 0),
            Post::new(EVENT, vec![b' '; 8 << 20]).signed("a"),
            Post::new(EVENT, vec![b'"'; 20 << 20]).signed("a"),
            Post::new(BATCH, events).signed("a"),
            Post::new(BATCH, nested.clone()).signed("a"),
            Post::new(EVENT, nested).signed("a"),
            Post::new(BATCH, text).signed("a"),
        ]
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn memory_stays_in_bounds_under_attack() {
        let stage = Stage::set();
        let attacked = attacked(&stage);
        let address = attacked.address;
        let mut slow: Vec<TcpStream> = (0..300).map(|_| half_open(address, 8 << 20)).collect();
        for stream in &mut slow {
            stream.write_all(&[b' '; 8 * 1024]).unwrap();
        }
        let attacks = attacks();
        let mut under_way = Vec::new();
        for post in (0..8).flat_map(|_| attacks.clone()) {
            under_way.push(tokio::spawn(post.to(address)));
        }
        for (number, one) in under_way.into_iter().enumerate() {
            // One whose body is too long is answered before it is sent, or its connection ends.
            if let Ok(came) = one.await {
                assert!((400..=503).contains(&came.status), "{number}: {}", came.status);
            }
        }
        let peak = attacked.peak_kib();
        println!("the receiver's peak under attack: {} MiB", peak / 1024);
        assert!(peak <= MOST_KIB, "{peak} KiB");
        drop(slow);
        let came = Post::new(EVENT, event("good", 7)).signed("good").to(address).await;
        assert_eq!(came.status, 204, "and it still works");
        drop(attacked);
        assert_eq!(stage.shipped(), [7]);
    }
}
