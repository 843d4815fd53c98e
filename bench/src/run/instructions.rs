//! Instructions for each message, counted by callgrind: the same on a busy machine.

use crate::Outcome;
use crate::plan::COUNTED;
use crate::results::Instructions;
use std::path::Path;
use std::process::Command;

/// Two runs of each program: what starts and ends it cancels.
const SHORT: u64 = 2_000;
const LONG: u64 = 12_000;

pub fn count(scratch: &Path) -> Vec<Instructions> {
    let there = Command::new("valgrind").arg("--version").output();
    let cannot = match there {
        Ok(output) if output.status.success() => None,
        _ => Some("valgrind is not installed".to_owned()),
    };
    let count = |program: &str| {
        if let Some(why) = cannot.clone() {
            return Instructions { program: program.into(), per_message: None, cannot: Some(why) };
        }
        eprintln!("        counting the instructions of {program}");
        let (per_message, cannot) = match per_message(program, scratch) {
            Ok(number) => (Some(number), None),
            Err(why) => (None, Some(why.to_string())),
        };
        Instructions { program: program.into(), per_message, cannot }
    };
    COUNTED.iter().map(|program| count(program)).collect()
}

fn per_message(program: &str, scratch: &Path) -> Outcome<f64> {
    let (short, long) = (collected(program, scratch, SHORT)?, collected(program, scratch, LONG)?);
    Ok((long - short) / (LONG - SHORT) as f64)
}

fn collected(program: &str, scratch: &Path, count: u64) -> Outcome<f64> {
    let directory = tempfile::Builder::new().prefix("count-").tempdir_in(scratch)?;
    let output = Command::new("valgrind")
        .args(["--tool=callgrind", "--callgrind-out-file=/dev/null"])
        .arg(std::env::current_exe()?)
        .args(["measure", program, "--count", &count.to_string(), "--directory"])
        .arg(directory.path())
        .output()?;
    let said = String::from_utf8_lossy(&output.stderr);
    let last = || said.trim().lines().last().unwrap_or("nothing was said").to_owned();
    if !output.status.success() {
        return Err(last().into());
    }
    let number = said.lines().find_map(|line| line.split_once("Collected :"));
    let number = number.ok_or_else(last)?.1.trim();
    Ok(number.split(' ').next().unwrap_or_default().parse()?)
}
