//! What the parts of a run counted, and all of them together: `crash-report.json` in the target
//! folder, one file for each part in `crash-report.d/`, and the table in `docs/crash-report.md`.

use crate::page::{self, Part};
use crate::support::{grouped, is_long};
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;
use std::fs;
use std::io::{Write, stderr};
use std::path::PathBuf;
use std::sync::Mutex;
use surehand::testing::{Counts, Verdict};

/// What the parts of this process counted so far.
static PARTS: Mutex<BTreeMap<String, Value>> = Mutex::new(BTreeMap::new());

/// What is added up, and its name on the page. Of the kinds of faults the most that one part tried
/// is told.
const SUMS: [(&str, &str); 8] = [
    ("states", "states"),
    ("recovery_states", "of them in recovery"),
    ("faults", "faults"),
    ("network_seeds", "seeds"),
    ("network_events", "network events"),
    ("kills", "real kills"),
    ("violations", "violations"),
    ("sampled_cuts", "power cuts of which a sample was tried"),
];

/// What a test tried, whether everything held or not.
pub(crate) fn counts(verdict: &Verdict) -> Counts {
    match verdict {
        Verdict::Survived(certificate) | Verdict::Lost(_, certificate) => certificate.counts,
        _ => Counts::default(),
    }
}

/// Notes what a test tried, and goes on only when everything held.
#[track_caller]
pub(crate) fn survived(part: &str, verdict: Verdict) -> Counts {
    write(part, &serde_json::to_value(counts(&verdict)).unwrap());
    verdict.assert_survived()
}

/// Writes one part's counts, and those of all parts together.
pub(crate) fn write(part: &str, value: &Value) {
    let mut parts = PARTS.lock().unwrap();
    parts.insert(part.into(), value.clone());
    let folder = target();
    let each = folder.join("crash-report.d");
    fs::create_dir_all(&each).unwrap();
    fs::write(each.join(format!("{part}.json")), format!("{value}\n")).unwrap();
    let total = total(&parts);
    let text = serde_json::to_string_pretty(&total).unwrap();
    fs::write(folder.join("crash-report.json"), format!("{text}\n")).unwrap();
    if page::are_written() && is_long() && is_whole(&total) {
        Part::of("crash-report.md", "crash report").write(&table(&parts, &total));
    }
    // Around what the test harness keeps to itself.
    let _ = writeln!(stderr(), "crash report, with {part}: {}", line(&total));
}

fn total(parts: &BTreeMap<String, Value>) -> Value {
    let mut total = Map::new();
    for (name, _) in SUMS {
        let sum: u64 = parts.values().filter_map(|part| part[name].as_u64()).sum();
        total.insert(name.into(), sum.into());
    }
    let kinds = parts.values().filter_map(|part| part["fault_kinds"].as_u64()).max();
    total.insert("fault_kinds".into(), kinds.unwrap_or(0).into());
    let mutants = parts.values().find_map(|part| part.get("mutants").cloned());
    let none = || json!({ "total": 0, "killed": 0 });
    total.insert("mutants".into(), mutants.unwrap_or_else(none));
    total.insert("parts".into(), parts.keys().cloned().collect::<Vec<_>>().into());
    total.insert("sqlite".into(), surehand::rusqlite::version().into());
    total.insert("surehand".into(), env!("CARGO_PKG_VERSION").into());
    Value::Object(total)
}

fn line(total: &Value) -> String {
    let number = |name: &str| total[name].as_u64().unwrap_or(0);
    format!(
        "{} states, {} of them in recovery, {} faults of {} kinds, {} seeds and {} events of the \
         network, {} kills, {} of {} mistakes found out, {} violations",
        number("states"),
        number("recovery_states"),
        number("faults"),
        number("fault_kinds"),
        number("network_seeds"),
        number("network_events"),
        number("kills"),
        total["mutants"]["killed"],
        total["mutants"]["total"],
        number("violations"),
    )
}

/// Whether every part has its say in it.
fn is_whole(total: &Value) -> bool {
    let has = |name: &str| total[name].as_u64() > Some(0);
    ["states", "faults", "network_seeds", "kills"].into_iter().all(has)
        && total["mutants"]["total"].as_u64() > Some(0)
}

/// The page's table: a row for each part, and one for all.
fn table(parts: &BTreeMap<String, Value>, total: &Value) -> String {
    let titles: Vec<&str> = SUMS.iter().map(|(_, title)| *title).collect();
    let mut table =
        format!("\n| part | {} |\n|---{}|\n", titles.join(" | "), "|--:".repeat(SUMS.len()));
    let all = parts.iter().map(|(name, part)| (name.as_str(), part));
    for (name, part) in all.chain([("**all**", total)]) {
        let cells = SUMS.map(|(sum, _)| part[sum].as_u64().map_or(String::new(), grouped));
        table += &format!("| {name} | {} |\n", cells.join(" | "));
    }
    table += &format!(
        "\n{} kinds of faults; {} of {} mistakes found out; SQLite {}, surehand {}.\n\n",
        total["fault_kinds"],
        total["mutants"]["killed"],
        total["mutants"]["total"],
        surehand::rusqlite::version(),
        env!("CARGO_PKG_VERSION"),
    );
    table
}

/// `<target>` of `<target>/debug/deps/crash-0123456789abcdef`, or the same with release.
fn target() -> PathBuf {
    let program = std::env::current_exe().unwrap();
    program.ancestors().nth(3).expect("a test lies in a target folder").to_path_buf()
}
