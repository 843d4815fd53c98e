use std::io::ErrorKind;
use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use serde_json::{Map, Value, json};

use crate::{Arguments, Problem};

/// One way in which a peer is run.
#[derive(Debug)]
pub struct Setting {
    pub name: &'static str,
    pub survives_power_cut: bool,
    pub note: &'static str,
}

/// What a peer is and can do.
#[derive(Debug)]
pub struct Subject {
    pub name: &'static str,
    pub version: &'static str,
    pub settings: &'static [Setting],
    pub acknowledges: bool,
    pub deduplicates: bool,
    pub joins_callers_transaction: bool,
    pub order_within_key: bool,
}

/// What a program answers to a case.
#[derive(Debug)]
pub enum Answer {
    Reading(Reading),
    /// The peer cannot do this, and why.
    Cannot(&'static str),
    /// A producer that was started by another process has no reading of its own.
    Nothing,
}

/// The settings read back from one connection of a peer.
#[derive(Debug)]
pub struct Connection(Map<String, Value>);

impl Connection {
    /// The pragmas that a reading shows.
    pub const PRAGMAS: [&'static str; 5] =
        ["journal_mode", "synchronous", "cache_size", "page_size", "wal_autocheckpoint"];

    /// A connection of which nothing is known yet: what is not reachable stays null.
    pub fn new(name: impl Into<String>) -> Self {
        let mut fields = Map::new();
        fields.insert("connection".to_owned(), Value::String(name.into()));
        for pragma in Self::PRAGMAS {
            fields.insert(pragma.to_owned(), Value::Null);
        }
        Self(fields)
    }

    /// Notes what the connection answered to a pragma.
    pub fn set(&mut self, pragma: &str, value: impl Into<Value>) {
        self.0.insert(pragma.to_owned(), value.into());
    }
}

/// What was measured.
#[derive(Debug, Default)]
pub struct Reading {
    sqlite: Value,
    connections: Vec<Value>,
    count: u64,
    seconds: f64,
    latencies: Option<Vec<u64>>,
    note: Option<String>,
    others_peak_bytes: u64,
}

impl Reading {
    /// So much was done in that time.
    pub fn of(count: u64, time: Duration) -> Self {
        Self { count, seconds: time.as_secs_f64(), ..Self::default() }
    }

    /// Latencies in nanoseconds.
    pub fn of_latencies(latencies: Vec<u64>, time: Duration) -> Self {
        let count = latencies.len() as u64;
        Self { latencies: Some(latencies), ..Self::of(count, time) }
    }

    /// The version of SQLite inside the peer, and what its connections are set to.
    pub fn sqlite(mut self, version: String, connections: Vec<Connection>) -> Self {
        self.sqlite = Value::String(version);
        self.connections =
            connections.into_iter().map(|connection| Value::Object(connection.0)).collect();
        self
    }

    /// What a reader of the figure has to know.
    pub fn note(mut self, note: impl Into<String>) -> Self {
        self.note = Some(note.into());
        self
    }

    /// Adds the memory of another process that is part of the peer, such as its server.
    pub fn with_memory_of(mut self, process: u32) -> Self {
        self.others_peak_bytes += peak_bytes(&process.to_string());
        self
    }
}

impl From<Reading> for Answer {
    fn from(reading: Reading) -> Self {
        Self::Reading(reading)
    }
}

/// The whole of a program: reads the arguments, has the case done and prints its reading.
pub fn run(
    subject: &Subject,
    perform: impl FnOnce(&Arguments) -> Result<Answer, Problem>,
) -> ExitCode {
    match answer(subject, perform) {
        Ok(answer) => {
            if let Some(answer) = answer {
                println!("{answer}");
            }
            ExitCode::SUCCESS
        }
        Err(problem) => {
            eprintln!("{}: {problem}", subject.name);
            ExitCode::FAILURE
        }
    }
}

fn answer(
    subject: &Subject,
    perform: impl FnOnce(&Arguments) -> Result<Answer, Problem>,
) -> Result<Option<Value>, Problem> {
    let arguments = Arguments::of_process()?;
    if arguments.case == "describe" {
        return Ok(Some(describe(subject)));
    }
    if !subject.settings.iter().any(|setting| setting.name == arguments.setting) {
        return Err(format!("there is no setting {}", arguments.setting).into());
    }
    let mut line = json!({
        "subject": subject.name,
        "version": subject.version,
        "setting": arguments.setting,
    });
    match perform(&arguments)? {
        Answer::Nothing => return Ok(None),
        Answer::Cannot(reason) => line["cannot"] = reason.into(),
        Answer::Reading(reading) => {
            line["sqlite"] = reading.sqlite;
            line["pragmas"] = reading.connections.into();
            line["count"] = reading.count.into();
            line["seconds"] = reading.seconds.into();
            if let Some(latencies) = reading.latencies {
                line["latency_us"] = percentiles(latencies);
            }
            line["peak_bytes"] = (peak_bytes("self") + reading.others_peak_bytes).into();
            line["file_bytes"] = bytes_of_files(&arguments.directory)?.into();
            if let Some(note) = reading.note {
                line["note"] = note.into();
            }
        }
    }
    Ok(Some(line))
}

fn describe(subject: &Subject) -> Value {
    let describe_setting = |setting: &Setting| {
        json!({
            "name": setting.name,
            "survives_power_cut": setting.survives_power_cut,
            "note": setting.note,
        })
    };
    json!({
        "subject": subject.name,
        "version": subject.version,
        "settings": subject.settings.iter().map(describe_setting).collect::<Vec<_>>(),
        "acknowledges": subject.acknowledges,
        "deduplicates": subject.deduplicates,
        "joins_callers_transaction": subject.joins_callers_transaction,
        "order_within_key": subject.order_within_key,
        "language": "Rust",
    })
}

/// The nearest ranks, in microseconds.
fn percentiles(mut nanoseconds: Vec<u64>) -> Value {
    nanoseconds.sort_unstable();
    let rank = |part: f64| {
        let rank = (nanoseconds.len() as f64 * part).ceil() as usize;
        nanoseconds[rank.clamp(1, nanoseconds.len()) - 1] as f64 / 1_000.0
    };
    json!({ "p50": rank(0.5), "p99": rank(0.99), "p999": rank(0.999), "max": rank(1.0) })
}

/// The most memory that a process ever had, as Linux counts it; 0 where that is not told.
fn peak_bytes(process: &str) -> u64 {
    let Ok(status) = std::fs::read_to_string(format!("/proc/{process}/status")) else { return 0 };
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kibibytes = line.and_then(|line| line.trim().strip_suffix(" kB")?.trim().parse().ok());
    kibibytes.unwrap_or(0) * 1024
}

fn bytes_of_files(directory: &Path) -> Result<u64, Problem> {
    let mut bytes = 0;
    for entry in std::fs::read_dir(directory)? {
        let entry = entry?;
        bytes += match entry.metadata() {
            Ok(metadata) if metadata.is_dir() => bytes_of_files(&entry.path())?,
            Ok(metadata) => metadata.len(),
            // Another process that closes the file as the last one removes its log meanwhile.
            Err(error) if error.kind() == ErrorKind::NotFound => 0,
            Err(error) => return Err(error.into()),
        };
    }
    Ok(bytes)
}
