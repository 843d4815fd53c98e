//! The bars: what the figures have to be.

use super::peers::{OURS, PREFIX};
use crate::results::{GroupResult, Results};

/// A figure and its bound.
pub struct Bar {
    pub what: String,
    pub figure: Figure,
    pub bound: Bound,
    /// Why a peer may be ahead here: said, and no miss.
    pub conceded: Option<&'static str>,
}

pub enum Figure {
    /// The median over the rounds of one side's figure divided by another's.
    Ratio { group: String, top: String, under: String, metric: &'static str },
    /// The median of a side's figure.
    Median { group: String, side: String, metric: &'static str },
    /// The largest of a side's figures.
    Worst { group: String, side: String, metric: &'static str },
    /// Instructions for each message, by those of the baseline.
    Instructions(&'static str),
}

#[derive(Clone, Copy, Debug)]
pub enum Bound {
    AtLeast(f64),
    AtMost(f64),
}

use Bound::{AtLeast, AtMost};

/// Figures in which a peer may be ahead: how its bar begins, and why.
const CONCEDED: [(&str, &str); 6] = [
    (
        "peers: enqueue one: rate by plainjob, full",
        "each waits for one sync of two pages, which varies more",
    ),
    ("peers: latency: p50 by nats, always", AT_ONCE),
    ("peers: latency: p99 by nats, always", AT_ONCE),
    ("peers: latency-elsewhere: p50 by nats, always", AT_ONCE),
    ("peers: latency-elsewhere: p99 by nats, always", AT_ONCE),
    (
        "peers: handle after: files by nats, always",
        "both keep the size of what was pending at once, and its record of a message is smaller",
    ),
];
const AT_ONCE: &str =
    "it sends first and notes later what it sent; the relay's note is synced first";

/// The programs whose instructions are counted.
pub const COUNTED: [&str; 2] = ["count-enqueue", "count-handle"];

/// The fixed ones, and one for each peer in each row that was compared.
pub fn bars(results: &Results) -> Vec<Bar> {
    let mut bars = rates();
    bars.extend(latencies());
    bars.extend(bounds());
    bars.extend(COUNTED.map(|program| Bar {
        what: format!("instructions of {program}, by the baseline"),
        figure: Figure::Instructions(program),
        bound: AtMost(1.10),
        conceded: None,
    }));
    bars.extend(peers(results));
    bars
}

fn rates() -> Vec<Bar> {
    vec![
        rate("end to end, batch 1024", "end-to-end", ("ours 1024", "floor 1024"), 0.70),
        rate("end to end, batch 64", "end-to-end", ("ours 64", "floor 64"), 0.60),
        rate(
            "enqueue by 50 callers, by raw inserts",
            "enqueue-async",
            ("ours 50 callers", "floor 25 a commit"),
            0.60,
        ),
        rate(
            "enqueue by 500 callers, by raw inserts",
            "enqueue-async",
            ("ours 500 callers", "floor 64 a commit"),
            0.60,
        ),
        rate("draining 3,000,000, by 10,000", "backlog", ("ours 3000000", "ours 10000"), 0.85),
        rate(
            "enqueue with 3,000,000 pending, by none",
            "pending",
            ("ours 3000000 pending", "ours empty"),
            0.85,
        ),
        rate("1,000 keys, by none", "trouble", ("ours 1,000 keys", "ours plain"), 0.70),
        rate("beside a parked key", "trouble", ("ours a parked key", "ours plain"), 0.70),
        rate("beside 10,000 waiting", "trouble", ("ours 10,000 waiting", "ours plain"), 0.70),
    ]
}

fn latencies() -> Vec<Bar> {
    let calls = |callers| {
        let side = format!("ours {callers} callers");
        median(
            &format!("p99 of a call of {callers}, by its fair time"),
            ("enqueue-async", &side),
            "p99_by_fair_time",
            AtMost(4.0),
        )
    };
    let elsewhere = ("latency", "ours elsewhere");
    let beside = ("host", "ours beside");
    vec![
        calls(50),
        calls(500),
        ratio(
            "commit to handler in process, p50 by a sync",
            "latency",
            ("ours in process", "floor sync"),
            "p50",
            AtMost(2.5),
        ),
        median("commit elsewhere to handler, p50 in us", elsewhere, "p50", AtMost(1_500.0)),
        median("commit elsewhere to handler, p99 in us", elsewhere, "p99", AtMost(5_000.0)),
        worst("missed wake-ups of 10,000", ("wake-ups", "ours elsewhere"), "missed", 0.0),
        median("the host's p99 beside a relay, by alone", beside, "p99 by alone", AtMost(5.0)),
        median(
            "p99.9 of commits under load, us",
            ("wal", "ours 2 readers"),
            "p999",
            AtMost(50_000.0),
        ),
    ]
}

fn bounds() -> Vec<Bar> {
    let inside = ("enqueue-inside", "ours plain");
    // A full run and a quick one have different sizes.
    let after = ("history", "ours 10000000");
    let mut bars = vec![
        median("one enqueue, in raw inserts", inside, "inserts", AtMost(1.8)),
        median("rate after 10,000,000, by the first", after, "last by first", AtLeast(0.9)),
        worst("growth of the databases over 10,000,000", after, "growth", 1.1),
        worst("the WAL's size over 10,000,000, MiB", after, "WAL, MiB", 64.0),
        ratio(
            "time of 10 subscriptions, by one",
            "subscriptions",
            ("ours 10", "ours 1"),
            "seconds",
            AtMost(10.0),
        ),
        median("% of a core while idle", ("idle", "ours"), "% of a core", AtMost(0.5)),
        worst("the WAL's size, MiB", ("wal", "ours 2 readers"), "WAL, MiB", 64.0),
    ];
    let memory = [
        ("backlog", "ours 10000"),
        ("backlog", "ours 3000000"),
        ("whole", "ours 3000000"),
        ("history", "ours 10000000"),
        ("outage", "ours 1000000"),
    ];
    bars.extend(memory.map(|(group, side)| {
        worst(&format!("memory in MiB, {group} {side}"), (group, side), "peak", 64.0)
    }));
    bars
}

/// Ahead of every peer that promises as much, in every row that it can do.
fn peers(results: &Results) -> Vec<Bar> {
    let mut bars = Vec::new();
    for group in results.groups.iter().filter(|group| group.name.starts_with(PREFIX)) {
        let equals = group.sides.iter().filter(|side| side.durable == Some(true));
        for peer in equals.filter(|peer| peer.cannot().is_none()) {
            let ahead = ahead(group, &peer.name).into_iter();
            bars.extend(ahead.map(|bar| Bar { conceded: conceded(&bar.what), ..bar }));
        }
    }
    if bars.is_empty() {
        bars.push(rate("ahead of the peers", &format!("{PREFIX}enqueue one"), (OURS, ""), 1.0));
    }
    bars
}

fn conceded(what: &str) -> Option<&'static str> {
    let mut found = CONCEDED.iter().filter(|(begin, _)| what.starts_with(begin));
    found.next().map(|(_, why)| *why)
}

/// A hundred messages have no p99.9.
fn ahead(group: &GroupResult, peer: &str) -> Vec<Bar> {
    let name = &*group.name;
    let less = |what: &str, metric| {
        let what = format!("{name}: {what} by {peer}'s, turned over");
        ratio(&what, name, (peer, OURS), metric, AtLeast(1.0))
    };
    if !group.columns.iter().any(|column| column == "rate") {
        return vec![less("p50", "p50"), less("p99", "p99")];
    }
    let least = if name.ends_with(" 300000") { 5.0 } else { 1.0 };
    let mut bars = vec![rate(&format!("{name}: rate by {peer}'s"), name, (OURS, peer), least)];
    if name.ends_with(" 1000000") {
        bars.push(less("memory", "peak"));
    }
    if name.ends_with(" after") {
        bars.push(less("files", "file"));
    }
    bars
}

fn ratio(
    what: &str,
    group: &str,
    (top, under): (&str, &str),
    metric: &'static str,
    bound: Bound,
) -> Bar {
    let figure =
        Figure::Ratio { group: group.into(), top: top.into(), under: under.into(), metric };
    Bar { what: what.into(), figure, bound, conceded: None }
}

fn rate(what: &str, group: &str, sides: (&str, &str), least: f64) -> Bar {
    ratio(what, group, sides, "rate", AtLeast(least))
}

fn median(what: &str, (group, side): (&str, &str), metric: &'static str, bound: Bound) -> Bar {
    let figure = Figure::Median { group: group.into(), side: side.into(), metric };
    Bar { what: what.into(), figure, bound, conceded: None }
}

fn worst(what: &str, (group, side): (&str, &str), metric: &'static str, most: f64) -> Bar {
    let figure = Figure::Worst { group: group.into(), side: side.into(), metric };
    Bar { what: what.into(), figure, bound: AtMost(most), conceded: None }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::{Scale, plan};

    #[test]
    fn every_bar_is_on_a_side_of_the_plan() {
        let groups = plan(Scale { quick: false }, &[]);
        let is_there = |name: &str, side: &str| {
            let mut found = groups.iter().filter(|group| group.name == name);
            found.any(|group| group.sides.iter().any(|found| found.name == side))
        };
        for bar in rates().iter().chain(&latencies()).chain(&bounds()) {
            match &bar.figure {
                Figure::Ratio { group, top, under, .. } => {
                    assert!(is_there(group, top) && is_there(group, under), "{}", bar.what);
                }
                Figure::Median { group, side, .. } | Figure::Worst { group, side, .. } => {
                    assert!(is_there(group, side), "{}", bar.what);
                }
                Figure::Instructions(_) => {}
            }
        }
    }
}
