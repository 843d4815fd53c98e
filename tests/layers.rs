//! Who may import whom, and what is deliberately absent where.
//!
//! The table below is the architecture. A room is a file or a folder directly under `src/` (in
//! `transport` each file is one), and it names other rooms by `crate::room::...` only. A room
//! without a line in the table fails, and so does a line without a room.
//! Code under `#[cfg(test)]` is free of these rules.

#[path = "layers/cases.rs"]
mod cases;
#[path = "layers/paths.rs"]
mod paths;
mod source;

use paths::{Mention, declared_tests, paths, without_tests};
use source::{Kind, Source, files, tokens};

const L0: &[&str] = &["error", "id", "limits", "watermark"];
const L1: &[&str] = &[
    "clock",
    "message",
    "retry",
    "failure",
    "handoff",
    "topics",
    "transaction",
    "wake",
    "database",
];
const EVERYTHING: &[&str] = &["*"];

/// Each room, and what it may import beside itself.
const RULES: &[(&str, &[&[&str]])] = &[
    ("crash_point", &[&["testing"]]),
    ("mistake", &[]),
    ("id", &[]),
    ("error", &[&["id"]]),
    ("limits", &[L0]),
    ("watermark", &[L0]),
    ("clock", &[L0, L1]),
    ("message", &[L0, L1]),
    ("retry", &[L0, L1]),
    ("failure", &[L0, L1]),
    ("handoff", &[L0, L1]),
    ("topics", &[L0, L1]),
    ("transaction", &[L0, L1]),
    ("wake", &[L0, L1]),
    ("database", &[L0, L1]),
    ("store", &[L0, L1]),
    ("outbox", &[L0, L1, &["store"]]),
    ("operator", &[L0, L1, &["store"]]),
    ("inbox", &[L0, L1, &["store"]]),
    ("transport", &[L0, L1]),
    ("transport/settler", &[L0, L1, &["transport"]]),
    ("transport/function", &[L0, L1, &["transport"]]),
    ("transport/http", &[L0, L1, &["http", "transport"]]),
    ("transport/local", &[L0, L1, &["transport", "inbox"]]),
    ("http", &[L0, L1]),
    ("idempotency", &[L0, L1, &["store", "http"]]),
    ("receiver", &[L0, L1, &["http", "inbox", "transport", "transport/local"]]),
    ("relay", &[L0, L1, &["store", "transport"]]),
    ("testing", &[EVERYTHING]),
    ("lib", &[EVERYTHING]),
];

/// The only places with SQL text; the other one is `migrations/`, which holds no Rust.
const SQL_HOMES: &[&str] = &["src/store/", "src/store.rs"];

/// The only file that reads the time, sleeps or draws a random number.
const CLOCK_HOMES: &[&str] = &["src/clock.rs"];

/// Beginnings of the paths of files that decide and do nothing else.
const PURE: &[&str] = &["src/relay/lane", "src/retry.rs", "src/watermark.rs", "src/inbox/admit.rs"];

#[test]
fn every_import_follows_the_table() {
    check(imports);
}

#[test]
fn every_line_of_the_tables_has_its_file() {
    let paths: Vec<String> = files("src", &["rs"]).into_iter().map(|file| file.path).collect();
    let rooms: Vec<String> = paths.iter().map(|path| room_of_file(path)).collect();
    let mut stale: Vec<&str> = RULES.iter().map(|(room, _)| *room).collect();
    stale.retain(|room| !rooms.iter().any(|found| found == room));
    let gone = |prefix: &&&str| !paths.iter().any(|path| path.starts_with(**prefix));
    stale.extend(PURE.iter().filter(gone));
    assert!(stale.is_empty(), "tests/layers.rs speaks of what is not in src: {stale:?}");
}

#[test]
fn sql_text_is_in_the_store_only() {
    check(sql_outside_its_home);
}

#[test]
fn time_and_chance_come_from_the_clock_only() {
    check(clock_outside_its_home);
}

#[test]
fn deciding_files_do_no_input_or_output() {
    check(impurities);
}

