//! Single decisions of a lane.

use super::Batch;
use crate::failure::Failure;
use crate::handoff::Outcome;
use crate::id::Seq;
use crate::limits::{ERROR_BYTES, STATED_RANGES};
use crate::retry::RetryPolicy;
use crate::store::delivery::{Change, Standing};
use crate::watermark::Ranges;
use stage::{FAR, NOW, Served, Stands, moment};
use std::time::Duration;

mod bound;
mod silence;
mod stage;

#[test]
fn what_is_not_read_yet_is_not_jumped_over() {
    // 2 was under way when the last incarnation ended: it is read again, after 1 and before 3.
    let (waiting, parked) = (&[1], &[3]);
    let stands =
        Stands { last: 3, settled_to: 1, sent_to: 3, waiting, parked, ..Stands::default() };
    let mut served = Served::open(&stands);
    assert_eq!(served.cycle(), [(1, 0), (2, 1)]);
    assert_eq!(served.cycle(), [(3, 2)]);
}

#[test]
fn one_that_waits_for_two_is_woken_by_the_last() {
    let failed = || Outcome::Failed(Failure::retry("no"));
    let mut served = Served::open(&Stands { last: 3, ..Stands::default() });
    assert_eq!(served.cycle(), [(1, 0), (2, 1), (3, 2)]);
    served.answer(2, 1, failed());
    served.answer(3, 1, failed());
    assert_eq!(served.cycle(), [(2, 1), (3, 2)]);
    served.answer(2, 2, Outcome::delivered());
    served.answer(3, 2, Outcome::Blocked);
    assert_eq!(served.cycle(), [], "1 is under way still");
    served.answer(1, 1, Outcome::delivered());
    assert_eq!(served.cycle(), [(3, 2)]);
}

#[test]
fn silence_does_not_end_while_there_is_more_to_read() {
    let stands = Stands { last: 2, sent_to: 1, crashed: true, ..Stands::default() };
    let mut served = Served::open(&stands);
    for _ in 0..4 {
        // 2 is not read before the doubtful run is over.
        assert_eq!(served.cycle(), [(1, 0)]);
        served.hears_nothing();
    }
}

#[test]
fn a_doubtful_message_that_its_key_holds_back_holds_back_no_other_key() {
    let (waiting, dead) = (&[2], &[1]);
    let stands = Stands { last: 4, settled_to: 2, sent_to: 4, waiting, dead, ..Stands::default() };
    let mut served = Served::open(&Stands { crashed: true, ..stands });
    assert_eq!(served.cycle(), [], "2 is parked");
    assert_eq!(served.cycle(), [(4, 0)]);
}

#[test]
fn the_head_of_a_doubtful_message_goes_before_it() {
    let stands = Stands { last: 2, settled_to: 2, sent_to: 2, waiting: &[2], ..Stands::default() };
    let mut served = Served::open(&Stands { settled_to: 0, crashed: true, ..stands });
    assert_eq!(served.cycle(), [(1, 0)]);
    let failed = || Outcome::Failed(Failure::retry("no"));
    served.answer(1, 1, failed());
    assert_eq!(served.cycle(), [], "the log is read up to 2");
    assert_eq!(served.cycle(), [(1, 0), (2, 1)]);
}

#[test]
fn what_nobody_listened_to_goes_again() {
    let mut served = Served::open(&Stands { last: 3, ..Stands::default() });
    assert_eq!(served.cycle(), [(1, 0), (2, 1), (3, 2)]);
    served.lane.fenced(served.now);
    assert_eq!(served.cycle(), [(1, 0), (2, 1), (3, 2)]);
}

#[test]
fn a_statement_that_nobody_listened_to_goes_again() {
    let stands = Stands { last: 1, settled_to: 1, sent_to: 1, ..Stands::default() };
    let mut served = Served::open(&stands);
    for _ in 0..2 {
        served.stated = Ranges::new();
        served.lane.hurry(served.now);
        served.cycle();
        assert!(served.stated.contains(1));
        served.lane.fenced(served.now);
        served.now = moment(served.now.tick + 1_000);
    }
}

/// Rule 12: behind a skip that the consumer has not heard of, nobody goes.
#[test]
fn messages_wait_for_a_statement_that_takes_several_requests() {
    // Every other place is dead.
    let dead: Vec<Seq> = (1..FAR / 2 + 1).map(|n| 2 * n).collect();
    assert!(dead.len() > 2 * STATED_RANGES);
    let stands = Stands { last: FAR, settled_to: FAR - 1, sent_to: FAR, ..Stands::default() };
    let mut served = Served::open(&Stands { dead: &dead, ..stands });
    for request in [1, 2] {
        assert_eq!(served.cycle(), [], "request {request} states what comes first");
        assert_eq!(served.cycle(), [], "and that is not confirmed yet");
        served.lane.confirmed(request, served.now);
    }
    assert_eq!(served.cycle(), [(FAR, 0)]);
    assert_eq!(served.stated.len(), dead.len(), "all that is settled");
}

