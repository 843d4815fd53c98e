//! One trial: files as they were left in good order, a process that is killed, perhaps another one
//! that is killed while it recovers, then a run to the end, and the audit.

use super::audit::audit;
use super::programs::{self, DEPOT, SHOP};
use super::shim::Kill;
use super::strace;
use super::task::{End, Habit, Role, Running, Task};
use std::path::Path;
use surehand::rusqlite::Connection;
use tempfile::TempDir;

/// What one life sells.
const SALES: i64 = 2;
/// What somebody sells who does so beside others.
const MANY_SALES: i64 = 10;
/// Those before it left the ground behind.
const FIRST_LIFE: usize = 3;
/// That of somebody who works at the same time.
const COLLEAGUE: usize = 2;

/// Files to begin with, of which every trial has a copy.
pub(crate) struct Ground {
    folder: TempDir,
    journal_mode: &'static str,
    habit: Habit,
}

/// Who has the databases open beside the process that is killed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Company {
    /// The next one starts from the files alone.
    Nobody,
    /// Somebody who lives on: so does the WAL index, as the killed process left it in memory.
    Witness,
    /// A process that does the other half of the work meanwhile.
    Colleague,
}

/// How a process is killed.
#[derive(Clone, Debug)]
pub(crate) enum Blow {
    /// By itself, at a call of the VFS.
    Itself(Kill),
    /// By a tracer, at a call of the system.
    Strace(strace::Call),
}

/// Some process is started, and killed.
#[derive(Clone, Debug)]
pub(crate) struct Strike {
    pub(crate) role: Role,
    pub(crate) blow: Blow,
}

/// What is tried on some ground.
#[derive(Clone, Debug)]
pub(crate) struct Trial {
    pub(crate) company: Company,
    /// The second one hits who recovers from the first.
    pub(crate) strikes: Vec<Strike>,
}

/// What trials came to.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    pub(crate) kills: usize,
    pub(crate) while_recovering: usize,
    pub(crate) by_strace: usize,
    /// Kills that did not happen: the process ended before.
    pub(crate) missed: usize,
    pub(crate) violations: Vec<String>,
}

impl Ground {
    pub(crate) fn prepare(journal_mode: &'static str, habit: Habit) -> Self {
        let folder = tempfile::tempdir().unwrap();
        programs::prepare(folder.path(), journal_mode, habit, SALES);
        Self { folder, journal_mode, habit }
    }

    fn copy(&self) -> TempDir {
        let copy = tempfile::tempdir().unwrap();
        for entry in std::fs::read_dir(self.folder.path()).unwrap() {
            let entry = entry.unwrap();
            std::fs::copy(entry.path(), copy.path().join(entry.file_name())).unwrap();
        }
        copy
    }

    pub(crate) fn task(&self, folder: &Path, role: Role, life: usize) -> Task {
        Task {
            role,
            habit: self.habit,
            life: i64::try_from(life).unwrap(),
            sales: SALES,
            folder: folder.to_path_buf(),
            shim: false,
            kill: None,
        }
    }

    /// How many calls that are counted such a process makes when nobody kills it.
    pub(crate) fn calls(&self, role: Role, company: Company) -> u64 {
        let copy = self.copy();
        let witnesses = company.witnesses(copy.path());
        let colleague = company.colleague(self, copy.path(), role);
        let end = Task { shim: true, ..self.task(copy.path(), role, FIRST_LIFE) }.run(&[]);
        assert_eq!(complaint(colleague), None);
        drop(witnesses);
        match end {
            End::Done { calls } => calls,
            other => panic!("nobody kills it: {other:?}"),
        }
    }

    /// The calls of the system that such a process makes, as its tracer sees them.
    pub(crate) fn system_calls(&self, role: Role) -> Vec<strace::Call> {
        let copy = self.copy();
        strace::calls_of(&self.task(copy.path(), role, FIRST_LIFE))
    }

    pub(crate) fn run(&self, trial: &Trial) -> Tally {
        let copy = self.copy();
        let folder = copy.path();
        let mut tally = Tally::default();
        let witnesses = trial.company.witnesses(folder);
        let colleague = trial.company.colleague(self, folder, trial.strikes[0].role);
        let mut life = FIRST_LIFE;
        for Strike { role, blow } in &trial.strikes {
            let task = self.task(folder, *role, life);
            let (end, by_strace) = match blow {
                Blow::Itself(kill) => {
                    (Task { shim: true, kill: Some(*kill), ..task }.run(&[]), false)
                }
                Blow::Strace(call) => (task.run(&call.killing()), true),
            };
            match end {
                End::Killed => {
                    tally.while_recovering += usize::from(tally.kills > 0);
                    tally.by_strace += usize::from(by_strace);
                    tally.kills += 1;
                }
                End::Done { .. } => tally.missed += 1,
                End::Failed(why) => tally.violations.push(why),
            }
            life += 1;
        }
        tally.violations.extend(complaint(colleague));
        for (role, life) in [(Role::Producer, life), (Role::Worker, life + 1)] {
            match self.task(folder, role, life).run(&[]) {
                End::Done { .. } => {}
                other => tally.violations.push(format!("{role:?} does not come back: {other:?}")),
            }
        }
        drop(witnesses);
        tally.violations.extend(audit(folder));
        let about = |violation| format!("{violation}\n  {}: {trial:?}", self.journal_mode);
        tally.violations = tally.violations.into_iter().map(about).collect();
        tally
    }
}

impl Company {
    /// Connections that have read both databases, and hold no lock that keeps anybody out.
    fn witnesses(self, folder: &Path) -> Vec<Connection> {
        let names: &[&str] = if self == Self::Witness { &[SHOP, DEPOT] } else { &[] };
        let open = |name: &&str| {
            let db = Connection::open(folder.join(name)).unwrap();
            let sql = "SELECT count(*) FROM sqlite_schema";
            db.query_row(sql, [], |row| row.get::<_, i64>(0)).unwrap();
            db
        };
        names.iter().map(open).collect()
    }

    /// Starts the other half of what a process of that role does.
    fn colleague(self, ground: &Ground, folder: &Path, role: Role) -> Option<Running> {
        let (role, sales) = match role {
            _ if self != Self::Colleague => return None,
            Role::Producer => (Role::WorkerUntilTold, 0),
            _ => (Role::Producer, MANY_SALES),
        };
        Some(Task { sales, ..ground.task(folder, role, COLLEAGUE) }.start(&[]))
    }
}

/// Nobody kills a colleague.
fn complaint(colleague: Option<Running>) -> Option<String> {
    match colleague?.end() {
        End::Done { .. } => None,
        other => Some(format!("the colleague: {other:?}")),
    }
}

impl Tally {
    pub(crate) fn add(&mut self, other: Self) {
        self.kills += other.kills;
        self.while_recovering += other.while_recovering;
        self.by_strace += other.by_strace;
        self.missed += other.missed;
        self.violations.extend(other.violations);
    }
}
