//! What a run found, as it is written to `results.json`.

use crate::machine::Machine;
use crate::plan::Peer;
use crate::reading::Reading;
use serde::{Deserialize, Serialize};

#[derive(Debug, Default, Deserialize, Serialize)]
pub struct Results {
    pub quick: bool,
    pub machine: Machine,
    #[serde(default)]
    pub peers: Vec<Peer>,
    pub groups: Vec<GroupResult>,
    /// Per message, counted by callgrind; none where that is not installed.
    #[serde(default)]
    pub instructions: Vec<Instructions>,
    pub seconds: f64,
}

#[derive(Debug, Default, Deserialize, Serialize)]
pub struct GroupResult {
    pub name: String,
    pub title: String,
    pub note: String,
    pub columns: Vec<String>,
    pub sides: Vec<SideResult>,
}

#[derive(Debug, Default, Deserialize, Serialize)]
pub struct SideResult {
    pub name: String,
    pub beside: Option<String>,
    /// Of a peer: whether what it acknowledged survives a power cut.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub durable: Option<bool>,
    /// What was run, without paths.
    pub command: String,
    /// One for each round.
    pub readings: Vec<Reading>,
}

#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct Instructions {
    pub program: String,
    pub per_message: Option<f64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cannot: Option<String>,
}

impl Results {
    pub fn group(&self, name: &str) -> Option<&GroupResult> {
        self.groups.iter().find(|group| group.name == name)
    }
}

impl GroupResult {
    pub fn side(&self, name: &str) -> Option<&SideResult> {
        self.sides.iter().find(|side| side.name == name)
    }

    /// The figure of one side divided by that of another, round by round.
    pub fn ratios(&self, top: &SideResult, under: &SideResult, metric: &str) -> Vec<f64> {
        let rounds = top.readings.iter().zip(&under.readings);
        let ratio = |(top, under): (&Reading, &Reading)| {
            Some(value(top, metric)? / value(under, metric).filter(|under| *under > 0.0)?)
        };
        rounds.filter_map(ratio).collect()
    }
}

impl SideResult {
    pub fn values(&self, metric: &str) -> Vec<f64> {
        self.readings.iter().filter_map(|reading| value(reading, metric)).collect()
    }

    pub fn cannot(&self) -> Option<&str> {
        self.readings.iter().find_map(|reading| reading.cannot.as_deref())
    }
}

const MEBIBYTE: f64 = 1_048_576.0;

/// A figure of a reading, by its name.
pub fn value(reading: &Reading, metric: &str) -> Option<f64> {
    if reading.cannot.is_some() {
        return None;
    }
    let latency = reading.latency_us;
    match metric {
        "rate" => Some(reading.rate()).filter(|rate| *rate > 0.0),
        "seconds" => Some(reading.seconds),
        "p50" => latency.map(|latency| latency.p50),
        "p99" => latency.map(|latency| latency.p99),
        "p999" => latency.map(|latency| latency.p999),
        "max" => latency.map(|latency| latency.max),
        "peak" => Some(reading.peak_bytes as f64 / MEBIBYTE),
        "file" => Some(reading.file_bytes as f64 / MEBIBYTE),
        other => reading.more.get(other)?.as_f64(),
    }
}

/// The middle one, and the smallest and the largest.
#[derive(Clone, Copy, Debug)]
pub struct Spread {
    pub median: f64,
    pub least: f64,
    pub most: f64,
}

pub fn spread(mut values: Vec<f64>) -> Option<Spread> {
    values.sort_by(f64::total_cmp);
    let (least, most) = (*values.first()?, *values.last()?);
    let half = values.len() / 2;
    let median = if values.len() % 2 == 1 {
        values[half]
    } else {
        f64::midpoint(values[half - 1], values[half])
    };
    Some(Spread { median, least, most })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_is_in_the_middle() {
        let of = |values: &[f64]| spread(values.to_vec()).map(|spread| spread.median);
        assert_eq!(of(&[3.0, 1.0, 2.0]), Some(2.0));
        assert_eq!(of(&[4.0, 1.0, 2.0, 3.0]), Some(2.5));
        assert_eq!(of(&[]), None);
    }
}
