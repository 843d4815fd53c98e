//! What is deleted, and what is never answered.

use super::super::Trouble;
use super::*;

/// A destination that was healthy a moment ago and now knows nothing (its thread died, it drops
/// every settler): "no message is blamed".
#[test]
fn a_healthy_destination_that_dies_with_every_settler_dropped_blames_no_message() {
    for deferred in [true, false] {
        let mut served = Served::open(&Stands { last: 40, ..Stands::default() });
        served.lane.settings.retry = RetryPolicy::default();
        served.lane.settings.ack_timeout_ms = 30_000;
        for (seq, _) in served.cycle() {
            served.answer(seq, 1, Outcome::delivered());
        }
        // From here on nothing is known of anything, for 20 s.
        let (mut sent, end) = (0, NOW + 20_000);
        served.now = moment(NOW + 5);
        while served.now.tick < end {
            let now = served.cycle();
            sent += now.len();
            if deferred {
                for (seq, _) in &now {
                    let attempt = served.lane.flying_attempt(*seq).unwrap();
                    served.answer(*seq, attempt, Outcome::Unknown);
                }
            }
            if !now.is_empty() {
                let request = served.last_request;
                if !deferred {
                    served.lane.closed(request, None, served.now);
                }
            }
            served.now = moment(served.now.tick + 5);
        }
        let dead = served.lane.exceptions.values().filter(|e| e.standing == Standing::Dead).count();
        assert_eq!(
            (dead, served.lane.exceptions.len()),
            (0, 0),
            "deferred {deferred}, sent {sent}"
        );
    }
}

/// 4 takes its time; 5 fails at the bound and its row is deleted; 6 of its key comes after it.
#[test]
fn one_whose_row_is_gone_before_the_position_is_no_predecessor() {
    let mut served = Served::open(&Stands { last: 6, ..Stands::default() });
    served.lane.settings.max_exceptions = 0;
    assert_eq!(served.cycle().len(), 6);
    (1..=3).for_each(|seq| served.answer(seq, 1, Outcome::delivered()));
    served.answer(5, 1, Outcome::Failed(Failure::retry("no")));
    served.answer(6, 1, Outcome::Blocked);
    served.gone.insert(5);
    let mut sent = 0;
    for _ in 0..100 {
        for (seq, after) in served.cycle() {
            sent += 1;
            let attempt = served.lane.flying_attempt(seq).unwrap();
            // The consumer has neither applied 5 nor been told that it is settled.
            let blocked = after == 5 && !served.stated.contains(5);
            let outcome = if blocked { Outcome::Blocked } else { Outcome::delivered() };
            served.answer(seq, attempt, outcome);
        }
    }
    assert!(sent < 10, "{sent} sent at one moment");
}

/// Somebody deletes the message that the process died of.
#[test]
fn doubt_ends_when_the_row_it_is_about_is_gone() {
    let stands = Stands { last: 3, sent_to: 1, crashed: true, ..Stands::default() };
    let mut served = Served::open(&stands);
    served.gone.insert(1);
    let mut sent = Vec::new();
    for _ in 0..1_000 {
        sent.extend(served.cycle());
    }
    assert!(!sent.is_empty(), "cycle after cycle, and nothing is sent");
}

/// The transport holds on to a settler for ever: its request carried the statement that messages
/// wait for.
#[test]
fn a_request_that_is_never_answered_nor_closed_does_not_stop_statements_for_ever() {
    let dead: Vec<Seq> = (1..FAR / 2 + 1).map(|n| 2 * n).collect();
    let stands = Stands { last: FAR, settled_to: FAR - 1, sent_to: FAR, ..Stands::default() };
    let mut served = Served::open(&Stands { dead: &dead, ..stands });
    assert_eq!(served.cycle(), [], "states what comes first");
    let first = served.last_request;
    for _ in 0..100 {
        served.hears_nothing();
        served.cycle();
    }
    assert!(served.last_request > first, "wakes at {:?}", served.lane.wakes_at(served.now));
}

/// 2 is parked above the position, and its row, the last of the log, is deleted.
#[test]
fn an_exception_that_was_deleted_at_the_end_of_the_log_is_settled() {
    let stands = Stands { last: 2, settled_to: 1, sent_to: 1, ..Stands::default() };
    let mut served = Served::open(&Stands { parked: &[2], ..stands });
    served.gone.insert(2);
    served.comes_to_rest();
    assert!(served.lane.is_idle(), "run_until_idle never ends");
}

#[test]
fn requests_that_fail_together_are_one_failure() {
    let mut served = Served::open(&Stands { last: 8, ..Stands::default() });
    served.lane.settings.batch = 2;
    let requests: Vec<u64> = (0..4).map(|_| (served.cycle(), served.last_request).1).collect();
    for request in requests {
        served.lane.closed(request, Some(Trouble::Unreachable), served.now);
    }
    assert_eq!(served.lane.position().outage.failures, 1);
    served.now = moment(NOW + 1_000);
    assert_eq!(served.cycle(), [(1, 0)], "alone");
    served.lane.closed(served.last_request, Some(Trouble::Unreachable), served.now);
    assert_eq!(served.lane.position().outage.failures, 2);
}
