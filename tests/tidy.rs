//! Size, words and letters: the rules of the house that need no compiler.
//!
//! Nothing here reads meaning. A file over its limit is split where its concepts part, a long
//! function becomes two with names of their own; the limits are not raised for one case.

mod source;

use source::{Kind, Source, files, tokens};

const LONGEST_FILE: usize = 500;
const NOTABLE_FILE: usize = 350;
const LONGEST_MEDIAN: usize = 220;
const LONGEST_FUNCTION: usize = 90;
const WIDEST_LINE: usize = 100;

/// Where Rust is.
const RUST_FOLDERS: &[&str] =
    &["src", "tests", "examples", "bench/src", "bench/benches", "bench/peers", "bench/slow_disk"];

/// Where other texts are, and what their names end in.
const TEXT_FOLDERS: &[&str] = &["src", "tests", "examples", "migrations", "docs", ".ci", "bench"];
const TEXT_ENDINGS: &[&str] = &["rs", "md", "sql", "toml", "sh", "yml", "yaml", ""];

/// The only files that may be `unsafe`: what SQLite calls, with pointers, and what stands in for a
/// slow disk.
const UNSAFE_HOMES: &[&str] = &[
    "src/testing/memory.rs",
    "src/testing/vfs.rs",
    "tests/crash/kernel/shim.rs",
    "bench/slow_disk/src/lib.rs",
];

#[test]
fn files_are_short() {
    let rust = rust();
    for file in rust.iter().filter(|file| lines(file) > NOTABLE_FILE) {
        println!("warning: {} has {} lines", file.path, lines(file));
    }
    check(&rust, long_file);
}

#[test]
fn half_of_the_library_is_in_small_files() {
    let lengths: Vec<usize> = files("src", &["rs"]).iter().map(lines).collect();
    let median = median(lengths);
    assert!(median <= LONGEST_MEDIAN, "the median file of src has {median} lines");
}

#[test]
fn functions_are_short() {
    check(&rust(), long_functions);
}

#[test]
fn lines_are_narrow_and_ascii() {
    check(&rust(), wide_or_foreign_lines);
}

#[test]
fn unsafe_code_is_in_its_homes_only() {
    check(&rust(), unsafe_outside_its_home);
}

#[test]
fn nothing_unfinished_is_left_and_nothing_impossible_is_promised() {
    check(&texts(), banned_words);
}

#[test]
fn no_file_knows_the_machine_it_was_written_on() {
    check(&texts(), machine_paths);
}

#[test]
fn every_test_and_example_opens_with_what_it_is() {
    let mut openings = files("tests", &["rs"]);
    openings.extend(files("examples", &["rs"]));
    check(&openings, missing_opening);
}

fn rust() -> Vec<Source> {
    RUST_FOLDERS.iter().flat_map(|folder| files(folder, &["rs"])).collect()
}

fn texts() -> Vec<Source> {
    let mut texts = files("", &["rs", "md", "toml"]);
    texts.extend(TEXT_FOLDERS.iter().flat_map(|folder| files(folder, TEXT_ENDINGS)));
    texts
}

#[track_caller]
fn check(sources: &[Source], rule: fn(&Source) -> Vec<String>) {
    assert!(!sources.is_empty(), "no file was found");
    let found: Vec<String> = sources.iter().flat_map(rule).collect();
    assert!(found.is_empty(), "\n{}\n", found.join("\n"));
}

// ---- The rules -------------------------------------------------------------------------------

fn lines(file: &Source) -> usize {
    file.text.lines().count()
}

fn long_file(file: &Source) -> Vec<String> {
    let lines = lines(file);
    if lines <= LONGEST_FILE {
        return Vec::new();
    }
    vec![format!("{}: {lines} lines, the limit is {LONGEST_FILE}", file.path)]
}

/// The lower median, so that a single file is its own.
fn median(mut lengths: Vec<usize>) -> usize {
    lengths.sort_unstable();
    lengths.get(lengths.len().saturating_sub(1) / 2).copied().unwrap_or(0)
}

