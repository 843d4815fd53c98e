//! Every reader of the wire on what we write, on what is nearly that, and on anything at all.
//!
//! What has to hold is in `surehand::testing::wire`; the fuzz targets in `fuzz/` ask the same of
//! more cases than there is time for here.

mod bent;
mod valid;

use bent::{bent, soup};
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use surehand::testing::wire;
use surehand::transport::Welcome;
use surehand::{Incarnation, Message};
use valid::{answers, outcome, sent};

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn what_a_relay_sends_is_what_is_read(sent in sent()) {
        wire::sent(&sent);
        wire::settled(&sent);
    }

    #[test]
    fn a_request_that_was_bent_on_its_way_breaks_no_reader(
        sent in sent(),
        which in any::<prop::sample::Index>(),
        edits in prop::collection::vec(bent(), 1..5),
    ) {
        let mut written = wire::sent(&sent);
        written.extend(wire::settled(&sent));
        let (mut fields, mut body) = written.swap_remove(which.index(written.len()));
        wire::request(&fields, &body);
        for edit in edits {
            match edit.field(fields.len()) {
                Some(at) => edit.apply(&mut fields[at].1),
                None => edit.apply(&mut body),
            }
            wire::request(&fields, &body);
        }
    }

    #[test]
    fn outcomes_are_read_as_they_were_said(all in prop::collection::vec(outcome(), 0..=4)) {
        all.iter().for_each(|one| drop(wire::outcome(one)));
        wire::answer(200, "", &wire::outcomes(&all));
    }

    #[test]
    fn an_answer_that_was_bent_on_its_way_proves_nothing_else(
        all in prop::collection::vec(outcome(), 1..=4),
        is_batch: bool,
        status in 100_u16..1_000,
        edits in prop::collection::vec(bent(), 1..5),
    ) {
        let alone = wire::outcome(&all[0]).filter(|_| !is_batch);
        let mut document = alone.unwrap_or_else(|| wire::outcomes(&all));
        for edit in edits {
            edit.apply(&mut document);
            wire::answer(status, "", &document);
        }
    }

    #[test]
    fn an_answer_proves_nothing_of_what_it_does_not_name(document in answers()) {
        wire::answer(200, "", document.as_bytes());
    }

    #[test]
    fn a_welcome_is_read_as_it_was_said(
        numbers: (i64, i64),
        is_refusal: bool,
        edit in bent(),
    ) {
        let (high, settled_to) = numbers;
        let registered = Incarnation { epoch: high, nonce: settled_to };
        let mut document = wire::welcome(&match is_refusal {
            true => Welcome::Refused { registered },
            false => Welcome::Registered { high, settled_to },
        });
        edit.apply(&mut document);
        wire::answer(200, "", &document);
    }

    #[test]
    fn a_wait_is_never_long(wait in "[0-9]{0,25}|Sun, [0-9]{2} Nov [0-9]{4} .{8} GMT|.*") {
        wire::answer(503, &wait, b"");
    }

    #[test]
    fn what_was_signed_is_believed_and_nothing_that_was_changed(
        id in "[!-~]{0,12}|.*",
        body in prop::collection::vec(any::<u8>(), 0..60),
        now: i64,
    ) {
        wire::signed(&id, &body, now);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1_500))]

    #[test]
    fn no_bytes_break_a_reader(head in soup(), body in soup()) {
        let mut message = head;
        message.extend_from_slice(b"\n\n");
        message.extend_from_slice(&body);
        let (fields, body) = wire::fields(&message);
        wire::request(&fields, body);
        wire::answer(200, "1", body);
        wire::answer(409, "x", &message);
    }

    #[test]
    fn nobody_is_believed_without_the_key(
        id in "[!-~]{0,12}",
        stamp in "[0-9]{0,4}|[-+]?[0-9]{1,20}|.*",
        signatures in "((v1|v1a|v2)?,?[A-Za-z0-9+/=,]{0,90} ?){0,18}|.*",
        now in prop_oneof![0..400_i64, any::<i64>()],
        body in prop::collection::vec(any::<u8>(), 0..20),
    ) {
        wire::signature(&id, &stamp, &signatures, &body, now);
    }

    #[test]
    fn no_text_breaks_the_reader_of_keys(
        text in "(whsec_|whsk_|whpk_)?[A-Za-z0-9+/]{0,90}={0,2}|.*",
    ) {
        wire::key(&text);
    }
}

/// Nothing is found by comparing each name with each other one.
#[test]
fn an_event_of_very_many_attributes_is_read_in_no_time() {
    let attributes: Vec<String> = (0..200_000).map(|n| format!("\"a{n}\":1")).collect();
    let document = format!("{{\"specversion\":\"1.0\",{}}}", attributes.join(","));
    let (done, is_done) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        wire::request(&[], document.as_bytes());
        let _ = done.send(());
    });
    let within = std::time::Duration::from_secs(20);
    assert!(is_done.recv_timeout(within).is_ok(), "it takes longer than {within:?}");
}

#[test]
fn a_head_ends_at_the_first_empty_line() {
    let (fields, body) = wire::fields(b"ce-id: 1\r\nx\n\r\nbody\n\n");
    assert_eq!(fields, [(b"ce-id".to_vec(), b" 1".to_vec()), (b"x".to_vec(), b"".to_vec())]);
    assert_eq!(body, b"body\n\n");
}

#[test]
fn a_plain_message_has_eight_forms() {
    let mut runner = proptest::test_runner::TestRunner::deterministic();
    let mut sent = sent().new_tree(&mut runner).expect("there are messages").current();
    sent.message = Message::new("order.placed").key(41).payload("{}");
    assert_eq!(wire::sent(&sent).len(), 8);
}
