//! One measurement in a process of its own: its last line is its reading.

use crate::Outcome;
use crate::common::now;
use crate::plan::Program;
use crate::reading::Reading;
use serde::de::DeserializeOwned;
use std::io::Read;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

pub fn reading(
    program: &Program,
    directory: &Path,
    more: &[String],
    timeout: u64,
) -> Outcome<Reading> {
    let mut command = match program {
        Program::Own { case, arguments } => {
            let mut command = Command::new(std::env::current_exe()?);
            command.args(["measure", case]).args(arguments);
            command
        }
        Program::Peer { command, case, arguments } => {
            let (program, first) = command.split_first().ok_or("a command is empty")?;
            let mut command = Command::new(program);
            command.args(first).arg(case).args(arguments);
            command
        }
    };
    command.arg("--directory").arg(directory).args(more);
    last_line(command, timeout)
}

pub fn describe<T: DeserializeOwned>(command: &[String]) -> Outcome<T> {
    let (program, first) = command.split_first().ok_or("its command is empty")?;
    let mut command = Command::new(program);
    command.args(first).arg("describe");
    last_line(command, 30)
}

fn last_line<T: DeserializeOwned>(mut command: Command, timeout: u64) -> Outcome<T> {
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn()?;
    let output = drain(child.stdout.take());
    let errors = drain(child.stderr.take());
    let status = wait(&mut child, Duration::from_secs(timeout))?;
    let join = |text: std::thread::JoinHandle<String>| text.join().unwrap_or_default();
    let errors = join(errors);
    let Some(status) = status else { return Err(format!("not done after {timeout} s").into()) };
    if !status.success() {
        let why = errors.trim().lines().last().unwrap_or("without a word").to_owned();
        return Err(format!("{status}: {why}").into());
    }
    let output = join(output);
    let line = output.trim().lines().last().ok_or("it printed nothing")?;
    Ok(serde_json::from_str(line)?)
}

/// Reads to the end on a thread, so that a full pipe stops nobody.
fn drain(pipe: Option<impl Read + Send + 'static>) -> std::thread::JoinHandle<String> {
    std::thread::spawn(move || {
        let mut bytes = Vec::new();
        if let Some(mut pipe) = pipe {
            // What came until an error is what there is.
            let _ = pipe.read_to_end(&mut bytes);
        }
        String::from_utf8_lossy(&bytes).into_owned()
    })
}

/// Nothing when the time was over and the process was ended.
fn wait(child: &mut Child, time: Duration) -> Outcome<Option<std::process::ExitStatus>> {
    let began = now();
    loop {
        if let Some(status) = child.try_wait()? {
            return Ok(Some(status));
        }
        if began.elapsed() > time {
            child.kill()?;
            child.wait()?;
            return Ok(None);
        }
        crate::common::sleep(Duration::from_millis(5));
    }
}
