//! The handbook's table has every event that the code may send, and no other.

use std::path::Path;

/// What an operator may be called for: everything above `debug`.
const LOUD: [&str; 3] = ["error", "warn", "info"];

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Level and text of each line of the table of events.
fn table() -> Vec<(String, String)> {
    let handbook = std::fs::read_to_string(root().join("docs/operations.md")).unwrap();
    let (_, events) = handbook.split_once("## Events").expect("a chapter about events");
    let (events, _) = events.split_once("\n## ").expect("a chapter after it");
    let rows = events.lines().filter(|line| LOUD.iter().any(|loud| line.contains(&row(loud))));
    rows.flat_map(|line| {
        let cells: Vec<&str> = line.split('|').map(str::trim).collect();
        // Several texts of one row stand in backticks of their own.
        let texts = cells[2].split('`').skip(1).step_by(2);
        texts.map(|text| (cells[1].to_owned(), text.to_owned())).collect::<Vec<_>>()
    })
    .collect()
}

fn row(level: &str) -> String {
    format!("| {level} |")
}

/// Level and text of each event in the source.
fn source() -> Vec<(String, String)> {
    let mut folders = vec![root().join("src")];
    let mut found = Vec::new();
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else {
                let text = std::fs::read_to_string(&path).unwrap();
                LOUD.iter().for_each(|level| found.extend(events(&text, level)));
            }
        }
    }
    found
}

/// The last literal of a call is its text.
fn events(text: &str, level: &str) -> Vec<(String, String)> {
    let call = format!("tracing::{level}!(");
    let calls = text.split(&call).skip(1).map(arguments);
    calls
        .map(|call| {
            let quoted = call.split('"').skip(1).step_by(2);
            (level.to_owned(), quoted.last().expect("an event has a text").to_owned())
        })
        .collect()
}

/// Up to the parenthesis that closes the call.
fn arguments(text: &str) -> &str {
    let mut depth = 1;
    let end = text.find(|letter| {
        depth += i32::from(letter == '(') - i32::from(letter == ')');
        depth == 0
    });
    &text[..end.expect("a call ends")]
}

/// Dots stand for what differs from event to event, or was said in the same row before.
fn says(row: &str, event: &str) -> bool {
    row.split("...").all(|part| event.contains(part.trim()))
}

#[test]
fn every_event_of_the_source_is_in_the_handbook_with_its_level() {
    let table = table();
    for (level, event) in source() {
        let listed = table.iter().any(|(row, text)| *row == level && says(text, &event));
        assert!(listed, "the handbook does not list {level} {event:?}");
    }
}

#[test]
fn every_event_of_the_handbook_is_in_the_source() {
    let (table, source) = (table(), source());
    assert!(table.len() > 10, "the table was not found: {table:?}");
    for (level, text) in &table {
        let sent = source.iter().any(|(of, event)| of == level && says(text, event));
        assert!(sent, "nothing sends {level} {text:?}");
    }
}
