//! The rules of `layers.rs`, tested on small sources that keep or break them.

use super::{
    Source, clock_outside_its_home, imports, impurities, production, sql_outside_its_home,
};

fn file(path: &str, text: &str) -> Source {
    Source { path: path.to_owned(), text: text.to_owned() }
}

#[track_caller]
fn expect(rule: fn(&Source) -> Vec<String>, path: &str, text: &str, complaints: &[&str]) {
    assert_eq!(rule(&file(path, text)), complaints, "for {path}:\n{text}");
}

#[test]
fn an_upward_import_is_found_with_its_line() {
    expect(
        imports,
        "src/store/mod.rs",
        "//! Doc\n\nuse crate::error::Error;\nuse crate::outbox::Outbox;\n",
        &["src/store/mod.rs:4: `store` may not import `outbox`"],
    );
    expect(
        imports,
        "src/inbox/admit.rs",
        "fn f() -> u8 {\n    crate::relay::plan::width()\n}\n",
        &["src/inbox/admit.rs:2: `inbox` may not import `relay`"],
    );
}

#[test]
fn groups_are_taken_apart() {
    expect(
        imports,
        "src/relay/run.rs",
        "use crate::{\n    handoff::{self, Handoff},\n    inbox::{Inbox as Guest},\n    \
         store::{log, open::{a, b}},\n    outbox::*,\n};\n",
        &[
            "src/relay/run.rs:3: `relay` may not import `inbox`",
            "src/relay/run.rs:5: `relay` may not import `outbox`",
        ],
    );
}

#[test]
fn only_the_lowest_rooms_are_bound_to_less_than_their_layer() {
    expect(imports, "src/error.rs", "use crate::id::MessageId;", &[]);
    let complaint = ["src/error.rs:1: `error` may not import `limits`"];
    expect(imports, "src/error.rs", "use crate::limits::LONGEST;", &complaint);
    let complaint = ["src/id.rs:1: `id` may not import `error`"];
    expect(imports, "src/id.rs", "use crate::error::Error;", &complaint);
    expect(imports, "src/clock.rs", "use crate::{handoff::Handoff, id::MessageId};", &[]);
}

#[test]
fn transports_know_no_store_and_only_local_knows_the_inbox() {
    let path = "src/transport/local.rs";
    expect(imports, path, "use super::Transport; use crate::inbox::Inbox;", &[]);
    let complaint = ["src/transport/local.rs:1: `transport/local` may not import `store`"];
    expect(imports, path, "use crate::store::Store;", &complaint);
    let path = "src/transport/function.rs";
    let complaint =
        ["src/transport/function.rs:1: `transport/function` may not import `transport/local`"];
    expect(imports, path, "use super::local::Local;", &complaint);
    let path = "src/transport/mod.rs";
    expect(imports, path, "pub use self::local::Local;", &[]);
    let complaint = ["src/transport/mod.rs:1: `transport` may not import `inbox`"];
    expect(imports, path, "use crate::inbox::Inbox;", &complaint);
    let complaint = ["src/relay/run.rs:1: `relay` may not import `transport/local`"];
    expect(imports, "src/relay/run.rs", "use crate::transport::local::Local;", &complaint);
}

#[test]
fn super_stays_inside_its_room() {
    let path = "src/store/log/read.rs";
    expect(imports, path, "use super::super::schema;", &[]);
    let complaint = "src/store/log/read.rs:1: `super::super::super::relay::Plan` leaves `store`: \
                     name another room by `crate::`";
    expect(imports, path, "use super::super::super::relay::Plan;", &[complaint]);
    expect(imports, "src/outbox.rs", "mod inner { use super::Outbox; }", &[]);
    let complaint =
        "src/outbox.rs:1: `super::store::Store` leaves `outbox`: name another room by `crate::`";
    expect(imports, "src/outbox.rs", "mod a {} use super::store::Store;", &[complaint]);
}

#[test]
fn an_unknown_room_and_the_root_are_refused() {
    let complaint = ["src/news.rs:1: `news` has no rule in tests/layers.rs"];
    expect(imports, "src/news.rs", "", &complaint);
    let complaint =
        ["src/transport/pigeon.rs:1: `transport/pigeon` has no rule in tests/layers.rs"];
    expect(imports, "src/transport/pigeon.rs", "", &complaint);
    let complaint =
        ["src/wake.rs:1: `crate::Error` names no room: import it from the room that owns it"];
    expect(imports, "src/wake.rs", "use crate::Error;", &complaint);
}

