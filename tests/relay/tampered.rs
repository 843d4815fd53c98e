//! What somebody does to the file under a running relay, or an operator, is noticed.

use super::stage::{Shop, main_line, plain, scripted};
use surehand::ErrorKind;

/// As test frameworks do it: messages get places again that were sent before, and the position is
/// past them.
#[test]
fn places_that_begin_again_are_noticed_by_a_running_relay() {
    let mut shop = Shop::open();
    let (script, mut mail) = scripted();
    let relay = shop.serve(main_line(), script);
    shop.put([plain(1), plain(2)]);
    mail.acknowledge(2);
    shop.until_the_log_has(0);
    shop.execute("DELETE FROM sqlite_sequence");
    shop.put([plain(3)]);
    let error = relay.outcome().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Rewound, "{error}");
    assert!(error.to_string().contains("the log ends before what was sent"), "{error}");
}

#[cfg(unix)]
#[test]
fn an_operator_on_a_file_that_was_replaced_says_so() {
    let mut shop = Shop::open();
    let (script, mut mail) = scripted();
    let relay = shop.serve(main_line(), script);
    shop.put([plain(1)]);
    mail.next().refuse();
    let letter = shop.dead(1).remove(0);
    relay.stop();
    let (mut one, mut another) = (shop.operator(), shop.operator());
    let mut letters = another.dead_letters("main").unwrap();
    let other = Shop::open();
    std::fs::rename(other.path(), shop.path()).unwrap();
    let said = [
        one.pause("main").unwrap_err(),
        one.adopt_new_identity().unwrap_err(),
        letters.redrive(&letter).unwrap_err(),
        letters.redrive_all().unwrap_err(),
    ];
    for error in said {
        assert_eq!(error.kind(), ErrorKind::Replaced, "{error}");
    }
}
