//! What the parts of a run counted, and all of them together: `crash-report.json` in the target
//! folder, and one file for each part in `crash-report.d/`.

use serde_json::{Map, Value, json};
use std::collections::BTreeMap;
use std::fs;
use std::io::{Write, stderr};
use std::path::PathBuf;
use std::sync::Mutex;
use surehand::testing::Counts;

/// What the parts of this process counted so far.
static PARTS: Mutex<BTreeMap<String, Value>> = Mutex::new(BTreeMap::new());

/// What is added up. Of the kinds of faults the most that one part tried is told.
const SUMS: [&str; 8] = [
    "states",
    "recovery_states",
    "faults",
    "network_seeds",
    "network_events",
    "kills",
    "violations",
    "sampled_cuts",
];

/// Notes what a test tried and survived.
pub(crate) fn survived(part: &str, counts: &Counts) {
    write(part, &serde_json::to_value(counts).unwrap());
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
    // Around what the test harness keeps to itself.
    let _ = writeln!(stderr(), "crash report, with {part}: {}", line(&total));
}

fn total(parts: &BTreeMap<String, Value>) -> Value {
    let mut total = Map::new();
    for name in SUMS {
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

/// `<target>` of `<target>/debug/deps/crash-0123456789abcdef`, or the same with release.
fn target() -> PathBuf {
    let program = std::env::current_exe().unwrap();
    program.ancestors().nth(3).expect("a test lies in a target folder").to_path_buf()
}