/// Runs one rule over every production file of the crate.
#[track_caller]
fn check(rule: fn(&Source) -> Vec<String>) {
    let sources = production(files("src", &["rs"]));
    assert!(!sources.is_empty(), "no Rust file was found under src");
    let found: Vec<String> = sources.iter().flat_map(rule).collect();
    assert!(found.is_empty(), "\n{}\n", found.join("\n"));
}

// ---- The rules -------------------------------------------------------------------------------

fn imports(file: &Source) -> Vec<String> {
    let room = room_of_file(&file.path);
    let Some(allowed) = allowed_in(&room) else {
        return vec![format!("{}:1: `{room}` has no rule in tests/layers.rs", file.path)];
    };
    if allowed == EVERYTHING {
        return Vec::new();
    }
    let module = module_of(&file.path);
    let mut found = Vec::new();
    for mention in paths(&without_tests(&tokens(&file.text))) {
        let Some(target) = absolute(&module, &mention) else { continue };
        let (first, written) = (mention.segments[0].as_str(), mention.segments.join("::"));
        let imported = room_of_target(&target);
        let own_child = first == "self" && imported.starts_with(&format!("{room}/"));
        let complaint = if first != "crate" && target.first() != module.first() {
            format!("`{written}` leaves `{room}`: name another room by `crate::`")
        } else if imported == "lib" || allowed_in(&imported).is_none() {
            format!("`{written}` names no room: import it from the room that owns it")
        } else if imported != room && !own_child && !allowed.contains(&imported.as_str()) {
            format!("`{room}` may not import `{imported}`")
        } else {
            continue;
        };
        found.push(format!("{}:{}: {complaint}", file.path, mention.line));
    }
    found
}

fn allowed_in(room: &str) -> Option<Vec<&'static str>> {
    let (_, allowed) = RULES.iter().find(|(name, _)| *name == room)?;
    Some(allowed.iter().flat_map(|group| group.iter().copied()).collect())
}

fn sql_outside_its_home(file: &Source) -> Vec<String> {
    if SQL_HOMES.iter().any(|home| file.path.starts_with(home)) {
        return Vec::new();
    }
    let code = without_tests(&tokens(&file.text));
    let texts = code.iter().filter(|token| token.kind == Kind::Text);
    texts
        .filter(|text| begins_like_sql(&text.text))
        .map(|text| format!("{}:{}: SQL text outside `store`", file.path, text.line))
        .collect()
}

/// In capitals the first word of a statement is enough; otherwise a second one has to confirm it,
/// because an error may well begin with "begin" or "update".
fn begins_like_sql(text: &str) -> bool {
    const FIRST: &str = "SELECT INSERT UPDATE DELETE REPLACE WITH CREATE ALTER DROP PRAGMA BEGIN \
                         COMMIT ROLLBACK SAVEPOINT RELEASE VACUUM ATTACH DETACH";
    const SECOND: &str = "* FROM INTO OR TABLE INDEX UNIQUE TRIGGER VIEW TEMP IMMEDIATE \
                          EXCLUSIVE DEFERRED TRANSACTION RECURSIVE";
    let listed = |list: &str, word: &str| list.split(' ').any(|known| known == word);
    let mut words = text.split(|c: char| c.is_whitespace() || c == ';').filter(|w| !w.is_empty());
    let first = words.next().unwrap_or_default();
    let capital = first.to_ascii_uppercase();
    if !listed(FIRST, &capital) {
        return false;
    }
    let second = words.next().unwrap_or_default().to_ascii_uppercase();
    first == capital || capital == "PRAGMA" || listed(SECOND, &second)
}

fn clock_outside_its_home(file: &Source) -> Vec<String> {
    const CALLS: &[[&str; 2]] = &[
        ["SystemTime", "now"],
        ["Instant", "now"],
        ["Uuid", "now_v7"],
        ["Uuid", "new_v4"],
        ["thread", "sleep"],
    ];
    const CHANCE: &[&str] = &["rand", "fastrand", "getrandom"];
    if CLOCK_HOMES.contains(&file.path.as_str()) {
        return Vec::new();
    }
    let mut found = Vec::new();
    for path in paths(&without_tests(&tokens(&file.text))) {
        let call = path.segments.windows(2).any(|two| CALLS.iter().any(|call| two == call));
        if call || CHANCE.contains(&path.segments[0].as_str()) {
            let written = path.segments.join("::");
            found.push(format!("{}:{}: `{written}` outside `clock`", file.path, path.line));
        }
    }
    found
}

