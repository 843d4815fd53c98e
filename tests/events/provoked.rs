//! Each event, and what makes the code send it.

use super::recorder::{Seen, hear, listen};
use super::stage::{
    Mail, PATIENCE, Running, Shelf, Shop, eventually, keyed, main_line_named, plain, scripted,
    scripted_inbox,
};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use surehand::operator::{DeadLetter, WhenFull};
use surehand::rusqlite::Connection;
use surehand::transport::Local;
use surehand::{Database, Failure, Inbox, Message, Outbox, Relay};
use tracing::Level;

/// A relay that serves a subscription of this name.
fn serve(shop: &Shop, name: &str) -> (Running, Mail) {
    listen();
    let (script, mail) = scripted_inbox();
    (shop.serve(main_line_named(name), script), mail)
}

fn only_dead(shop: &Shop, name: &str) -> DeadLetter {
    let dead = || shop.operator().dead_letters(name).ok()?.list(0, 1).unwrap().pop();
    eventually(dead).expect("a dead letter")
}

#[test]
fn each_opening_of_a_subscription() {
    let shop = Shop::open();
    let (relay, _mail) = serve(&shop, "opened");
    let text = "the relay serves the subscription";
    hear(Level::INFO, text, |seen| seen.is_about("opened") && seen.has("surehand.epoch", "1"));
    shop.operator().pause("opened").unwrap();
    shop.operator().resume("opened").unwrap();
    let later = |seen: &Seen| seen.is_about("opened") && !seen.has("surehand.epoch", "1");
    hear(Level::INFO, text, later);
    relay.stop();
}

#[test]
fn messages_on_their_way() {
    let mut shop = Shop::open();
    shop.put((0..3).map(plain));
    let (relay, mut mail) = serve(&shop, "sent");
    mail.acknowledge(3);
    let sent = hear(Level::DEBUG, "messages are on their way", |seen| seen.is_about("sent"));
    assert_eq!(sent.field("messaging.operation.name"), "send");
    assert_eq!(sent.field("messaging.batch.message_count"), "3");
    relay.stop();
}

#[test]
fn a_dead_letter() {
    let mut shop = Shop::open();
    let ids = shop.put([plain(1)]);
    let (relay, mut mail) = serve(&shop, "buried");
    mail.next().refuse();
    let dead = hear(Level::ERROR, "a message became a dead letter", |seen| seen.is_about("buried"));
    assert_eq!(dead.field("messaging.operation.name"), "dead_letter");
    assert_eq!(dead.field("messaging.message.id"), ids[0].to_string());
    assert_eq!(dead.field("surehand.seq"), "1");
    assert_eq!(dead.field("error.type"), "refused by the handler");
    relay.stop();
}

#[test]
fn a_message_in_quarantine() {
    listen();
    let mut shop = Shop::open();
    let shelf = Shelf::new(shop.file("shelf.db"));
    let id = shop.put([Message::new("nobody.listens").json(&1).unwrap()])[0].to_string();
    let everything = main_line_named("quarantined").topics([">"]);
    let relay = shop.serve(everything, shelf.transport(|_| Ok(())));
    let text = "a message went into quarantine";
    let seen = hear(Level::ERROR, text, |seen| seen.has("messaging.message.id", &id));
    assert_eq!(seen.field("messaging.system"), "surehand");
    assert_eq!(seen.field("messaging.operation.name"), "process");
    assert_eq!(seen.field("messaging.destination.name"), "nobody.listens");
    assert_eq!(seen.field("error.type"), "unhandled");
    relay.stop();
}

#[test]
fn too_many_exceptions() {
    listen();
    let mut shop = Shop::open();
    shop.put([keyed("k", 1)]);
    let (script, mut mail) = scripted();
    let relay = shop.serve(main_line_named("stalled").max_exceptions(1), script);
    mail.next().refuse();
    only_dead(&shop, "stalled");
    shop.put([keyed("k", 2)]);
    let text = "too many exceptions: the position stops until some are resolved";
    hear(Level::ERROR, text, |seen| seen.is_about("stalled") && seen.has("exceptions", "1"));
    relay.stop();
}

#[test]
fn a_subscription_that_is_removed_while_it_is_served() {
    let shop = Shop::open();
    let (relay, _mail) = serve(&shop, "removed");
    eventually(|| shop.operator().remove("removed").ok()).expect("the relay makes it");
    let halted = hear(Level::ERROR, "delivery is halted", |seen| seen.is_about("removed"));
    assert!(halted.field("error").contains("was removed"), "{halted:?}");
    relay.outcome().unwrap_err();
}

#[test]
fn a_consumer_that_went_back_in_time() {
    let mut shop = Shop::open();
    let (relay, mut mail) = serve(&shop, "older");
    shop.put([plain(1)]);
    mail.acknowledge(1);
    eventually(|| (shop.stats("older").delivered == 1).then_some(())).expect("it is settled");
    relay.stop();
    // Whoever answers now has never seen it.
    let (relay, _mail) = serve(&shop, "older");
    let halted = hear(Level::ERROR, "delivery is halted", |seen| seen.is_about("older"));
    assert!(halted.field("error").contains("went back in time"), "{halted:?}");
    relay.outcome().unwrap_err();
}

#[test]
fn a_subscription_that_falls_too_far_behind() {
    let mut shop = Shop::open();
    let (relay, _mail) = serve(&shop, "detached");
    let bound = || shop.operator().bound("detached", Some(1), None, WhenFull::Detach).ok();
    eventually(bound).expect("the relay makes it");
    shop.put([plain(1), plain(2)]);
    let text = "the subscription has 1 pending messages, with a limit of 1 and is detached: what \
                it misses stays undelivered";
    hear(Level::ERROR, text, |seen| seen.is_about("detached"));
    relay.stop();
}

