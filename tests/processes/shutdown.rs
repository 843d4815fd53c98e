//! A relay that is asked to stop: it claims nothing more, waits for answers, writes what it knows,
//! lets go of the lock, and closes the database last.

use super::stage::{Running, Shop, main_line, main_line_named, millis, plain, scripted};
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::{Duration, Instant};
use surehand::rusqlite::{Connection, TransactionBehavior};
use surehand::transport::{Outcome, Request, Settler};
use surehand::{Outbox, Relay, Transport};

/// Who waits so long for answers is seen to hang.
pub(crate) const FOR_EVER: Duration = Duration::MAX;
/// Longer than a test waits for anything.
pub(crate) const HOUR: Duration = Duration::from_secs(3_600);

#[test]
fn answers_that_come_while_it_drains_are_settled_and_nothing_new_is_claimed() {
    let mut shop = Shop::open();
    shop.put((1..=3).map(plain));
    let (script, mut mail) = scripted();
    let relay = shop.relay().drain_for(FOR_EVER).subscribe(main_line(), script);
    let mut running = Running::start(relay);
    let letters = mail.take_next(3);
    letters[0].ack();
    running.ask_to_stop();
    shop.put([plain(4)]);
    mail.stays_empty();
    assert!(running.is_running(), "two are under way");
    letters[1].nack();
    letters[2].ack();
    running.outcome().unwrap();
    let stats = shop.stats("main");
    assert_eq!((stats.settled_to, stats.delivered, stats.waiting), (3, 2, 1));
    let (script, mut mail) = scripted();
    let next = shop.serve(main_line(), script);
    let mut sent: Vec<_> =
        mail.take_next(2).iter().map(|one| (one.number(), one.attempt())).collect();
    sent.sort_unstable();
    assert_eq!(sent, [(2, 2), (4, 1)], "what was answered is not delivered again");
    drop(next);
}

#[test]
fn when_its_time_to_drain_is_over_it_ends_and_the_next_one_delivers_again() {
    let mut shop = Shop::open();
    shop.put((1..=3).map(plain));
    let (script, mut mail) = scripted();
    let relay = shop.relay().drain_for(millis(100)).subscribe(main_line(), script);
    let running = Running::start(relay);
    let late = mail.take_next(3);
    running.stop();
    assert_eq!(shop.stats("main").settled_to, 0);
    let (script, mut mail) = scripted();
    let next = shop.serve(main_line(), script);
    // All at once: nobody is suspected of having taken the relay down.
    let letters = mail.take_next(3);
    late.iter().for_each(|letter| letter.ack());
    letters.iter().for_each(|letter| letter.ack());
    shop.until(|stats| stats.settled_to == 3 && stats.delivered == 3 && stats.late_acks == 0);
    next.stop();
}

#[test]
fn a_transport_that_gives_up_its_settlers_does_not_hold_up_the_end() {
    let mut shop = Shop::open();
    shop.put((1..=3).map(plain));
    let (script, mut mail) = scripted();
    let relay = shop.relay().drain_for(FOR_EVER).subscribe(main_line(), script);
    let mut running = Running::start(relay);
    let letters = mail.take_next(3);
    running.ask_to_stop();
    drop((letters, mail));
    running.outcome().unwrap();
    assert_eq!(shop.stats("main").settled_to, 0);
}

#[test]
fn answers_that_came_before_are_written_even_without_time_to_drain() {
    let mut shop = Shop::open();
    shop.put((1..=100).map(plain));
    let (script, mut mail) = scripted();
    let relay = shop.relay().drain_for(Duration::ZERO).subscribe(main_line().batch(10), script);
    let mut running = Running::start(relay);
    mail.take_next(100).iter().for_each(|letter| letter.ack());
    running.ask_to_stop();
    running.outcome().unwrap();
    assert_eq!(shop.stats("main").settled_to, 100);
}

/// A shop that nobody but a relay has open.
fn closed_shop(directory: &Path) -> PathBuf {
    let path = directory.join("shop.db");
    let outbox = Outbox::open(&path).unwrap();
    let mut db = Connection::open(&path).unwrap();
    let tx = db.transaction_with_behavior(TransactionBehavior::Immediate).unwrap();
    outbox.enqueue_all(&tx, (1..=3).map(plain)).unwrap();
    tx.commit().unwrap();
    path
}