fn impurities(file: &Source) -> Vec<String> {
    const WORDS: &[&str] = &["rusqlite", "tokio", "SystemTime", "Instant"];
    const ROOMS_OF_STD: &[&str] = &["fs", "net", "thread"];
    if !PURE.iter().any(|prefix| file.path.starts_with(prefix)) {
        return Vec::new();
    }
    let code = without_tests(&tokens(&file.text));
    let mut found = Vec::new();
    for (at, token) in code.iter().enumerate() {
        let called = at > 0 && code[at - 1].is_mark(".") && token.is_word("now");
        if called || WORDS.iter().any(|word| token.is_word(word)) {
            found.push((token.line, token.text.clone()));
        }
    }
    for path in paths(&code) {
        let second = path.segments.get(1).map_or("", String::as_str);
        if path.segments[0] == "std" && ROOMS_OF_STD.contains(&second) {
            found.push((path.line, path.segments.join("::")));
        }
    }
    let complain = |(line, what)| format!("{}:{line}: `{what}` in a file that decides", file.path);
    found.into_iter().map(complain).collect()
}

// ---- Rooms and paths -------------------------------------------------------------------------

/// The module path of a file: `src/store/open.rs` is `["store", "open"]`, `src/lib.rs` is `[]`.
fn module_of(path: &str) -> Vec<String> {
    let inner = path.trim_start_matches("src/").trim_end_matches(".rs");
    let mut module: Vec<String> = inner.split('/').map(str::to_owned).collect();
    if matches!(module.last().map(String::as_str), Some("mod" | "lib")) {
        module.pop();
    }
    module
}

/// The room a file lies in. In `transport` each file beside `mod.rs` is one.
fn room_of_file(path: &str) -> String {
    match module_of(path).as_slice() {
        [] => "lib".to_owned(),
        [first, second, ..] if first == "transport" => format!("{first}/{second}"),
        [first, ..] => first.clone(),
    }
}

/// The room that a path from the crate's root leads to, or nothing at the root itself.
fn room_of_target(path: &[String]) -> String {
    let deep = path.iter().take(2).map(String::as_str).collect::<Vec<_>>().join("/");
    let first = path.first().cloned().unwrap_or_default();
    if allowed_in(&deep).is_some() { deep } else { first }
}

/// The mention seen from the crate's root, if it begins with `crate`, `self` or `super`.
fn absolute(module: &[String], mention: &Mention) -> Option<Vec<String>> {
    let mut base: Vec<String> = module.iter().chain(&mention.inline).cloned().collect();
    let mut rest = mention.segments.as_slice();
    if rest[0] == "crate" {
        base.clear();
        rest = &rest[1..];
    } else if rest[0] != "self" && rest[0] != "super" {
        return None;
    }
    for segment in rest {
        match segment.as_str() {
            "super" => drop(base.pop()),
            "self" | "*" => {}
            name => base.push(name.to_owned()),
        }
    }
    Some(base)
}

/// The files that are compiled without `cfg(test)`, that is, without the modules (and all that lies
/// below them) which another file declares under it.
fn production(sources: Vec<Source>) -> Vec<Source> {
    let mut tests = Vec::new();
    for file in &sources {
        let folder = format!("src/{}", module_of(&file.path).join("/"));
        let folder = folder.trim_end_matches('/');
        tests.extend(
            declared_tests(&tokens(&file.text)).iter().map(|name| format!("{folder}/{name}")),
        );
    }
    let is_test = |path: &str| {
        tests.iter().any(|test| {
            path.strip_prefix(test.as_str())
                .is_some_and(|rest| rest == ".rs" || rest.starts_with('/'))
        })
    };
    sources.into_iter().filter(|file| !is_test(&file.path)).collect()
}
