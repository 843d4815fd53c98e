//! What a child process is told, and how it is started: this test binary again, as one program.

use super::shim::Kill;
use serde::{Deserialize, Serialize};
use std::os::unix::process::ExitStatusExt;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

const TASK: &str = "SUREHAND_KILL_TASK";
const PROGRAM: &str = "kernel::child";
const SIGKILL: i32 = 9;

/// What a process does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Role {
    /// Sells, and ends.
    Producer,
    /// Relays what was sold and applies it, until nothing is left.
    Worker,
    /// The same, until its input ends.
    WorkerUntilTold,
    /// Both at once, in one process.
    Both,
}

/// How the programs are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Habit {
    Right,
    /// Wrong: the message is enqueued in a transaction of its own, after the sale's.
    EnqueuesApart,
    /// Wrong: the customer hears of the sale before it is committed.
    PromisesEarly,
    /// Wrong: the effect is committed first, and then remembered elsewhere.
    AppliesApart,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Task {
    pub(crate) role: Role,
    pub(crate) habit: Habit,
    /// Which start of a process this is: no two of them sell the same.
    pub(crate) life: i64,
    pub(crate) sales: i64,
    pub(crate) folder: PathBuf,
    /// Through the VFS that counts and kills, or through the system's own.
    pub(crate) shim: bool,
    pub(crate) kill: Option<Kill>,
}

/// How a child came to its end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum End {
    Killed,
    /// By itself, with all its work done.
    Done {
        calls: u64,
    },
    /// With an error, which it wrote.
    Failed(String),
}

impl Task {
    /// What this process was started to do, if it was started as a child.
    pub(crate) fn of_this_process() -> Option<Self> {
        let task = std::env::var(TASK).ok()?;
        Some(serde_json::from_str(&task).expect("a task is written by the test"))
    }

    /// Starts it in a process of its own, behind the words of a tracer or none.
    pub(crate) fn start(&self, tracer: &[String]) -> Running {
        let this = std::env::current_exe().unwrap();
        let mut command = match tracer {
            [] => Command::new(this),
            [tracer, arguments @ ..] => {
                let mut command = Command::new(tracer);
                command.args(arguments).arg(this);
                command
            }
        };
        let process = command
            .args([PROGRAM, "--exact", "--nocapture", "--test-threads=1"])
            .env(TASK, serde_json::to_string(self).unwrap())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        Running { process, said: self.said() }
    }

    /// Runs it in a process of its own to the end, whatever that is.
    pub(crate) fn run(&self, tracer: &[String]) -> End {
        self.start(tracer).end()
    }

    /// The last thing that a process does which was not killed.
    pub(crate) fn say_done(&self, calls: u64) {
        std::fs::write(self.said(), calls.to_string()).unwrap();
    }

    /// Where it says how many calls it made.
    fn said(&self) -> PathBuf {
        self.folder.join(format!("done-{}", self.life))
    }
}

/// A process at work. Its input ends with this, at the latest.
pub(crate) struct Running {
    process: Child,
    said: PathBuf,
}

impl Running {
    /// Ends its input, and waits for it.
    pub(crate) fn end(self) -> End {
        let child = self.process.wait_with_output().unwrap();
        let calls = std::fs::read_to_string(&self.said).ok();
        match calls.and_then(|calls| calls.parse().ok()) {
            Some(calls) if child.status.success() => End::Done { calls },
            None if child.status.signal() == Some(SIGKILL) => End::Killed,
            _ => {
                let stderr = String::from_utf8_lossy(&child.stderr);
                End::Failed(format!("a child ended: {}\n{stderr}", child.status))
            }
        }
    }
}
