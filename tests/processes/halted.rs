//! A subscription that halts among others: they go on, and its error is not forgotten.

use super::stage::{Running, Shelf, Shop, main_line, plain, scripted, scripted_inbox};
use std::sync::atomic::Ordering;
use surehand::{ErrorKind, Subscription, Transport};

/// A consumer that has seen more than this producer ever sent.
fn from_the_future() -> impl Transport {
    let (script, mail) = scripted_inbox();
    mail.high.store(99, Ordering::SeqCst);
    script
}

#[tokio::test]
async fn until_idle_delivers_to_the_others_and_returns_the_error_of_the_halted_one() {
    let mut shop = Shop::open();
    shop.put((1..=3).map(plain));
    let shelf = Shelf::new(shop.file("shelf.db"));
    let relay = shop.relay().subscribe(Subscription::new("broken"), from_the_future());
    let relay = relay.subscribe(main_line(), shelf.transport(|_| Ok(())));
    let error = relay.run_until_idle().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Rewound, "{error}");
    assert!(error.to_string().contains("\"broken\""), "{error}");
    assert_eq!(shelf.numbers(), [1, 2, 3]);
    assert_eq!(shop.stats("main").settled_to, 3, "closed in good order");
}

#[test]
fn until_shutdown_the_others_go_on_and_the_error_of_the_halted_one_comes_at_the_end() {
    let mut shop = Shop::open();
    let (script, mut mail) = scripted();
    let relay = shop.relay().subscribe(main_line(), script);
    let relay = relay.subscribe(Subscription::new("broken"), from_the_future());
    let mut running = Running::start(relay);
    for number in 1..=3 {
        shop.put([plain(number)]);
        let letter = mail.next();
        assert_eq!(letter.number(), number);
        letter.ack();
    }
    assert!(running.is_running());
    running.ask_to_stop();
    let error = running.outcome().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Rewound, "{error}");
    assert_eq!(shop.stats("main").settled_to, 3);
}