#[test]
fn a_statement_that_is_not_confirmed_is_not_repeated_at_once_however_urgent() {
    let mut served = Served::open(&Stands { last: 2, skipped: &[1], ..Stands::default() });
    let mut sent = 0;
    for _ in 0..100 {
        served.stated = Ranges::new();
        served.cycle();
        sent += usize::from(served.stated.contains(1));
        // The consumer answers what came with it, and says nothing of the statement.
        served.answer(2, 1, Outcome::delivered());
        served.lane.closed(served.last_request, None, served.now);
    }
    assert_eq!(sent, 1);
    let second = moment(served.now.tick + 1_000);
    assert!(served.lane.wakes_at(served.now).is_some_and(|at| at <= second.tick));
    served.now = second;
    served.cycle();
    assert!(served.stated.contains(1));
}

#[test]
fn a_long_error_is_kept_in_part_and_never_cut_within_a_letter() {
    let mut served = Served::open(&Stands { last: 1, ..Stands::default() });
    served.cycle();
    let detail = format!("x{}", "\u{e4}".repeat(ERROR_BYTES));
    served.answer(1, 1, Outcome::Refused { reason: "conflict", detail });
    let plan = served.lane.plan(Batch::default(), served.now);
    let Some(Change::Bury { error: Some(error), .. }) = plan.changes.first() else {
        panic!("{:?}", plan.changes)
    };
    assert_eq!(error.len(), ERROR_BYTES - 1);
}

#[test]
fn a_time_to_answer_without_end_is_one() {
    let mut served = Served::open(&Stands { last: 1, ..Stands::default() });
    served.lane.settings.ack_timeout_ms = crate::clock::millis(Duration::MAX);
    assert_eq!(served.cycle(), [(1, 0)]);
    served.hears_nothing();
    assert_eq!(served.lane.in_flight(), 1);
}

#[test]
fn what_is_stated_is_never_beyond_what_is_recorded_as_sent() {
    let mut served = Served::open(&Stands { last: 2, skipped: &[2], ..Stands::default() });
    assert_eq!(served.cycle(), [(1, 0)]);
    assert!(served.stated.contains(2));
    assert!(served.stated.last() <= served.lane.written().sent_to);
}

#[test]
fn a_stall_at_the_bound_ends_with_its_cause() {
    let stands = Stands { last: 5, settled_to: 4, sent_to: 4, dead: &[4], ..Stands::default() };
    let mut served = Served::open(&stands);
    served.lane.settings.max_exceptions = 1;
    assert_eq!(served.cycle(), [(5, 0)]);
    let once = Failure::retry("once").after(Duration::from_secs(1));
    served.answer(5, 1, Outcome::Failed(once));
    served.last = 7;
    served.lane.look_again();
    assert_eq!(served.cycle(), [], "6 waits behind 5");
    served.now = moment(NOW + 1_000);
    assert_eq!(served.cycle(), [(5, 0)]);
    served.answer(5, 2, Outcome::delivered());
    let sent: Vec<_> = (0..3).flat_map(|_| served.cycle()).collect();
    assert!(sent.iter().any(|(seq, _)| *seq == 6), "{sent:?}");
}

#[test]
fn a_stall_at_the_bound_ends_when_skips_are_passed() {
    let stands = Stands { last: 5, skipped: &[1, 2], dead: &[3], ..Stands::default() };
    let mut served = Served::open(&stands);
    served.lane.settings.max_exceptions = 2;
    assert_eq!(served.cycle(), [(4, 0)]);
    served.answer(4, 1, Outcome::delivered());
    served.now = moment(NOW + 20);
    for _ in 0..3 {
        served.cycle();
    }
    assert!(served.lane.exceptions.len() < 3 && !served.lane.stalled);
}

#[test]
fn a_transport_that_never_knows_is_left_alone() {
    let mut served = Served::open(&Stands { last: 3, ..Stands::default() });
    let mut sent = 0;
    for _ in 0..1_000 {
        for (seq, _) in served.cycle() {
            sent += 1;
            let attempt = served.lane.flying_attempt(seq).unwrap();
            served.answer(seq, attempt, Outcome::Unknown);
        }
    }
    assert!(sent < 10, "{sent} messages sent at one moment");
    assert_eq!(served.lane.exceptions.len(), 0, "and none of them is to blame");
}

#[test]
fn one_that_nobody_ever_knows_of_while_others_are_answered_dies() {
    let mut served = Served::open(&Stands { last: 4, ..Stands::default() });
    let mut attempts = 0;
    for _ in 0..50 {
        for (seq, _) in served.cycle() {
            let attempt = served.lane.flying_attempt(seq).unwrap();
            attempts += u32::from(seq == 4);
            let outcome = if seq == 4 { Outcome::Unknown } else { Outcome::delivered() };
            served.answer(seq, attempt, outcome);
        }
        served.last += 1;
        served.lane.look_again();
        served.now = moment(served.now.tick + 1_000);
    }
    assert_eq!(served.standing(4), Some(Standing::Dead));
    // Alone it says nothing of itself: only when another one is answered, it is to blame.
    let allowed = served.lane.settings.retry.crashes_allowed();
    assert!((allowed..=2 * allowed).contains(&attempts), "{attempts}");
}

