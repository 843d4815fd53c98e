//! A relay whose future is dropped, at any moment: nothing is lost, nothing takes effect twice,
//! and the next relay has nothing to wait for.

use super::child::{self, Child};
use super::shutdown::HOUR;
use super::stage::{
    PATIENCE, Running, Shelf, Shop, eventually, keyed, main_line, plain, quick, scripted,
};
use std::future::pending;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;
use surehand::transport::{Greeter, Hello, Local, Request, Settler};
use surehand::{Effect, Envelope, Inbox, Json, Outbox, Relay, Transport};

const ROUNDS: i64 = 60;
const IN_A_ROUND: i64 = 10;

#[test]
fn a_dropped_relay_does_not_wait_for_answers() {
    let mut shop = Shop::open();
    shop.put((1..=3).map(plain));
    let (script, mut first_mail) = scripted();
    let patient = main_line().ack_timeout(HOUR);
    let running = Running::start(shop.relay().drain_for(HOUR).subscribe(patient, script));
    let letters = first_mail.take_next(3);
    letters[0].ack();
    shop.until(|stats| stats.settled_to == 1);
    running.cut();
    let (script, mut mail) = scripted();
    let next = shop.serve(main_line(), script);
    let numbers: Vec<_> = mail.take_next(2).iter().map(|letter| letter.number()).collect();
    assert_eq!(numbers, [2, 3]);
    drop(next);
}

#[test]
fn a_relay_that_is_dropped_while_it_drains_stops_draining() {
    let mut shop = Shop::open();
    shop.put([plain(1)]);
    let (script, mut first_mail) = scripted();
    let patient = main_line().ack_timeout(HOUR);
    let mut running = Running::start(shop.relay().drain_for(HOUR).subscribe(patient, script));
    let _under_way = first_mail.next();
    running.ask_to_stop();
    first_mail.stays_empty();
    running.cut();
    let (script, mut mail) = scripted();
    let next = shop.serve(main_line(), script);
    mail.next().ack();
    next.stop();
}

/// Loses every other request on the way.
struct Lossy(Local, AtomicU32);

impl Transport for Lossy {
    fn deliver(&self, request: Request, settler: Settler) {
        if self.1.fetch_add(1, Ordering::Relaxed) % 2 == 1 {
            self.0.deliver(request, settler);
        }
    }

    fn hello(&self, hello: Hello, greeter: Greeter) {
        self.0.hello(hello, greeter);
    }

    fn remembers(&self) -> bool {
        true
    }
}

/// Different from round to round, and the same in every run.
fn moment(round: i64) -> Duration {
    Duration::from_micros(u64::try_from(round * 7_919 % 10_007).unwrap())
}

#[tokio::test]
async fn dropped_at_any_moment_nothing_is_lost_or_takes_effect_twice() {
    let mut shop = Shop::open();
    let shelf = Shelf::new(shop.file("shelf.db"));
    // None is lost so often that it would be given up.
    let main_line = || main_line().retry(quick().crash_limit(u32::MAX));
    for round in 0..ROUNDS {
        let first = round * IN_A_ROUND;
        shop.put((first..first + IN_A_ROUND).map(|n| keyed(&format!("k{}", n % 3), n)));
        let transport = Lossy(shelf.transport(|_| Ok(())), AtomicU32::default());
        let relay = shop.relay().subscribe(main_line(), transport);
        let shutdown = async move {
            match round % 2 {
                0 => pending().await,
                _ => tokio::time::sleep(moment(round) / 2).await,
            }
        };
        let _ = tokio::time::timeout(moment(round), relay.run_until(shutdown)).await;
    }
    let relay = shop.relay().subscribe(main_line(), shelf.transport(|_| Ok(())));
    tokio::time::timeout(PATIENCE, relay.run_until_idle()).await.unwrap().unwrap();
    assert_eq!(shop.operator().dead_letters("main").unwrap().list(0, 10).unwrap(), []);
    let numbers = shelf.numbers();
    for key in 0..3 {
        let of_key = |numbers: &mut dyn Iterator<Item = i64>| {
            numbers.filter(|n| n % 3 == key).collect::<Vec<_>>()
        };
        let applied = of_key(&mut numbers.iter().copied());
        assert_eq!(applied, of_key(&mut (0..ROUNDS * IN_A_ROUND)));
    }
    assert_eq!(shop.count("SELECT count(*) FROM outbox_message"), 0);
}

/// The threads of ours that this process has.
#[cfg(target_os = "linux")]
fn threads() -> Vec<String> {
    let tasks = std::fs::read_dir("/proc/self/task").unwrap();
    let names =
        tasks.filter_map(|task| std::fs::read_to_string(task.ok()?.path().join("comm")).ok());
    names.filter(|name| name.starts_with("surehand-")).collect()
}

/// Not a test of its own: a process with no relays but these.
#[cfg(target_os = "linux")]
#[test]
fn comings_and_goings() {
    let Some(directory) = child::runs("dropped::comings_and_goings") else { return };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    let shelf = Shelf::new(directory.join("shelf.db"));
    let relay = |inbox| {
        Relay::open(directory.join("shop.db")).unwrap().subscribe(main_line(), Local::new(inbox))
    };
    let plain = || shelf.inbox(|_| Ok(()));
    let prepared = || {
        let inbox = Inbox::open(directory.join("prepared.db")).unwrap();
        let prepare = async |_: Envelope| Ok(());
        inbox.on_prepared("order.placed", prepare, |_: &Effect, _: Json<i64>, (): &()| Ok(()))
    };
    runtime.block_on(async {
        for inbox in [plain(), prepared()] {
            let running = tokio::spawn(relay(inbox).run_until(pending()));
            while threads().len() < 3 {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
            running.abort();
        }
        relay(plain()).run_until(async {}).await.unwrap();
        relay(plain()).run_until_idle().await.unwrap();
        drop(relay(plain()).run_until_idle());
        drop(relay(plain()));
    });
    drop(runtime);
    let none = eventually(|| threads().is_empty().then_some(()));
    none.unwrap_or_else(|| panic!("these are left behind: {:?}", threads()));
}

#[cfg(target_os = "linux")]
#[test]
fn no_thread_is_left_behind() {
    let directory = tempfile::tempdir().unwrap();
    Outbox::open(directory.path().join("shop.db")).unwrap();
    let child = Child::start("dropped::comings_and_goings", directory.path());
    assert!(child.ends().success());
}
