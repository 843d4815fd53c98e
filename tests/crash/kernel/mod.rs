//! Real processes, killed by a real SIGKILL, on the real file system.
//!
//! The crash kit's disk is a model. Here nothing is modelled: a shop and a worker are processes of
//! their own, and die at each call that changes something others can see, in turn: by their own
//! hand, through a VFS over the real one, and by `strace`'s, at the calls of the system.

mod audit;
mod plan;
mod programs;
mod shim;
mod strace;
mod task;
mod trial;

use crate::report;
use crate::support::either;
use std::io::Write;
use std::time::Instant;
use task::{Habit, Role, Task};
use trial::{Company, Ground, Tally, Trial};

/// How much is tried on each ground, in each company.
struct Form {
    /// Kills of a producer, and of a worker.
    single: usize,
    /// Kills where two work at the same time, so that no run is like another.
    mixed: usize,
    /// For each two who come one after the other: kills of the first, and then of the second.
    double: usize,
    by_strace: usize,
    /// All in all there are not less.
    least: usize,
}

/// Every call: `SUREHAND_CRASH=full cargo test --release --test crash kernel`.
const LONG: Form = Form { single: usize::MAX, mixed: 30, double: 12, by_strace: 20, least: 1_000 };
const SHORT: Form = Form { single: 6, mixed: 2, double: 1, by_strace: 2, least: 60 };

fn form() -> Form {
    either(LONG, SHORT)
}

/// Not a test of its own: what a child process runs.
#[test]
fn child() {
    if let Some(task) = Task::of_this_process() {
        programs::run(&task);
    }
}

#[test]
fn whenever_a_process_is_killed_a_sale_is_sent_once() {
    use Company::{Colleague, Nobody, Witness};
    let (form, began) = (form(), now());
    let mut tally = Tally::default();
    let refusal = strace::refusal();
    // With a rollback journal there is no index that a witness would keep.
    for (journal_mode, companies) in
        [("wal", &[Nobody, Witness, Colleague][..]), ("delete", &[Nobody, Colleague])]
    {
        let ground = Ground::prepare(journal_mode, Habit::Right);
        let mut trials = Vec::new();
        for company in companies {
            trials.extend(by_itself(&ground, *company, &form));
        }
        if refusal.is_none() {
            trials.extend(plan::traced(&ground, form.by_strace));
        }
        tally.add(plan::run(&ground, &trials));
    }
    let seconds = began.elapsed().as_secs_f64();
    tell(&tally, refusal.as_deref(), seconds);
    assert!(tally.violations.is_empty(), "\n{}\n", tally.violations.join("\n"));
    assert!(tally.kills >= form.least, "too few kills: {tally:?}");
    // Two at work are never quite the same, and who recovers may have less to do.
    assert!(tally.missed * 4 <= tally.kills, "too many were not hit: {tally:?}");
}

/// Kills at calls of the VFS: of one process, and of who recovers from it.
fn by_itself(ground: &Ground, company: Company, form: &Form) -> Vec<Trial> {
    let kills = |role| plan::kills(ground, role, company);
    let (producer, worker) = (kills(Role::Producer), kills(Role::Worker));
    let alone = company != Company::Colleague;
    let count = if alone { form.single } else { form.mixed };
    let mut strikes = [&producer, &worker].map(|all| plan::some(all, count)).concat();
    let mut pairs = vec![(&producer, &producer), (&worker, &worker)];
    if alone {
        // A colleague does one half of the work, and somebody who is killed the other.
        strikes.extend(plan::some(&kills(Role::Both), form.mixed));
        pairs.extend([(&producer, &worker), (&worker, &producer)]);
    }
    let mut trials = plan::single(company, strikes);
    for (first, second) in pairs {
        trials.extend(plan::double(company, first, second, form.double));
    }
    trials
}

/// Writes past the harness, which shows what is printed only when a test fails.
fn tell(tally: &Tally, no_strace: Option<&str>, seconds: f64) {
    let Tally { kills, while_recovering, by_strace, missed, violations } = tally;
    let violations = violations.len();
    let mut line = format!(
        "kernel: {kills} kills, {while_recovering} while recovering, {by_strace} by strace, \
         {missed} missed, {violations} violations, {seconds:.1} s"
    );
    if let Some(why) = no_strace {
        line += &format!("; skipped the kills by strace: {why}");
    }
    // Nobody fails because there is no output.
    let _ = writeln!(std::io::stderr(), "{line}");
    let value = serde_json::json!({
        "kills": kills,
        "kills_while_recovering": while_recovering,
        "by_strace": by_strace,
        "no_strace_because": no_strace,
        "missed": missed,
        "violations": violations,
        "seconds": (seconds * 10.0).round() / 10.0,
    });
    report::write("kernel", &value);
}

#[allow(clippy::disallowed_methods, reason = "says how long a test took; nothing waits by it")]
fn now() -> Instant {
    Instant::now()
}

/// Programs that are written wrongly are found out, in these words.
#[track_caller]
fn is_found_out(habit: Habit, role: Role, words: &str) {
    let ground = Ground::prepare("wal", habit);
    let kills = plan::kills(&ground, role, Company::Nobody);
    let trials = plan::single(Company::Nobody, plan::some(&kills, 24));
    let tally = plan::run(&ground, &trials);
    let found = tally.violations.iter().filter(|violation| violation.contains(words)).count();
    println!("kernel: {habit:?} is found out by {found} of {} kills", tally.kills);
    assert!(found > 0, "{tally:?}");
    assert_eq!(found, tally.violations.len(), "nothing else is wrong: {:?}", tally.violations);
}

#[test]
fn a_shop_that_enqueues_in_a_transaction_of_its_own_is_found_out() {
    is_found_out(Habit::EnqueuesApart, Role::Producer, "sales that were not applied");
}

#[test]
fn a_shop_that_promises_before_it_commits_is_found_out() {
    is_found_out(Habit::PromisesEarly, Role::Producer, "sales that were promised and are gone");
}

#[test]
fn a_worker_that_remembers_apart_from_its_effect_is_found_out() {
    is_found_out(Habit::AppliesApart, Role::Worker, "sales that were applied twice");
}