/// Counts from the line of `fn` to that of the closing brace; a closure is part of its function.
fn long_functions(file: &Source) -> Vec<String> {
    let code = tokens(&file.text);
    let mut found = Vec::new();
    for at in 0..code.len().saturating_sub(1) {
        if !code[at].is_word("fn") || code[at + 1].kind != Kind::Word {
            continue;
        }
        let mut depth = 0_i32;
        for token in &code[at..] {
            let opens = ["{", "(", "["].iter().any(|mark| token.is_mark(mark));
            let closes = ["}", ")", "]"].iter().any(|mark| token.is_mark(mark));
            depth += i32::from(opens) - i32::from(closes);
            if depth == 0 && token.is_mark(";") {
                break;
            }
            if depth == 0 && token.is_mark("}") {
                let length = token.line - code[at].line + 1;
                if length > LONGEST_FUNCTION {
                    let (name, line) = (&code[at + 1].text, code[at].line);
                    found.push(format!(
                        "{}:{line}: `{name}` has {length} lines, the limit is {LONGEST_FUNCTION}",
                        file.path
                    ));
                }
                break;
            }
        }
    }
    found
}

fn unsafe_outside_its_home(file: &Source) -> Vec<String> {
    if UNSAFE_HOMES.contains(&file.path.as_str()) {
        return Vec::new();
    }
    let code = tokens(&file.text);
    let found = code.iter().filter(|token| token.is_word("unsafe"));
    found.map(|token| format!("{}:{}: `unsafe`", file.path, token.line)).collect()
}

fn wide_or_foreign_lines(file: &Source) -> Vec<String> {
    let mut found = Vec::new();
    for (number, line) in numbered(file) {
        let columns = line.chars().count();
        if columns > WIDEST_LINE {
            found.push(format!("{}:{number}: {columns} columns", file.path));
        }
        if let Some(letter) = line.chars().find(|letter| !letter.is_ascii()) {
            found.push(format!("{}:{number}: U+{:04X} is not ASCII", file.path, letter as u32));
        }
    }
    found
}

fn banned_words(file: &Source) -> Vec<String> {
    // Put together from halves, because this file is read as well.
    const UNFINISHED: &[&str] = &[
        concat!("to", "do!"),
        concat!("unimple", "mented!"),
        concat!("FIX", "ME"),
        concat!("XX", "X"),
        concat!("db", "g!"),
    ];
    const IMPOSSIBLE: &[&str] =
        &[concat!("exactly-once ", "delivery"), concat!("exactly once ", "delivery")];
    const DENIALS: &[&str] = &["never", "not", "no", "cannot"];
    let mut found = Vec::new();
    for (number, line) in numbered(file) {
        for word in UNFINISHED.iter().filter(|word| has_word(line, word)) {
            found.push(format!("{}:{number}: `{word}`", file.path));
        }
        let lower = line.to_ascii_lowercase();
        let denied = DENIALS.iter().any(|denial| has_word(&lower, denial));
        for words in IMPOSSIBLE.iter().filter(|words| !denied && lower.contains(**words)) {
            found.push(format!("{}:{number}: `{words}` is not what we promise", file.path));
        }
    }
    found
}

/// Whether `word` stands in `line` on its own; a word that ends in `!` may be followed by anything.
fn has_word(line: &str, word: &str) -> bool {
    let in_word = |c: char| c.is_alphanumeric() || c == '_';
    line.match_indices(word).any(|(at, _)| {
        let after = &line[at + word.len()..];
        !line[..at].ends_with(in_word) && (word.ends_with('!') || !after.starts_with(in_word))
    })
}

fn machine_paths(file: &Source) -> Vec<String> {
    const ROOTS: &[&str] = &["home", "root", "work", "Users", "tmp", "mnt"];
    const BEFORE: &[char] = &['"', '\'', '`', '(', '[', '<', '=', ':', ',', ' ', '\t'];
    let mut found = Vec::new();
    for (number, line) in numbered(file) {
        for root in ROOTS {
            let path = format!("/{root}/");
            let absolute = line.match_indices(&path).any(|(at, _)| {
                let scheme = line[..at].ends_with("file://");
                at == 0 || scheme || line[..at].ends_with(BEFORE)
            });
            if absolute || line.contains(&format!(":\\{root}\\")) {
                found.push(format!("{}:{number}: a path of one machine, below {root}", file.path));
            }
        }
    }
    found
}

fn missing_opening(file: &Source) -> Vec<String> {
    if file.text.starts_with("//!") {
        return Vec::new();
    }
    vec![format!("{}:1: opens without `//!`", file.path)]
}

