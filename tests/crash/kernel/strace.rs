//! Kills by `strace`: at a call of the system itself, in a process that knows nothing of it.

use super::task::{End, Task};
use std::collections::BTreeMap;
use std::process::Command;

/// The calls that change files, by the names they have on one system or another.
const CALLS: [&str; 6] = ["pwrite64", "fdatasync", "fsync", "ftruncate", "unlink", "unlinkat"];

/// The n-th call of a name, from 1, that a thread of a process makes.
#[derive(Clone, Debug)]
pub(crate) struct Call {
    pub(crate) name: String,
    pub(crate) number: usize,
}

impl Call {
    /// Words that run a command, and kill it when it makes this call.
    pub(crate) fn killing(&self) -> Vec<String> {
        let Self { name, number } = self;
        let inject = format!("inject={name}:signal=SIGKILL:when={number}");
        words(&["-o", "/dev/null", "-e", &format!("trace={name}"), "-e", &inject])
    }
}

fn words(arguments: &[&str]) -> Vec<String> {
    ["strace", "-f", "-qq"].iter().chain(arguments).map(|word| (*word).to_string()).collect()
}

/// Why nothing can be traced here, if it cannot.
pub(crate) fn refusal() -> Option<String> {
    let words = words(&["-o", "/dev/null", "-e", "trace=none"]);
    match Command::new(&words[0]).args(&words[1..]).arg("true").output() {
        Ok(run) if run.status.success() => None,
        Ok(run) => Some(format!("it says: {}", String::from_utf8_lossy(&run.stderr).trim())),
        Err(error) => Some(format!("it does not start: {error}")),
    }
}

/// The calls that somebody makes. Calls are counted for each thread on its own.
pub(crate) fn calls_of(task: &Task) -> Vec<Call> {
    let log = task.folder.join("strace");
    // A system need not have every call.
    let names: Vec<String> = CALLS.iter().map(|name| format!("?{name}")).collect();
    let trace = format!("trace={}", names.join(","));
    let tracer = words(&["-o", log.to_str().unwrap(), "-e", &trace]);
    let end = task.run(&tracer);
    assert!(matches!(end, End::Done { .. }), "nobody kills it: {end:?}");
    let mut counts: BTreeMap<(String, String), usize> = BTreeMap::new();
    for line in std::fs::read_to_string(&log).unwrap().lines() {
        // "1234  pwrite64(5, ..."; a call that was interrupted has its end in another line.
        let Some((thread, rest)) = line.split_once(' ') else { continue };
        let Some((name, _)) = rest.trim_start().split_once('(') else { continue };
        if CALLS.contains(&name) {
            *counts.entry((name.to_string(), thread.to_string())).or_default() += 1;
        }
    }
    let mut longest: BTreeMap<String, usize> = BTreeMap::new();
    for ((name, _), count) in counts {
        let known = longest.entry(name).or_default();
        *known = count.max(*known);
    }
    let each = |(name, count): (String, usize)| {
        (1..=count).map(move |number| Call { name: name.clone(), number })
    };
    longest.into_iter().flat_map(each).collect()
}
