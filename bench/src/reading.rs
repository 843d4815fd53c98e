//! One measurement, as a line of JSON: what every measuring program prints last.

use serde::{Deserialize, Serialize};
use std::time::Duration;

/// What was measured, and under which settings.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
pub struct Reading {
    pub subject: String,
    #[serde(default)]
    pub version: String,
    #[serde(default)]
    pub setting: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sqlite: Option<String>,
    /// As read back from each connection, after it was opened.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub pragmas: Vec<Pragmas>,
    /// What was done, in what time.
    #[serde(default)]
    pub count: u64,
    #[serde(default)]
    pub seconds: f64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub latency_us: Option<Latency>,
    /// The most memory that was in use (resident), of the process that measured.
    #[serde(default)]
    pub peak_bytes: u64,
    /// All files of its directory, when it was over.
    #[serde(default)]
    pub file_bytes: u64,
    /// Figures of this measurement alone.
    #[serde(default, skip_serializing_if = "serde_json::Map::is_empty")]
    pub more: serde_json::Map<String, serde_json::Value>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
    /// Why the subject has no figure here.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cannot: Option<String>,
}

/// The settings of one connection.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Eq, Serialize)]
pub struct Pragmas {
    pub connection: String,
    pub journal_mode: Option<String>,
    pub synchronous: Option<i64>,
    #[serde(default)]
    pub cache_size: Option<i64>,
    #[serde(default)]
    pub page_size: Option<i64>,
    #[serde(default)]
    pub wal_autocheckpoint: Option<i64>,
}

/// Percentiles, in microseconds.
#[derive(Clone, Copy, Debug, Default, Deserialize, Serialize)]
pub struct Latency {
    pub p50: f64,
    pub p99: f64,
    pub p999: f64,
    pub max: f64,
}

impl Reading {
    pub fn of(subject: &str) -> Self {
        Self { subject: subject.into(), ..Self::default() }
    }

    /// A figure of this measurement alone.
    pub fn set(&mut self, name: &str, value: impl Into<serde_json::Value>) {
        self.more.insert(name.into(), value.into());
    }

    /// Percentiles, and the whole curve for the plot.
    pub fn latencies(&mut self, mut times: Vec<Duration>) {
        times.sort_unstable();
        let micros = |part: f64| {
            let index = (times.len() as f64 * part) as usize;
            let time = times.get(index.min(times.len().saturating_sub(1)));
            time.map_or(0.0, |time| (time.as_secs_f64() * 1e7).round() / 10.0)
        };
        let curve: Vec<_> =
            (0..=100).map(|percent| micros(f64::from(percent) / 100.0).into()).collect();
        let latency =
            Latency { p50: micros(0.5), p99: micros(0.99), p999: micros(0.999), max: micros(1.0) };
        self.latency_us = Some(latency);
        self.set("curve_us", serde_json::Value::Array(curve));
    }

    pub fn rate(&self) -> f64 {
        if self.seconds > 0.0 { self.count as f64 / self.seconds } else { 0.0 }
    }
}
