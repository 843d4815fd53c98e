//! Statements of the relay's own connection fail, and a moment later they do not any more.

use super::stage::{Running, Shelf, Shop, eventually, keyed, main_line, plain, scripted};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use surehand::Database;
use surehand::rusqlite::{self, Connection};

/// Interrupts statements, at one in so many of their steps.
#[derive(Default)]
struct Trouble {
    one_in: AtomicU64,
    step: AtomicU64,
    hits: AtomicU64,
}

impl Trouble {
    /// From now on one step in so many fails; 0: none.
    fn begin(&self, one_in: u64) {
        self.one_in.store(one_in, Ordering::SeqCst);
    }

    fn hits(&self) -> u64 {
        self.hits.load(Ordering::SeqCst)
    }

    fn strikes(&self) -> bool {
        let one_in = self.one_in.load(Ordering::SeqCst);
        let step = self.step.fetch_add(1, Ordering::SeqCst);
        // A mix of bits, so that the steps that fail are spread: the finaliser of MurmurHash3.
        let mut mixed = step.wrapping_add(0x9e37_79b9_7f4a_7c15);
        mixed = (mixed ^ (mixed >> 33)).wrapping_mul(0xff51_afd7_ed55_8ccd);
        mixed ^= mixed >> 33;
        let strikes = one_in > 0 && mixed.is_multiple_of(one_in);
        if strikes {
            self.hits.fetch_add(1, Ordering::SeqCst);
        }
        strikes
    }

    /// Opens a connection whose statements it may strike.
    fn open(self: Arc<Self>, path: &Path) -> rusqlite::Result<Connection> {
        #[allow(unused_mut, reason = "the oldest rusqlite of the range does not need it")]
        let mut connection = Connection::open(path)?;
        connection.progress_handler(1, Some(move || self.strikes()))?;
        Ok(connection)
    }
}

fn troubled(database: Database, trouble: &Arc<Trouble>) -> Database {
    let trouble = Arc::clone(trouble);
    database.opened_by(move |path| Arc::clone(&trouble).open(path))
}

fn relay(shop: &Shop, trouble: &Arc<Trouble>) -> surehand::Relay {
    surehand::Relay::open(troubled(shop.database(), trouble)).unwrap()
}

#[test]
fn an_idle_relay_whose_look_at_the_database_fails_opens_it_anew() {
    let mut shop = Shop::open();
    shop.put([plain(1)]);
    let trouble = Arc::new(Trouble::default());
    let (script, mut mail) = scripted();
    let relay = Running::start(relay(&shop, &trouble).subscribe(main_line(), script));
    mail.next().ack();
    shop.until(|stats| stats.settled_to == 1);
    trouble.begin(1);
    eventually(|| (trouble.hits() > 0).then_some(())).expect("it looks for commits");
    trouble.begin(0);
    shop.put([plain(2)]);
    let letter = mail.next();
    assert_eq!(letter.number(), 2);
    letter.ack();
    shop.until(|stats| stats.settled_to == 2);
    relay.stop();
}

#[test]
fn a_relay_whose_statements_fail_at_random_loses_doubles_and_reorders_nothing() {
    const KEYS: i64 = 5;
    const MESSAGES: i64 = 300;
    let mut shop = Shop::open();
    let shelf = Shelf::new(shop.file("shelf.db"));
    let trouble = Arc::new(Trouble::default());
    let subscription = main_line().batch(4).window(16);
    let serve = relay(&shop, &trouble).subscribe(subscription, shelf.transport(|_| Ok(())));
    let relay = Running::start(serve);
    shop.until(|stats| stats.epoch > 0);
    trouble.begin(2_000);
    for number in 0..MESSAGES {
        shop.put([keyed(&(number % KEYS).to_string(), number)]);
    }
    shop.until(|stats| stats.settled_to == MESSAGES && stats.waiting + stats.dead == 0);
    assert!(trouble.hits() > 5, "{} statements failed", trouble.hits());
    trouble.begin(0);
    relay.stop();
    let numbers = shelf.numbers();
    assert_eq!(numbers.len(), usize::try_from(MESSAGES).unwrap());
    for key in 0..KEYS {
        let of_key: Vec<i64> = numbers.iter().copied().filter(|n| n % KEYS == key).collect();
        assert!(of_key.is_sorted(), "key {key}: {of_key:?}");
    }
}
