//! What was measured: the peers as they describe themselves, and the settings that were read back.

use crate::plan::Peer;
use crate::reading::{Pragmas, Reading};
use crate::results::Results;
use std::fmt::Write;

pub fn subjects(results: &Results) -> String {
    peers(results) + &settings(results)
}

fn peers(results: &Results) -> String {
    if results.peers.is_empty() {
        return "## Peers\n\nNone were measured.\n\n".into();
    }
    let mut text = String::from(
        "## Peers\n\nOnly settings that survive a power cut are held against the bars.\n\n\
         | peer | setting | survives a power cut | acknowledges | deduplicates | joins the \
         caller's transaction | order within a key | |\n|---|---|---|---|---|---|---|---|\n",
    );
    for peer in &results.peers {
        text += &lines(peer);
    }
    text + "\n"
}

fn lines(peer: &Peer) -> String {
    let Some(described) = &peer.described else {
        let why = peer.absent.as_deref().unwrap_or("it does not say what it is");
        return format!("| {} | | | | | | | absent: {why} |\n", peer.name);
    };
    let can = |name: &str| match described.more.get(name).and_then(serde_json::Value::as_bool) {
        Some(true) => "yes",
        Some(false) => "no",
        None => "",
    };
    let can =
        ["acknowledges", "deduplicates", "joins_callers_transaction", "order_within_key"].map(can);
    let line = |setting: &crate::plan::Setting| {
        let survives = if setting.survives_power_cut { "yes" } else { "no" };
        let (name, version) = (&described.subject, &described.version);
        let can = can.join(" | ");
        format!("| {name} {version} | {} | {survives} | {can} | {} |\n", setting.name, setting.note)
    };
    described.settings.iter().map(line).collect()
}

/// Each connection once, as it was read back.
fn settings(results: &Results) -> String {
    let mut text = String::from(
        "## Settings\n\nAs read back from the connections; nothing where a connection cannot be \
         reached.\n\n| subject | connection | SQLite | journal_mode | synchronous | cache_size | \
         page_size | wal_autocheckpoint |\n|---|---|---|---|---|---|---|---|\n",
    );
    let sides = results.groups.iter().flat_map(|group| &group.sides);
    let mut seen: Vec<String> = Vec::new();
    for reading in sides.flat_map(|side| &side.readings) {
        for pragmas in &reading.pragmas {
            let line = setting(reading, pragmas);
            if !seen.contains(&line) {
                let _ = writeln!(text, "{line}");
                seen.push(line);
            }
        }
    }
    text
}

fn setting(reading: &Reading, pragmas: &Pragmas) -> String {
    let number = |value: Option<i64>| value.map(|value| value.to_string()).unwrap_or_default();
    format!(
        "| {} | {} | {} | {} | {} | {} | {} | {} |",
        format!("{} {}", reading.subject, reading.setting).trim(),
        pragmas.connection,
        reading.sqlite.as_deref().unwrap_or_default(),
        pragmas.journal_mode.as_deref().unwrap_or_default(),
        number(pragmas.synchronous),
        number(pragmas.cache_size),
        number(pragmas.page_size),
        number(pragmas.wal_autocheckpoint),
    )
}