#[test]
fn at_the_bound_one_that_keeps_failing_dies_all_the_same() {
    let stands = Stands { last: 4, settled_to: 4, sent_to: 4, dead: &[4], ..Stands::default() };
    let mut served = Served::open(&Stands { settled_to: 0, ..stands });
    served.lane.settings.max_exceptions = 1;
    let mut attempts = 0;
    while served.standing(1) != Some(Standing::Dead) {
        let sent = served.cycle();
        attempts += u32::from(sent.contains(&(1, 0)));
        served.answer(1, attempts, Outcome::Failed(Failure::retry("no")));
        assert!(attempts < 50 && !sent.is_empty());
    }
    assert_eq!(attempts, served.lane.settings.retry.failures_allowed());
}

#[test]
fn exceptions_under_way_are_no_more_than_the_window_holds() {
    let waiting: Vec<Seq> = (1..=2_000).filter(|seq| *seq != 4).collect();
    let stands = Stands { last: 2_000, settled_to: 2_000, sent_to: 2_000, ..Stands::default() };
    let mut served = Served::open(&Stands { waiting: &waiting, ..stands });
    for _ in 0..100 {
        served.cycle();
        assert_eq!(served.lane.in_flight(), 8);
    }
    served.answer(1, 1, Outcome::delivered());
    assert_eq!(served.cycle(), [(10, 9)]);
}

#[test]
fn deadlines_of_answered_messages_do_not_pile_up() {
    let mut served = Served::open(&Stands { last: 10_000, ..Stands::default() });
    served.lane.settings.ack_timeout_ms = crate::clock::millis(Duration::MAX);
    served.lane.settings.window = 10_000;
    // The first one is never answered.
    for _ in 0..1_000 {
        for (seq, _) in served.cycle().into_iter().filter(|(seq, _)| *seq != 1) {
            served.answer(seq, 1, Outcome::delivered());
        }
    }
    assert!(served.lane.cursor > 5_000);
    assert!(served.lane.deadlines.len() < 1_100, "{}", served.lane.deadlines.len());
}

#[test]
fn whoever_waits_behind_a_dead_one_is_parked() {
    let stands = Stands { last: 2, settled_to: 2, sent_to: 2, ..Stands::default() };
    for remembers in [true, false] {
        let mut served = Served::open(&Stands { waiting: &[1, 2, 3], last: 3, ..stands });
        served.lane.settings.remembers = remembers;
        served.lane.settings.batch = 1;
        served.lane.settings.window = 2;
        assert_eq!(served.cycle(), [(1, 0)]);
        if !remembers {
            assert_eq!(served.cycle(), [], "2 waits for the answer");
        }
        served.answer(1, 1, Outcome::Failed(Failure::permanent("never")));
        for _ in 0..5 {
            assert_eq!(served.cycle(), []);
        }
        assert_eq!(served.standing(2), Some(Standing::Parked), "remembers: {remembers}");
        assert_eq!(served.standing(3), Some(Standing::Parked), "remembers: {remembers}");
        assert!(served.lane.is_idle());
    }
}

#[test]
fn at_the_bound_nothing_is_left_to_do_behind_dead_letters() {
    let stands = Stands { last: 3, settled_to: 1, sent_to: 1, dead: &[1], ..Stands::default() };
    let mut unread = Served::open(&stands);
    unread.lane.settings.max_exceptions = 1;
    assert_eq!(unread.cycle(), []);
    assert!(unread.lane.is_idle(), "2 is not read");

    let mut read = Served::open(&Stands { last: 2, ..Stands::default() });
    read.lane.settings.max_exceptions = 1;
    assert_eq!(read.cycle(), [(1, 0), (2, 1)]);
    read.answer(1, 1, Outcome::Failed(Failure::permanent("never")));
    assert!(!read.lane.is_idle(), "2 is under way");
    read.answer(2, 1, Outcome::Blocked);
    for _ in 0..3 {
        assert_eq!(read.cycle(), []);
    }
    assert_eq!(read.standing(2), None, "2 is in the window");
    assert!(read.lane.is_idle());
}

#[test]
fn one_whose_row_is_gone_holds_nobody_back() {
    let mut served = Served::open(&Stands { last: 2, ..Stands::default() });
    served.lane.settings.max_exceptions = 1;
    assert_eq!(served.cycle(), [(1, 0), (2, 1)]);
    served.answer(2, 1, Outcome::Failed(Failure::retry("no")));
    let later = Failure::retry("later").after(Duration::from_secs(1));
    served.answer(1, 1, Outcome::Failed(later));
    assert_eq!(served.cycle(), [], "2 waits behind 1");
    served.gone.insert(1);
    served.now = moment(NOW + 1_000);
    let sent: Vec<_> = (0..3).flat_map(|_| served.cycle()).collect();
    assert_eq!(sent.iter().map(|(seq, _)| *seq).collect::<Vec<_>>(), [2]);
}