#[test]
fn comments_strings_and_test_code_are_no_imports() {
    let text = "//! See crate::relay.\n/* crate::relay::run() /* nested */ crate::relay::run() */\n\
                const A: &str = \"crate::relay::run\";\n\
                const B: &str = r#\"\" crate::relay::run\"#;\n\
                const C: char = '\"'; const D: char = '\\'';\n\
                #[cfg(test)]\nuse crate::relay::Relay;\n\
                #[cfg(test)]\n#[allow(dead_code)]\nmod tests {\n    use crate::relay::Relay;\n}\n";
    expect(imports, "src/store/mod.rs", text, &[]);
    let complaint = ["src/store/mod.rs:14: `store` may not import `relay`"];
    let text = format!("{text}\nuse crate::relay::Relay;\n");
    expect(imports, "src/store/mod.rs", &text, &complaint);
}

#[test]
fn a_module_for_tests_is_no_production_file() {
    let kept = production(vec![
        file("src/relay/mod.rs", "mod plan;\n#[cfg(test)]\nmod tests;"),
        file("src/relay/plan.rs", "#[cfg(all(test, unix))]\npub(crate) mod cases;"),
        file("src/relay/plan/cases.rs", ""),
        file("src/relay/tests.rs", ""),
        file("src/relay/tests/deep.rs", ""),
        file("src/relay/testsuite.rs", ""),
    ]);
    let paths: Vec<&str> = kept.iter().map(|file| file.path.as_str()).collect();
    assert_eq!(paths, ["src/relay/mod.rs", "src/relay/plan.rs", "src/relay/testsuite.rs"]);
}

#[test]
fn sql_text_is_recognised() {
    let complaint = ["src/relay/run.rs:2: SQL text outside `store`"];
    for sql in [
        "\"SELECT 1\"",
        "\"\\n   insert into t values (1)\"",
        "r#\"DELETE FROM t\"#",
        "\"BEGIN IMMEDIATE\"",
        "\"COMMIT;\"",
        "\"pragma wal_checkpoint\"",
        "b\"ROLLBACK\"",
    ] {
        let text = format!("/// SELECT\nconst A: &str = {sql};");
        expect(sql_outside_its_home, "src/relay/run.rs", &text, &complaint);
        expect(sql_outside_its_home, "src/store/log.rs", &text, &[]);
    }
    for prose in ["\"begin failed\"", "\"selected\"", "\"the COMMIT failed\"", "\"\""] {
        let text = format!("const A: &str = {prose}; // \"SELECT 1\"");
        expect(sql_outside_its_home, "src/relay/run.rs", &text, &[]);
    }
}

#[test]
fn reading_the_clock_is_recognised() {
    let complaint = ["src/relay/run.rs:2: `std::time::Instant::now` outside `clock`"];
    let text = "use std::time::{Duration, Instant};\nfn f() { std::time::Instant::now(); }";
    expect(clock_outside_its_home, "src/relay/run.rs", text, &complaint);
    expect(clock_outside_its_home, "src/clock.rs", text, &[]);
    let complaint = ["src/id.rs:1: `std::thread::sleep` outside `clock`"];
    expect(clock_outside_its_home, "src/id.rs", "use std::thread::{sleep, spawn};", &complaint);
    let complaint = ["src/id.rs:1: `rand::random` outside `clock`"];
    expect(clock_outside_its_home, "src/id.rs", "fn f() { rand::random::<u8>() }", &complaint);
    expect(clock_outside_its_home, "src/id.rs", "fn operand() { strand::pull() }", &[]);
}

#[test]
fn impurity_is_recognised() {
    let path = "src/relay/lane/plan.rs";
    for (text, what) in [
        ("fn f(c: &rusqlite::Connection) {}", "rusqlite"),
        ("use std::{fmt, net::{IpAddr}};", "std::net::IpAddr"),
        ("use std::{thread};", "std::thread"),
        ("async fn f() { tokio::task::yield_now().await }", "tokio"),
        ("fn f(clock: &dyn Clock) { clock.now(); }", "now"),
    ] {
        let complaint = format!("{path}:1: `{what}` in a file that decides");
        expect(impurities, path, text, &[&complaint]);
        expect(impurities, "src/relay/run.rs", text, &[]);
    }
    expect(impurities, path, "/// Knows no tokio.\nfn f(now: u64) -> u64 { now + 1 }", &[]);
}