fn numbered(file: &Source) -> impl Iterator<Item = (usize, &str)> {
    file.text.lines().enumerate().map(|(index, line)| (index + 1, line))
}

// ---- The rules themselves are tested ---------------------------------------------------------

#[track_caller]
fn expect(rule: fn(&Source) -> Vec<String>, text: &str, complaints: &[&str]) {
    let file = Source { path: "a.rs".to_owned(), text: text.to_owned() };
    assert_eq!(rule(&file), complaints, "for:\n{text}");
}

#[test]
fn a_file_is_long_from_one_line_over_the_limit() {
    expect(long_file, &"\n".repeat(LONGEST_FILE), &[]);
    let complaint = ["a.rs: 501 lines, the limit is 500"];
    expect(long_file, &"\n".repeat(LONGEST_FILE + 1), &complaint);
}

#[test]
fn the_median_is_the_lower_one() {
    assert_eq!(median(vec![]), 0);
    assert_eq!(median(vec![7]), 7);
    assert_eq!(median(vec![900, 10, 20]), 20);
    assert_eq!(median(vec![900, 10, 20, 30]), 20);
}

#[test]
fn a_long_function_is_found_by_name_and_line() {
    let body = |lines: usize| "    f(\"}\"); // }\n".repeat(lines);
    let signature = "fn outer(a: [u8; 2], f: fn(&str)) -> u8\nwhere\n    u8: Copy,\n{\n";
    let short = format!("trait T {{ fn g(&self); }}\n{signature}{}}}\n", body(85));
    expect(long_functions, &short, &[]);
    let long = format!("trait T {{ fn g(&self); }}\n{signature}{}}}\n", body(86));
    let complaint = ["a.rs:2: `outer` has 91 lines, the limit is 90"];
    expect(long_functions, &long, &complaint);
}

#[test]
fn width_and_letters_are_seen() {
    expect(wide_or_foreign_lines, &"x".repeat(100), &[]);
    expect(wide_or_foreign_lines, &format!("\n{}", "x".repeat(101)), &["a.rs:2: 101 columns"]);
    expect(wide_or_foreign_lines, "a \u{2192} b", &["a.rs:1: U+2192 is not ASCII"]);
}

#[test]
fn unsafe_code_is_seen_and_words_about_it_are_not() {
    expect(unsafe_outside_its_home, "// unsafe\n#![deny(unsafe_code)] \"unsafe\"", &[]);
    expect(unsafe_outside_its_home, "\nunsafe { f() }", &["a.rs:2: `unsafe`"]);
}

#[test]
fn unfinished_words_are_seen_and_only_whole_ones() {
    let words =
        [concat!("to", "do!"), concat!("FIX", "ME"), concat!("XX", "X"), concat!("db", "g!")];
    for word in words {
        let complaint = format!("a.rs:2: `{word}`");
        expect(banned_words, &format!("fine\n    {word}(1) end\n"), &[&complaint]);
        expect(banned_words, &format!("A{word}"), &[]);
    }
}

#[test]
fn the_impossible_promise_may_only_be_denied() {
    let promise = concat!("Exactly-once ", "delivery");
    let complaint = format!("a.rs:1: `{}` is not what we promise", promise.to_ascii_lowercase());
    expect(banned_words, &format!("{promise}, another notion"), &[&complaint]);
    expect(banned_words, &format!("There is no {promise}."), &[]);
    expect(banned_words, &format!("{promise} is never claimed."), &[]);
    expect(banned_words, &format!("It is not {promise}."), &[]);
}

#[test]
fn paths_of_a_machine_are_seen_and_other_paths_are_not() {
    for root in ["home", "root", "tmp"] {
        let complaint = format!("a.rs:1: a path of one machine, below {root}");
        expect(machine_paths, &format!("open(\"/{root}/me/shop.db\")"), &[&complaint]);
        expect(machine_paths, &format!("file:///{root}/me/shop.db"), &[&complaint]);
        expect(machine_paths, &format!("https://example.com/{root}/me, src/{root}/mod.rs"), &[]);
    }
}

#[test]
fn an_opening_is_the_first_line() {
    expect(missing_opening, "//! What it is.\n", &[]);
    expect(missing_opening, "\n//! What it is.\n", &["a.rs:1: opens without `//!`"]);
}
