//! From a loss to the simplest one like it: fewest crashes, fewest lost pieces, earliest.

use super::case::Case;
use super::disk::{Lost, Profile};
use super::retrace::{Leg, Tracer, Trail};
use super::states::{Breadth, Crash, Crashes, End};

/// So many cases are tried to find a simpler one.
const TRIES: usize = 500;

/// The simplest case found that breaks the same promise.
pub(crate) fn simplest(tracer: &Tracer<'_>, found: Trail, promise: &str) -> Trail {
    let mut tries = TRIES;
    let mut simplest = found;
    while let Some(simpler) = simpler(tracer, &simplest, promise, &mut tries) {
        simplest = simpler;
    }
    simplest
}

fn simpler(tracer: &Tracer<'_>, than: &Trail, promise: &str, tries: &mut usize) -> Option<Trail> {
    for case in candidates(than, tracer.script.ground()) {
        *tries = tries.checked_sub(1)?;
        let Ok(trail) = tracer.retrace(&case, Some(than)) else { continue };
        if trail.broken.iter().any(|broken| broken.promise == promise) {
            return Some(trail);
        }
    }
    None
}

/// Cases that are simpler than this one, simplest first.
fn candidates(trail: &Trail, ground: (u64, Profile)) -> Vec<Case> {
    let mut cases = fewer(&trail.case);
    for (number, (crash, leg)) in trail.case.crashes.iter().zip(&trail.legs).enumerate() {
        for crash in less(crash).into_iter().chain(earlier(crash, leg, ground)) {
            let mut case = trail.case.clone();
            case.crashes[number] = crash;
            cases.push(case);
        }
    }
    cases.retain(|case| case.size() < trail.case.size());
    cases.sort_by_key(Case::size);
    cases.dedup();
    cases
}

/// Without a crash, or without the fault.
fn fewer(case: &Case) -> Vec<Case> {
    let mut cases = Vec::new();
    if case.strike.is_some() {
        cases.push(Case { strike: None, ..case.clone() });
    }
    if case.crashes.len() > 1 {
        for number in 0..case.crashes.len() {
            let mut case = case.clone();
            case.crashes.remove(number);
            cases.push(case);
        }
    }
    cases
}

/// A crash that loses a piece less, or all names less, or at a machine less.
fn less(crash: &Crash) -> Vec<Crash> {
    let End::PowerCut { machines, lost } = &crash.end else { return Vec::new() };
    let mut ends = vec![End::Kill];
    for piece in &lost.pieces {
        let mut less = lost.clone();
        less.pieces.remove(piece);
        ends.push(End::PowerCut { machines: machines.clone(), lost: less });
    }
    let whole = Lost { spoilt: None, ..lost.clone() };
    ends.push(End::PowerCut { machines: machines.clone(), lost: whole });
    let named = Lost { names_kept: Lost::ALL_NAMES, ..lost.clone() };
    ends.push(End::PowerCut { machines: machines.clone(), lost: named });
    let short = Lost { grown: false, ..lost.clone() };
    ends.push(End::PowerCut { machines: machines.clone(), lost: short });
    for machine in machines.iter().filter(|_| machines.len() > 1) {
        // Pieces are numbered among those of all machines that lose power.
        let mut fewer = machines.clone();
        fewer.remove(machine);
        ends.push(End::PowerCut { machines: fewer, lost: Lost::nothing() });
    }
    ends.into_iter().map(|end| Crash { after: crash.after, end }).collect()
}

/// Crashes before this one.
fn earlier(crash: &Crash, leg: &Leg, ground: (u64, Profile)) -> Vec<Crash> {
    let mut disks = leg.disks.clone();
    let mut crashes = Vec::new();
    for after in 0..crash.after.min(leg.record.len()) {
        let step = after.checked_sub(1).map(|last| &leg.record[last]);
        step.into_iter().for_each(|step| disks.apply(step));
        crashes.extend(Crashes::after(after, step, &disks, ground, Breadth::Narrow).all());
    }
    crashes
}
