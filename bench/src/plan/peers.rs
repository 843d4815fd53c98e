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
    name: String,
    title: String,
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

fn rows(scale: Scale) -> Vec<Row> {
    let mut rows = few(scale);
    if !scale.quick {
        rows.extend(many(scale));
    }
    rows
}

/// What a quick run has time for.
fn few(scale: Scale) -> Vec<Row> {
    let all_settings = !scale.quick;
    vec![
        Row { all_settings, ..enqueue(scale, "one", "Enqueue, one a commit", "--batch 1") },
        Row {
            all_settings,
            ..enqueue(scale, "by 50", "Enqueue by 50 callers", "--callers 50 --batch 1")
        },
        Row { all_settings, ..handle(scale, 10_000) },
        latency(scale, "latency", "From a commit to its handler, in one process"),
    ]
}

fn many(scale: Scale) -> Vec<Row> {
    let batches = enqueue(scale, "batches", "Enqueue, 100 a commit", "--batch 100");
    let mut rows = vec![Row { all_settings: true, ..batches }];
    rows.extend([1_000, 100_000].map(|count| handle(scale, count)));
    rows.push(Row { all_settings: true, ..handle(scale, 300_000) });
    // Filling a million takes some peers long: only in the settings that are compared.
    rows.push(handle(scale, 1_000_000));
    let title = "From a commit in another process to its handler";
    rows.push(latency(scale, "latency-elsewhere", title));
    let finished = Step { case: "finished", count: 1_000_000 };
    let mut after = handle(scale, 100_000);
    after.name = "handle after".into();
    after.title = "The same of 100,000, after 1,000,000 others".into();
    after.before.insert(0, finished);
    rows.push(after);
    rows
}

fn seconds(scale: Scale) -> &'static str {
    scale.pick("1", "0.4")
}

fn enqueue(scale: Scale, name: &str, title: &str, how: &str) -> Row {
    Row {
        name: format!("enqueue {name}"),
        title: title.into(),
        case: "enqueue",
        arguments: format!("{how} --count 100000000 --seconds {}", seconds(scale)),
        before: Vec::new(),
        columns: &["rate", "peak"],
        all_settings: false,
    }
}

fn handle(scale: Scale, count: u64) -> Row {
    Row {
        name: format!("handle {count}"),
        title: format!("Claim, handle and acknowledge, of {count}"),
        case: "handle",
        arguments: format!("--seconds {}", seconds(scale)),
        before: vec![Step { case: "fill", count }],
        columns: &["rate", "peak", "file"],
        all_settings: false,
    }
}

fn latency(scale: Scale, case: &'static str, title: &str) -> Row {
    Row {
        name: case.into(),
        title: title.into(),
        case,
        arguments: format!("--count {} --seconds {}", scale.pick(100, 40), scale.pick(2, 1)),
        before: Vec::new(),
        columns: &["p50", "p99", "p999"],
        all_settings: false,
    }
}

fn of_row(scale: Scale, row: &Row, found: &[Peer]) -> Group {
    let mut sides = vec![of_ours(row)];
    for peer in found {
        let settings = peer.described.iter().flat_map(|described| &described.settings);
        let settings = settings.filter(|setting| setting.survives_power_cut || row.all_settings);
        sides.extend(settings.map(|setting| of_peer(scale, row, peer, setting)));
    }
    group(&format!("{PREFIX}{}", row.name), &row.title, row.columns, sides)
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
    // Handling a million takes longer than filling.
    let timeout = if row.before.len() > 1 { 75 } else { scale.pick(40, 15) };
    let filling = Program::Peer { command: command.clone(), case: "fill", arguments: asked };
    Side {
        program: Program::Peer { command, case: row.case, arguments },
        fill: fill(&name, filling, row, timeout),
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
