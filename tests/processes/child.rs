//! Another process: this test binary again, running one test as its program. None outlives the
//! test that started it.

use crate::stage::PATIENCE;
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

const PROGRAM: &str = "SUREHAND_TEST_PROGRAM";
const DIRECTORY: &str = "SUREHAND_TEST_DIRECTORY";

/// The directory to work in, if this process was started to run that program.
pub(crate) fn runs(program: &str) -> Option<PathBuf> {
    let wanted = std::env::var(PROGRAM).is_ok_and(|wanted| wanted == program);
    wanted.then(|| std::env::var_os(DIRECTORY).unwrap().into())
}

/// Completes when the test that started this process is gone, or asks it to stop.
pub(crate) async fn asked_to_stop() {
    let (ended, end) = tokio::sync::oneshot::channel::<()>();
    std::thread::spawn(move || {
        // An input that cannot be read has ended, too.
        let _ = std::io::stdin().read_to_end(&mut Vec::new());
        drop(ended);
    });
    let _ = end.await;
}

pub(crate) struct Child {
    process: std::process::Child,
    lines: Receiver<String>,
}

impl Child {
    /// Starts a test of this binary, by its full name, as a program.
    pub(crate) fn start(program: &str, directory: &Path) -> Self {
        let mut process = Command::new(std::env::current_exe().unwrap())
            .args([program, "--exact", "--nocapture"])
            .env(PROGRAM, program)
            .env(DIRECTORY, directory)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let output = BufReader::new(process.stdout.take().unwrap());
        let (sender, lines) = channel();
        std::thread::spawn(move || {
            for line in output.lines().map_while(Result::ok) {
                // A test that is over does not read any more.
                let _ = sender.send(line);
            }
        });
        Self { process, lines }
    }

    pub(crate) fn id(&self) -> u32 {
        self.process.id()
    }

    /// What follows this word in the next line that has it, if there is one within that time.
    pub(crate) fn says_within(&self, word: &str, time: Duration) -> Option<String> {
        let until = Instant::now() + time;
        loop {
            let line = self.lines.recv_timeout(until - Instant::now().min(until)).ok()?;
            // The harness may have begun the line.
            if let Some((_, rest)) = line.split_once(word) {
                return Some(rest.trim().to_string());
            }
        }
    }

    /// What follows this word in the next line that has it.
    #[track_caller]
    pub(crate) fn says(&self, word: &str) -> String {
        self.says_within(word, PATIENCE).unwrap_or_else(|| panic!("the child never says {word:?}"))
    }

    /// SIGKILL, which it cannot notice or prevent.
    pub(crate) fn kill(mut self) {
        self.process.kill().unwrap();
        self.process.wait().unwrap();
    }

    /// Sends it a signal by name.
    #[cfg(unix)]
    pub(crate) fn signal(&self, name: &str) {
        let id = self.id().to_string();
        let sent = Command::new("kill").args([format!("-{name}"), id]).status().unwrap();
        assert!(sent.success());
    }

    /// Waits for its end, which it comes to on its own.
    #[track_caller]
    pub(crate) fn ends(mut self) -> ExitStatus {
        let process = &mut self.process;
        let ended = crate::stage::eventually(|| process.try_wait().unwrap());
        ended.expect("the child ends")
    }

    /// Asks it to stop, and waits until it has.
    #[track_caller]
    pub(crate) fn stop(mut self) {
        drop(self.process.stdin.take());
        let status = self.ends();
        assert!(status.success(), "{status}");
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        // It may be gone already, which is what is wanted.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
