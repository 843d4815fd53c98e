//! Ours beside other queues.

use super::Scale;
use super::build::{Fill, Group, Program, Side, Step, group, ours};
use serde::{Deserialize, Serialize};

/// One that was built, as its program describes it.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct Peer {
    pub name: String,
    /// A path of this machine: not in the results.
    #[serde(default, skip_serializing)]
    pub command: Vec<String>,
    /// Why it is not there.
    #[serde(default)]
    pub absent: Option<String>,
    #[serde(default)]
    pub described: Option<Described>,
}

#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct Described {
    pub subject: String,
    pub version: String,
    pub settings: Vec<Setting>,
    #[serde(flatten)]
    pub more: serde_json::Map<String, serde_json::Value>,
}

#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct Setting {
    pub name: String,
    pub survives_power_cut: bool,
    #[serde(default)]
    pub note: String,
}

/// Groups of this name are compared with peers.
pub const PREFIX: &str = "peers: ";
/// The side of ours in each.
pub const OURS: &str = "ours";

/// What a row asks of everybody: the same case, with the same arguments.
struct Row {
    name: &'static str,
    title: &'static str,
    case: &'static str,
    arguments: String,
    before: Vec<Step>,
    columns: &'static [&'static str],
    /// Also with the settings that lose messages when the power is cut.
    all_settings: bool,
}

pub fn groups(scale: Scale, found: &[Peer]) -> Vec<Group> {
    if found.iter().all(|peer| peer.described.is_none()) {
        return Vec::new();
    }
    rows(scale).iter().map(|row| of_row(scale, row, found)).collect()
}

const RATE: &[&str] = &["rate", "peak"];
const LATENCY: &[&str] = &["p50", "p99", "p999"];

fn rows(scale: Scale) -> Vec<Row> {
    let seconds = scale.pick("1", "0.4");
    let row = |name, title, case, more: &str| Row {
        name,
        title,
        case,
        arguments: format!("{more} --seconds {seconds}").trim().into(),
        before: Vec::new(),
        columns: RATE,
        all_settings: false,
    };
    let enqueue =
        |name, title, more: &str| row(name, title, "enqueue", &format!("{more} --count 100000000"));
    let handle = |name, title, count| Row {
        before: vec![Step { case: "fill", count }],
        columns: &["rate", "peak", "file"],
        ..row(name, title, "handle", "")
    };
    let latency = |name, title, case| Row {
        arguments: format!("--count {} --seconds {}", scale.pick(100, 40), scale.pick(2, 1)),
        columns: LATENCY,
        ..row(name, title, case, "")
    };
    let few = vec![
        Row {
            all_settings: !scale.quick,
            ..enqueue("enqueue one", "Enqueue, one a commit", "--batch 1")
        },
        enqueue("enqueue by 50", "Enqueue by 50 callers", "--callers 50 --batch 1"),
        Row {
            all_settings: !scale.quick,
            ..handle("handle 10000", "Claim, handle and acknowledge, of 10,000", 10_000)
        },
        latency("latency", "From a commit to its handler, in one process", "latency"),
    ];
    if scale.quick {
        return few;
    }
    let mut rows = few;
    rows.extend([
        enqueue("enqueue batches", "Enqueue, 100 a commit", "--batch 100"),
        handle("handle 1000", "Claim, handle and acknowledge, of 1,000", 1_000),
        handle("handle 100000", "Claim, handle and acknowledge, of 100,000", 100_000),
        handle("handle 300000", "Claim, handle and acknowledge, of 300,000", 300_000),
        handle("handle 1000000", "Claim, handle and acknowledge, of 1,000,000", 1_000_000),
        latency(
            "latency elsewhere",
            "From a commit in another process to its handler",
            "latency-elsewhere",
        ),
        Row {
            before: vec![
                Step { case: "finished", count: 1_000_000 },
                Step { case: "fill", count: 100_000 },
            ],
            ..handle("handle after", "The same of 100,000, after 1,000,000 others", 0)
        },
    ]);
    rows
}

fn of_row(scale: Scale, row: &Row, found: &[Peer]) -> Group {
    let mut sides = vec![of_ours(row)];
    for peer in found {
        let settings = peer.described.iter().flat_map(|described| &described.settings);
        let settings = settings.filter(|setting| setting.survives_power_cut || row.all_settings);
        sides.extend(settings.map(|setting| of_peer(scale, row, peer, setting)));
    }
    group(&format!("{PREFIX}{}", row.name), row.title, row.columns, sides)
        .note("Ratios are a peer's figure by ours.")
}

fn of_ours(row: &Row) -> Side {
    let (case, way) = match row.case {
        "latency-elsewhere" => ("latency", " --way elsewhere"),
        case => (case, ""),
    };
    let mut side = ours("", case, &format!("{}{way}", row.arguments)).about(about(row));
    if let Program::Own { arguments, .. } = &side.program {
        let program =
            Program::Own { case: "fill", arguments: arguments[arguments.len() - 2..].into() };
        side.fill = fill(OURS, program, row, 300);
    }
    side
}

fn of_peer(scale: Scale, row: &Row, peer: &Peer, setting: &Setting) -> Side {
    let name = format!("{}, {}", peer.name, setting.name);
    let asked = vec!["--setting".to_owned(), setting.name.clone()];
    let mut arguments: Vec<_> = row.arguments.split_whitespace().map(Into::into).collect();
    arguments.extend(asked.clone());
    let command = peer.command.clone();
    let filling = Program::Peer { command: command.clone(), case: "fill", arguments: asked };
    Side {
        program: Program::Peer { command, case: row.case, arguments },
        fill: fill(&name, filling, row, scale.pick(40, 15)),
        beside: Some(OURS.into()),
        durable: Some(setting.survives_power_cut),
        about: about(row),
        name,
    }
}

fn fill(who: &str, program: Program, row: &Row, timeout: u64) -> Option<Fill> {
    let fill = Fill { who: who.into(), program, steps: row.before.clone(), timeout };
    (!fill.steps.is_empty()).then_some(fill)
}

fn about(row: &Row) -> f64 {
    let filled = row.before.iter().map(|step| step.count as f64).sum::<f64>();
    1.3 + filled / 1e6
}
