//! Where it was measured, and what.

use serde::{Deserialize, Serialize};
use std::path::Path;
use std::process::Command;

#[derive(Clone, Debug, Default, Deserialize, Serialize)]
pub struct Machine {
    pub system: String,
    pub kernel: String,
    pub cpu: String,
    pub cores: usize,
    pub memory_bytes: u64,
    pub file_system: String,
    pub rustc: String,
    pub sqlite: String,
    pub surehand: String,
    pub date: String,
}

/// Of this machine, with the file system of this directory.
pub fn here(directory: &Path) -> Machine {
    Machine {
        system: format!("{} {}", std::env::consts::OS, std::env::consts::ARCH),
        kernel: read("/proc/sys/kernel/osrelease"),
        cpu: field("/proc/cpuinfo", "model name"),
        cores: std::thread::available_parallelism().map_or(0, Into::into),
        memory_bytes: kibibytes(&field("/proc/meminfo", "MemTotal")),
        file_system: file_system(directory),
        rustc: output("rustc", &["--version"]),
        sqlite: rusqlite::version().into(),
        surehand: output("git", &["describe", "--always", "--dirty", "--abbrev=12"]),
        date: output("date", &["--utc", "+%Y-%m-%d %H:%M UTC"]),
    }
}

fn read(path: &str) -> String {
    std::fs::read_to_string(path).unwrap_or_default().trim().into()
}

fn field(path: &str, name: &str) -> String {
    let text = read(path);
    let line = text.lines().find(|line| line.starts_with(name)).unwrap_or_default();
    line.split_once(':').map_or("", |(_, value)| value).trim().into()
}

fn kibibytes(text: &str) -> u64 {
    text.split(' ').next().and_then(|number| number.parse::<u64>().ok()).unwrap_or(0) * 1024
}

/// The type of the deepest mount above it.
fn file_system(directory: &Path) -> String {
    let mounts = read("/proc/mounts");
    let mounted = mounts.lines().filter_map(|line| {
        let mut words = line.split(' ').skip(1);
        let (point, kind) = (words.next()?, words.next()?);
        directory.starts_with(point).then_some((point.len(), kind))
    });
    mounted.max_by_key(|(length, _)| *length).map_or("unknown", |(_, kind)| kind).into()
}

fn output(program: &str, arguments: &[&str]) -> String {
    let output = Command::new(program).args(arguments).output();
    let text = output.map(|output| String::from_utf8_lossy(&output.stdout).trim().to_owned());
    text.unwrap_or_default()
}