/// The last connection that closes in good order deletes the WAL.
fn is_open_somewhere(path: &Path) -> bool {
    let mut wal = path.as_os_str().to_owned();
    wal.push("-wal");
    Path::new(&wal).exists()
}

/// Acknowledges everything, and says when it is let go whether the store was open then.
struct Witness {
    store: PathBuf,
    says: Mutex<Sender<bool>>,
}

impl Transport for Witness {
    fn deliver(&self, request: Request, settler: Settler) {
        for envelope in &request.envelopes {
            settler.settle(envelope.ticket(), Outcome::delivered());
        }
    }
}

impl Drop for Witness {
    fn drop(&mut self) {
        let _ = self.says.lock().unwrap().send(is_open_somewhere(&self.store));
    }
}

#[tokio::test]
async fn the_store_is_closed_after_the_transport_and_free_for_anybody_then() {
    let directory = tempfile::tempdir().unwrap();
    let path = closed_shop(directory.path());
    assert!(!is_open_somewhere(&path));
    let (sender, was_open) = channel();
    let witness = Witness { store: path.clone(), says: Mutex::new(sender) };
    Relay::open(&path).unwrap().deliver_to(witness).run_until_idle().await.unwrap();
    assert!(was_open.recv().unwrap(), "the transport ends while the store is open");
    assert!(!is_open_somewhere(&path), "the store is closed");
    let db = Connection::open(&path).unwrap();
    db.pragma_update(None, "locking_mode", "exclusive").unwrap();
    db.execute_batch("BEGIN EXCLUSIVE; DELETE FROM outbox_subscription; COMMIT").unwrap();
}

#[test]
fn the_next_relay_starts_as_soon_as_one_has_ended() {
    let mut shop = Shop::open();
    for number in 1..=20 {
        let (script, mut mail) = scripted();
        let relay = shop.serve(main_line(), script);
        shop.put([plain(number)]);
        let letter = mail.next();
        assert_eq!((letter.number(), letter.attempt()), (number, 1));
        letter.ack();
        relay.stop();
        assert_eq!(shop.stats("main").settled_to, number);
    }
}

/// Acknowledges everything at once.
struct Eager;

impl Transport for Eager {
    fn deliver(&self, request: Request, settler: Settler) {
        let tickets = request.envelopes.iter().map(|envelope| envelope.ticket());
        settler.settle_all(tickets.map(|ticket| (ticket, Outcome::delivered())));
    }
}

#[test]
fn beside_others_who_write_it_writes_what_it_knows_all_the_same() {
    let mut shop = Shop::open();
    for round in 0..10 {
        let relay = Running::start(shop.relay().subscribe(main_line(), Eager));
        let until = Instant::now() + millis(60 + round);
        while Instant::now() < until {
            shop.put((0..50).map(plain));
        }
        relay.stop();
        let stats = shop.stats("main");
        let sent_to = shop.count("SELECT sent_to FROM outbox_subscription");
        assert_eq!(stats.settled_to, sent_to, "in round {round}");
    }
}

/// Does not end before it is allowed to.
struct Stubborn(Mutex<Receiver<()>>);

impl Transport for Stubborn {
    fn deliver(&self, _: Request, settler: Settler) {
        drop(settler);
    }
}

impl Drop for Stubborn {
    fn drop(&mut self) {
        let _ = self.0.lock().unwrap().recv();
    }
}

#[test]
fn a_transport_that_does_not_end_keeps_no_other_subscription() {
    let mut shop = Shop::open();
    let (allow, allowed) = channel();
    let (script, mut first_mail) = scripted();
    let relay = shop.relay().subscribe(main_line_named("hung"), Stubborn(Mutex::new(allowed)));
    let mut relay = Running::start(relay.subscribe(main_line(), script));
    shop.put([plain(1)]);
    first_mail.next().ack();
    shop.until(|stats| stats.settled_to == 1);
    relay.ask_to_stop();
    shop.put([plain(2)]);
    let (script, mut mail) = scripted();
    let next = shop.serve(main_line(), script);
    assert_eq!(mail.next().number(), 2);
    assert!(relay.is_running());
    drop(allow);
    relay.outcome().unwrap();
    drop(next);
}
