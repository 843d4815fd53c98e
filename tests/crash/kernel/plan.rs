//! Which trials are run: every call of every program in turn, or some of them, spread evenly.

use super::shim::Kill;
use super::strace;
use super::task::Role;
use super::trial::{Blow, Company, Ground, Strike, Tally, Trial};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Every kill of such a process: before each call, and after it.
pub(crate) fn kills(ground: &Ground, role: Role, company: Company) -> Vec<Strike> {
    let calls = ground.calls(role, company);
    let both = |at| [false, true].map(|after| Kill { at, after });
    let strike = |kill| Strike { role, blow: Blow::Itself(kill) };
    (1..=calls).flat_map(both).map(strike).collect()
}

/// So many of these, spread evenly; all of them if there are no more.
pub(crate) fn some<T: Clone>(all: &[T], count: usize) -> Vec<T> {
    if count >= all.len() {
        return all.to_vec();
    }
    // Each in the middle of its share, and in turn before and after a call.
    let middle = |index: usize| (2 * index + 1) * all.len() / (2 * count);
    let at = |index: usize| ((middle(index) & !1) | (index & 1)).min(all.len() - 1);
    (0..count).map(|index| all[at(index)].clone()).collect()
}

/// Trials of one kill.
pub(crate) fn single(company: Company, strikes: Vec<Strike>) -> Vec<Trial> {
    strikes.into_iter().map(|strike| Trial { company, strikes: vec![strike] }).collect()
}

/// Trials of two kills. Who comes after somebody that died late has little to do, and is killed
/// early.
pub(crate) fn double(
    company: Company,
    first: &[Strike],
    second: &[Strike],
    count: usize,
) -> Vec<Trial> {
    let firsts = some(first, count);
    let mut seconds = some(second, count);
    seconds.reverse();
    let pair = |(first, second): (Strike, &Strike)| Trial {
        company,
        strikes: vec![first, second.clone()],
    };
    firsts.into_iter().zip(seconds.iter().cycle()).map(pair).collect()
}

/// Trials with so many kills by `strace`.
pub(crate) fn traced(ground: &Ground, count: usize) -> Vec<Trial> {
    let mut strikes = Vec::new();
    for role in [Role::Producer, Role::Worker] {
        let strike = |call: strace::Call| Strike { role, blow: Blow::Strace(call) };
        strikes.extend(ground.system_calls(role).into_iter().map(strike));
    }
    single(Company::Nobody, some(&strikes, count))
}

/// Runs all of them. They wait for the disk more than they compute: two for each processor.
pub(crate) fn run(ground: &Ground, trials: &[Trial]) -> Tally {
    let (next, tally) = (AtomicUsize::new(0), Mutex::new(Tally::default()));
    let processors = std::thread::available_parallelism().map_or(1, usize::from);
    std::thread::scope(|scope| {
        for _ in 0..2 * processors {
            scope.spawn(|| {
                while let Some(trial) = trials.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let came_to = ground.run(trial);
                    tally.lock().unwrap().add(came_to);
                }
            });
        }
    });
    tally.into_inner().unwrap()
}
