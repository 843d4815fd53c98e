//! Which figures are drawn.

use super::svg::{Axis, Chart, Line};
use crate::results::{GroupResult, Results, SideResult, spread};
use serde_json::Value;

const RATE: &str = "messages per second";

/// The name of each plot's file; a plot without a figure is left out.
pub fn plots(results: &Results) -> Vec<(&'static str, Chart)> {
    let plots = [
        ("batch", batch(results)),
        ("backlog", backlog(results)),
        ("history", history(results)),
        ("files", files(results)),
        ("latency", latency(results)),
    ];
    let has_points = |chart: &Chart| chart.lines.iter().any(|line| !line.points.is_empty());
    plots.into_iter().filter(|(_, chart)| has_points(chart)).collect()
}

fn logarithmic(title: &'static str) -> Axis {
    Axis { title, logarithmic: true }
}

fn linear(title: &'static str) -> Axis {
    Axis { title, logarithmic: false }
}

/// Who has such sides, by the number that their names end with.
fn by_number(group: Option<&GroupResult>, who: &str) -> Option<Line> {
    let sides = group?.sides.iter();
    let point = |side: &SideResult| {
        let number = side.name.strip_prefix(who)?.trim().parse().ok()?;
        Some((number, spread(side.values("rate"))?.median))
    };
    let points: Vec<_> = sides.filter_map(point).collect();
    (!points.is_empty()).then(|| Line { name: name(who), points })
}

fn name(who: &str) -> String {
    if who == "ours" { "surehand".into() } else { who.into() }
}

fn batch(results: &Results) -> Chart {
    let group = results.group("end-to-end");
    let lines = ["ours", "floor"].into_iter().filter_map(|who| by_number(group, who));
    Chart {
        title: "End to end, by batch",
        x: logarithmic("messages in a batch"),
        y: logarithmic(RATE),
        lines: lines.collect(),
    }
}

/// With the peers that are as durable, where they were measured.
fn backlog(results: &Results) -> Chart {
    let group = results.group("backlog");
    let mut lines: Vec<_> =
        ["ours", "floor"].into_iter().filter_map(|who| by_number(group, who)).collect();
    let handling = |group: &&GroupResult| group.name.starts_with("peers: handle 1");
    let mut peers: Vec<&str> = Vec::new();
    for group in results.groups.iter().filter(handling) {
        for side in group.sides.iter().filter(|side| side.durable == Some(true)) {
            if !peers.contains(&&*side.name) {
                peers.push(&side.name);
            }
        }
    }
    lines.extend(peers.into_iter().map(|peer| of_peer(results, peer)));
    lines.retain(|line| !line.points.is_empty());
    Chart {
        title: "Draining, by backlog",
        x: logarithmic("messages in the log at the beginning"),
        y: logarithmic(RATE),
        lines,
    }
}

fn of_peer(results: &Results, peer: &str) -> Line {
    let point = |group: &GroupResult| {
        let backlog: f64 = group.name.strip_prefix("peers: handle ")?.parse().ok()?;
        Some((backlog, spread(group.side(peer)?.values("rate"))?.median))
    };
    let mut points: Vec<_> = results.groups.iter().filter_map(point).collect();
    points.sort_by(|one, other| one.0.total_cmp(&other.0));
    Line { name: peer.into(), points }
}

/// The windows of the steady run: their rate.
fn history(results: &Results) -> Chart {
    let lines = vec![column(results, 1, 1.0, "ours")];
    Chart { title: "A steady run", x: linear(HANDLED), y: linear(RATE), lines }
}

fn files(results: &Results) -> Chart {
    let mebibytes = |number, name| column(results, number, f64::from(1 << 20), name);
    let lines = vec![
        mebibytes(2, "producer's database"),
        mebibytes(3, "consumer's database"),
        mebibytes(4, "producer's WAL"),
        mebibytes(5, "consumer's WAL"),
    ];
    let y = linear("MiB");
    Chart { title: "Files during a steady run", x: linear(HANDLED), y, lines }
}

const HANDLED: &str = "messages handled before";

fn column(results: &Results, number: usize, unit: f64, title: &str) -> Line {
    let reading = results.group("history").and_then(|group| group.sides.first()?.readings.first());
    let windows = reading.and_then(|reading| reading.more.get("windows")?.as_array());
    let point = |window: &Value| {
        let handled = window.get(0)?.as_f64()?;
        Some((handled, window.get(number)?.as_f64()? / unit))
    };
    let points = windows.into_iter().flatten().filter_map(point).collect();
    Line { name: name(title), points }
}

fn latency(results: &Results) -> Chart {
    let sides = results.group("latency").into_iter().flat_map(|group| &group.sides);
    let line = |side: &SideResult| {
        // The round in the middle.
        let mut readings: Vec<_> = side
            .readings
            .iter()
            .filter_map(|reading| Some((reading.latency_us?.p50, reading)))
            .collect();
        readings.sort_by(|one, other| one.0.total_cmp(&other.0));
        let curve = readings.get(readings.len() / 2)?.1.more.get("curve_us")?.as_array()?;
        let point = |(percent, value): (usize, &Value)| Some((percent as f64, value.as_f64()?));
        let points = curve.iter().enumerate().filter_map(point).collect();
        Some(Line { name: side.name.clone(), points })
    };
    Chart {
        title: "From a commit to its handler",
        x: linear("percent of the messages"),
        y: logarithmic("at most so many microseconds"),
        lines: sides.filter_map(line).collect(),
    }
}
