//! At the bound of exceptions, and when a window is full.

use super::*;

/// 1 is dead, 2 waits behind it in the window (bound), 4 (another key) is acknowledged.
#[test]
fn idle_at_the_bound_with_acknowledged_ones_that_cannot_be_passed() {
    let mut served = Served::open(&Stands { last: 4, ..Stands::default() });
    served.lane.settings.max_exceptions = 1;
    assert_eq!(served.cycle().len(), 4);
    let never = || Outcome::Failed(Failure::permanent("never"));
    served.answer(1, 1, never());
    served.answer(2, 1, Outcome::Blocked);
    served.answer(3, 1, Outcome::Blocked);
    served.answer(4, 1, Outcome::delivered());
    served.comes_to_rest();
    assert_eq!(served.lane.wants(served.now), None);
    assert!(served.lane.is_idle(), "run_until_idle never ends");
}

#[test]
fn at_the_bound_a_relay_with_nothing_to_do_sleeps() {
    let mut served = Served::open(&Stands { last: 2, ..Stands::default() });
    served.lane.settings.max_exceptions = 0;
    assert_eq!(served.cycle().len(), 2);
    served.answer(2, 1, Outcome::Failed(Failure::retry("later")));
    served.answer(1, 1, Outcome::Failed(Failure::permanent("never")));
    for n in 1..10 {
        served.now = moment(NOW + 1_000 * n);
        assert_eq!(served.cycle(), []);
        served.lane.confirmed(served.last_request, served.now);
    }
    assert_eq!(served.lane.wants(served.now), None);
    let wakes = served.lane.wakes_at(served.now);
    assert!(wakes.is_none_or(|at| at > served.now.tick), "asked every millisecond: {wakes:?}");
}

#[test]
fn while_the_window_is_full_a_relay_sleeps() {
    let waiting: Vec<Seq> = (1..=100).filter(|seq| *seq != 4).collect();
    let stands = Stands { last: 100, settled_to: 100, sent_to: 100, ..Stands::default() };
    let mut served = Served::open(&Stands { waiting: &waiting, ..stands });
    for _ in 0..10 {
        served.cycle();
    }
    assert_eq!(served.lane.wants(served.now), None);
    let wakes = served.lane.wakes_at(served.now);
    assert!(wakes.is_none_or(|at| at > served.now.tick), "asked every millisecond: {wakes:?}");
}

#[test]
fn idle_when_the_bytes_of_the_window_are_used_up_behind_dead_letters() {
    let mut served = Served::open(&Stands { last: 5, ..Stands::default() });
    served.lane.settings.max_exceptions = 1;
    served.lane.settings.batch = 2;
    served.lane.settings.window = 4;
    served.lane.settings.window_bytes = 10;
    assert_eq!(served.cycle().len(), 2);
    // As if 2 had ten bytes of payload.
    served.lane.window.get_mut(2).unwrap().bytes = 10;
    (served.lane.window_bytes, served.lane.flying_bytes) = (10, 10);
    served.answer(1, 1, Outcome::Failed(Failure::permanent("never")));
    served.answer(2, 1, Outcome::Blocked);
    for _ in 0..5 {
        assert_eq!(served.cycle(), []);
    }
    assert_eq!(served.lane.wants(served.now), None);
    assert!(served.lane.is_idle(), "run_until_idle never ends");
}

/// A crash at the bound: 4 waits above what may be read, 2 would have to be parked behind 1.
#[test]
fn idle_at_the_bound_with_an_exception_that_is_not_reached() {
    let stands = Stands { last: 4, settled_to: 1, sent_to: 4, ..Stands::default() };
    let mut served = Served::open(&Stands { dead: &[1], waiting: &[4], ..stands });
    served.lane.settings.max_exceptions = 2;
    served.comes_to_rest();
    assert_eq!(served.lane.wants(served.now), None);
    assert!(served.lane.is_idle(), "run_until_idle never ends");
}

/// 2 waits above what may be read and its row is deleted; 3 of its key would have to be parked.
#[test]
fn at_the_bound_one_above_the_position_whose_row_is_gone_holds_nobody_back() {
    let stands = Stands { last: 3, settled_to: 1, sent_to: 2, ..Stands::default() };
    let mut served = Served::open(&Stands { waiting: &[2], ..stands });
    served.lane.settings.max_exceptions = 1;
    served.gone.insert(2);
    let mut sent = Vec::new();
    for n in 0..20 {
        served.now = moment(NOW + 1_000 * n);
        sent.extend(served.cycle());
        served.lane.look_again();
    }
    assert!(sent.iter().any(|(seq, _)| *seq == 3), "{sent:?}");
}

#[test]
fn a_window_full_of_what_is_acknowledged_has_room() {
    let mut served = Served::open(&Stands { last: 100, ..Stands::default() });
    assert_eq!(served.cycle().len(), 8);
    assert_eq!(served.lane.wants(served.now), None);
    for seq in 1..=3 {
        served.answer(seq, 1, Outcome::delivered());
    }
    let places = |sent: Vec<(Seq, Seq)>| sent.into_iter().map(|(seq, _)| seq).collect::<Vec<_>>();
    assert_eq!(places(served.cycle()), [9, 10, 11], "at once, not when it is time to settle");
    // Behind one without an answer there is none.
    served.answer(5, 1, Outcome::delivered());
    assert_eq!(served.cycle(), []);
}

#[test]
fn a_cycle_sends_half_a_window_in_as_many_requests_as_that_takes() {
    let mut served = Served::open(&Stands { last: 100, ..Stands::default() });
    (served.lane.settings.batch, served.lane.settings.window) = (3, 20);
    assert_eq!(served.cycle().len(), 10);
    assert_eq!(served.last_request, 4, "of 3, 3, 3 and 1");
}
