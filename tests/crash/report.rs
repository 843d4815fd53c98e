//! What a run counted, for whoever puts the runs of all parts together.

use serde_json::Value;

/// Writes one part's counts to `crash-report.d/<part>.json` in the target folder.
pub(crate) fn write(part: &str, value: &Value) {
    // <target>/debug/deps/crash-0123456789abcdef, or the same with release.
    let program = std::env::current_exe().unwrap();
    let target = program.ancestors().nth(3).expect("a test lies in a target folder");
    let folder = target.join("crash-report.d");
    std::fs::create_dir_all(&folder).unwrap();
    std::fs::write(folder.join(format!("{part}.json")), format!("{value}\n")).unwrap();
}