#[test]
fn a_skipped_message_that_was_applied() {
    let mut shop = Shop::open();
    let ids = shop.put([plain(1)]);
    let (relay, mut mail) = serve(&shop, "skipped");
    let letter = mail.next();
    letter.refuse();
    let dead = only_dead(&shop, "skipped");
    let epoch = shop.stats("skipped").epoch;
    shop.operator().dead_letters("skipped").unwrap().skip(&dead).unwrap();
    eventually(|| (shop.stats("skipped").epoch == epoch + 2).then_some(())).expect("an opening");
    mail.is_told(1);
    letter.ack();
    let text = "a message was applied although it had been skipped";
    let seen = hear(Level::ERROR, text, |seen| seen.is_about("skipped"));
    assert_eq!(seen.field("messaging.message.id"), ids[0].to_string());
    assert_eq!(seen.field("surehand.seq"), "1");
    relay.stop();
}

#[test]
fn a_destination_that_does_not_answer() {
    let mut shop = Shop::open();
    shop.put([plain(1)]);
    let (relay, mut mail) = serve(&shop, "silent");
    let _unanswered = mail.next();
    shop.clock.pass(PATIENCE);
    let text = "the destination does not answer; it is left alone for a while";
    let seen = hear(Level::WARN, text, |seen| seen.is_about("silent"));
    assert_eq!((seen.field("error.type"), seen.field("outages")), ("Silent", "1"));
    relay.stop();
}

/// Opens a database whose file cannot grow while it is said to be full.
fn that_fills_up(database: Database, full: &Arc<AtomicBool>) -> Database {
    let full = Arc::clone(full);
    database.opened_by(move |path| {
        let connection = Connection::open(path)?;
        if full.load(Ordering::SeqCst) {
            // No less than it has.
            connection.pragma_update(None, "max_page_count", 1)?;
        }
        Ok(connection)
    })
}

/// So many of them fail with so much to say that no free page is enough.
fn failing(shop: &mut Shop) -> impl Fn(i64) -> Result<(), Failure> + Send + 'static {
    shop.put((0..100).map(plain));
    |_| Err(Failure::retry("no stock ".repeat(100)))
}

#[test]
fn a_disk_that_is_full_for_the_relay() {
    listen();
    let mut shop = Shop::open();
    let shelf = Shelf::new(shop.file("shelf.db"));
    let check = failing(&mut shop);
    let full = Arc::new(AtomicBool::new(true));
    let relay = Relay::open(that_fills_up(shop.database(), &full)).unwrap();
    let relay = relay.subscribe(main_line_named("full"), shelf.transport(check));
    let relay = Running::start(relay);
    let text = "the relay's database failed; it is opened anew";
    hear(Level::WARN, text, |seen| seen.field("error").contains("full"));
    full.store(false, Ordering::SeqCst);
    let dead = || Some(()).filter(|()| shop.stats("full").dead == 100);
    eventually(dead).expect("it goes on when there is room again");
    relay.stop();
}

#[test]
fn a_disk_that_is_full_for_the_consumer_and_a_file_that_is_gone() {
    listen();
    let mut shop = Shop::open();
    let shelf = Shelf::new(shop.file("shelf.db"));
    shop.put((0..2_000).map(plain));
    drop(shelf.inbox(|_| Ok(())));
    let full = Arc::new(AtomicBool::new(true));
    let inbox = Inbox::open(that_fills_up(Database::new(shelf.path()), &full)).unwrap();
    let inbox = inbox.on("order.placed", |_: &surehand::Effect, _: surehand::Json<i64>| Ok(()));
    let relay = shop.serve(main_line_named("stuffed"), Local::new(inbox));
    hear(Level::WARN, "the inbox could not apply a request", |seen| {
        seen.field("error").contains("full")
    });
    std::fs::rename(shelf.path(), shop.file("elsewhere.db")).unwrap();
    shop.operator().pause("stuffed").unwrap();
    shop.operator().resume("stuffed").unwrap();
    hear(Level::WARN, "the inbox could not answer a hello", |seen| !seen.field("error").is_empty());
    relay.stop();
}

#[test]
fn a_producer_whose_commits_do_not_survive_a_power_cut() {
    listen();
    let shop = Shop::open();
    let outbox = Outbox::open(shop.database()).unwrap();
    let mut db = Connection::open(shop.path()).unwrap();
    db.pragma_update(None, "synchronous", "OFF").unwrap();
    let tx = db.transaction().unwrap();
    outbox.enqueue(&tx, plain(1)).unwrap();
    drop(tx);
    let losses = outbox.durability_of(&db).unwrap();
    let text = format!(
        "the connection that enqueues does not survive a power cut: {}",
        losses.loses().unwrap()
    );
    let seen = hear(Level::WARN, &text, |seen| seen.has("synchronous", "0"));
    assert_eq!(seen.field("journal_mode"), "wal");
}

#[test]
fn a_consumer_that_may_lose_effects() {
    listen();
    let shop = Shop::open();
    let path = shop.file("lossy.db");
    let database = Database::new(&path).opened_by(|path| {
        let connection = Connection::open(path)?;
        connection.pragma_update(None, "synchronous", "OFF")?;
        Ok(connection)
    });
    let _inbox = Inbox::open_allowing_synchronous_off(database).unwrap();
    let text = "synchronous=OFF: a power cut loses effects that were acknowledged";
    hear(Level::WARN, text, |seen| seen.has("path", &path.display().to_string()));
}
