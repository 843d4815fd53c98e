//! Code of a user that panics where the relay calls it, or in a task of its own.

use super::stage::{Shop, keyed, main_line, plain, quick, scripted};
use surehand::transport::{self, Outcome, Request, Settler};
use surehand::{Envelope, ErrorKind, Transport};

const POISON: i64 = 2;

fn number(envelope: &Envelope) -> i64 {
    serde_json::from_slice(envelope.payload()).unwrap()
}

/// Acknowledges everything, but panics at the poison.
struct Touchy;

impl Transport for Touchy {
    fn deliver(&self, request: Request, settler: Settler) {
        for envelope in &request.envelopes {
            assert_ne!(number(envelope), POISON, "the transport panics, as it is meant to");
            settler.settle(envelope.ticket(), Outcome::delivered());
        }
    }
}

#[test]
fn a_transport_that_panics_ends_the_relay_and_the_next_one_starts_at_once() {
    let mut shop = Shop::open();
    shop.put((1..=3).map(plain));
    let relay = shop.serve(main_line(), Touchy);
    let error = relay.outcome().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Stopped);
    assert!(error.to_string().contains("transport"), "{error}");
    let (script, mut mail) = scripted();
    let next = shop.serve(main_line(), script);
    for wanted in 1..=3 {
        // One by one: one of them may have been the reason.
        let letter = mail.next();
        assert_eq!(letter.number(), wanted);
        letter.ack();
    }
    shop.until(|stats| stats.settled_to == 3);
    next.stop();
}

#[test]
fn a_message_at_which_a_transport_panics_is_a_dead_letter_in_the_end() {
    let mut shop = Shop::open();
    shop.put((1..=3).map(plain));
    let retry = || quick().crash_limit(2);
    let ended = (0..3).all(|_| {
        let relay = shop.serve(main_line().retry(retry()), Touchy);
        relay.outcome().is_err()
    });
    assert!(ended, "once with the others, and twice alone");
    let relay = shop.serve(main_line().retry(retry()), Touchy);
    let dead = shop.dead(1).remove(0);
    assert_eq!((dead.seq, dead.reason.as_str()), (POISON, "crash loop"));
    shop.until(|stats| stats.settled_to == 3 && stats.delivered == 2);
    relay.stop();
}

#[tokio::test]
async fn a_function_that_panics_before_it_returns_its_future_fails_that_message_alone() {
    let mut shop = Shop::open();
    shop.put((1..=4).map(|number| keyed("k", number)));
    let broker = transport::function(|envelope: Envelope| {
        assert_ne!(number(&envelope), POISON, "the function panics, as it is meant to");
        async { Ok(()) }
    });
    let relay = shop.relay().subscribe(main_line().retry(quick()), broker);
    relay.run_until_idle().await.unwrap();
    let dead = shop.dead(1).remove(0);
    assert_eq!((dead.seq, dead.reason.as_str()), (POISON, "too many failures"));
    let said = dead.last_error.unwrap();
    assert!(said.starts_with("the function panicked: "), "{said}");
    assert!(said.contains("the function panics, as it is meant to"), "{said}");
    let stats = shop.stats("main");
    assert_eq!((stats.delivered, stats.parked, stats.outages), (1, 2, 0));
}
