//! A program as a child process: started, watched, killed, started again. None outlives its parent.

use crate::shop::Outcome;
use std::io::{BufRead, BufReader};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

/// A program that is started again after it was killed.
pub(crate) struct Program {
    name: &'static str,
    life: Option<Life>,
    down_until: Option<Instant>,
    /// What it reported last, in all its lives.
    pub(crate) count: i64,
    /// Its last report was higher than the one before: it is at work.
    rose: bool,
    pub(crate) kills: u64,
}

impl Program {
    pub(crate) fn new(name: &'static str) -> Self {
        Self { name, life: None, down_until: None, count: 0, rose: false, kills: 0 }
    }

    pub(crate) fn start(&mut self, arguments: &[String]) -> Outcome<()> {
        self.rose = false;
        self.down_until = None;
        self.life = Some(Life::begin(self.name, arguments)?);
        Ok(())
    }

    /// Takes its reports, and says how it ended if it did so by itself.
    pub(crate) fn observe(&mut self) -> Outcome<Option<ExitStatus>> {
        let Some(life) = &mut self.life else { return Ok(None) };
        // Asked before the reports are read: the last ones of a process that has ended count.
        let ended = life.process.try_wait()?;
        for count in life.reports.try_iter() {
            self.rose = count > self.count;
            self.count = self.count.max(count);
        }
        if ended.is_some() {
            self.life = None;
        }
        Ok(ended)
    }

    pub(crate) fn is_at_work(&self) -> bool {
        self.life.is_some() && self.rose
    }

    /// Whether it was killed, and has been down for long enough.
    pub(crate) fn is_to_return(&self, now: Instant) -> bool {
        self.life.is_none() && self.down_until.is_some_and(|until| until <= now)
    }

    /// Kills it, which it cannot notice or prevent. Says whether that hit it alive.
    pub(crate) fn kill(&mut self, down_until: Instant) -> Outcome<bool> {
        let Some(mut life) = self.life.take() else { return Ok(false) };
        life.process.kill()?;
        let hit = was_killed(life.process.wait()?);
        self.kills += u64::from(hit);
        self.down_until = Some(down_until);
        Ok(hit)
    }

    /// Asks it to stop in good order, by ending its input; drops it when it does not.
    pub(crate) fn stop(&mut self, patience: Duration, now: fn() -> Instant) -> Outcome<()> {
        let Some(life) = &mut self.life else { return Ok(()) };
        drop(life.process.stdin.take());
        let until = now() + patience;
        while self.life.is_some() {
            if now() > until {
                self.life = None;
                return Err(format!("the {} does not stop", self.name).into());
            }
            expect_success(self.name, self.observe()?)?;
            crate::pause(Duration::from_millis(1));
        }
        Ok(())
    }
}

/// An error, if the program ended by itself and without success.
pub(crate) fn expect_success(name: &str, ended: Option<ExitStatus>) -> Outcome<()> {
    match ended {
        Some(status) if !status.success() => Err(format!("the {name} ended: {status}").into()),
        _ => Ok(()),
    }
}

#[cfg(unix)]
fn was_killed(status: ExitStatus) -> bool {
    use std::os::unix::process::ExitStatusExt;
    status.signal() == Some(9)
}

#[cfg(not(unix))]
fn was_killed(status: ExitStatus) -> bool {
    !status.success()
}

/// A running process, with the lines it reports.
struct Life {
    process: Child,
    reports: Receiver<i64>,
}

impl Life {
    /// Starts this very program in another role.
    fn begin(role: &str, arguments: &[String]) -> Outcome<Self> {
        let mut process = Command::new(std::env::current_exe()?)
            .arg(role)
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        let output = process.stdout.take();
        let (sender, reports) = channel();
        let life = Self { process, reports };
        std::thread::spawn(move || {
            let lines = output.into_iter().flat_map(|output| BufReader::new(output).lines());
            for count in lines.map_while(Result::ok).filter_map(|line| line.parse().ok()) {
                if sender.send(count).is_err() {
                    return;
                }
            }
        });
        Ok(life)
    }
}

impl Drop for Life {
    fn drop(&mut self) {
        // It may be gone already, which is what is wanted.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
