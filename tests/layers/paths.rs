//! The paths that Rust tokens mention, and which of the tokens are test code.
//!
//! Used by `layers.rs` alone. It resolves nothing: a path is handed back as it is written.

use crate::source::{Kind, Token};

/// A path as it is written, taken out of its group.
pub(crate) struct Mention {
    pub(crate) segments: Vec<String>,
    /// The modules that the file itself opens around the mention.
    pub(crate) inline: Vec<String>,
    pub(crate) line: usize,
}

/// Every path of at least two segments, and every path of a `use`.
pub(crate) fn paths(code: &[Token]) -> Vec<Mention> {
    let mut found = Vec::new();
    let mut inline: Vec<(String, usize)> = Vec::new();
    let mut depth = 0_usize;
    let mut at = 0;
    while at < code.len() {
        let is = |ahead: usize, mark: &str| is_mark(code, at + ahead, mark);
        let begun = found.len();
        if code[at].is_word("mod") && is(2, "{") {
            depth += 1;
            inline.push((code[at + 1].text.clone(), depth));
            at += 3;
        } else if code[at].is_word("use") && !is(1, "<") {
            let first = if is(1, "::") { at + 2 } else { at + 1 };
            at = tree(code, first, &[], &mut found);
        } else if code[at].kind == Kind::Word && is(1, "::") && begins_path(code, at) {
            at = tree(code, at, &[], &mut found);
        } else {
            if is(0, "{") {
                depth += 1;
            } else if is(0, "}") {
                depth = depth.saturating_sub(1);
                inline.retain(|(_, opened)| *opened <= depth);
            }
            at += 1;
        }
        for mention in &mut found[begun..] {
            mention.inline = inline.iter().map(|(name, _)| name.clone()).collect();
        }
    }
    found
}

fn is_mark(code: &[Token], at: usize, mark: &str) -> bool {
    code.get(at).is_some_and(|token| token.is_mark(mark))
}

/// False in the middle of a path, as at `new` in `Vec::<T>::new`.
fn begins_path(code: &[Token], at: usize) -> bool {
    let continues = at >= 2
        && code[at - 1].is_mark("::")
        && (code[at - 2].kind == Kind::Word || code[at - 2].is_mark(">"));
    !continues
}

/// Reads a path or a group of paths that begins at `at`; the answer is the place behind it.
fn tree(code: &[Token], mut at: usize, prefix: &[String], found: &mut Vec<Mention>) -> usize {
    let mut segments = prefix.to_vec();
    let mut line = 0;
    while let Some(token) = code.get(at) {
        if token.is_mark("{") {
            return group(code, at + 1, &segments, found);
        }
        if token.kind != Kind::Word && !token.is_mark("*") {
            break;
        }
        segments.push(token.text.clone());
        line = token.line;
        at += 1;
        if !is_mark(code, at, "::") {
            break;
        }
        at += 1;
    }
    if segments.len() > prefix.len() {
        found.push(Mention { segments, inline: Vec::new(), line });
    }
    if code.get(at).is_some_and(|token| token.is_word("as")) { at + 2 } else { at }
}

/// The same for what stands between braces.
fn group(code: &[Token], mut at: usize, prefix: &[String], found: &mut Vec<Mention>) -> usize {
    while at < code.len() && !code[at].is_mark("}") {
        let after = tree(code, at, prefix, found);
        let stuck = after == at;
        at = if stuck || is_mark(code, after, ",") { after + 1 } else { after };
    }
    at + 1
}

/// The tokens without each item, field or statement that stands under `#[cfg(test)]` or
/// `#[cfg(all(test, ...))]`.
pub(crate) fn without_tests(code: &[Token]) -> Vec<Token> {
    let mut kept = Vec::new();
    let mut at = 0;
    while at < code.len() {
        if is_test_attribute(code, at) {
            at = end_of_item(code, after_attributes(code, at));
        } else {
            kept.push(code[at].clone());
            at += 1;
        }
    }
    kept
}

/// The modules in files of their own that are declared under such an attribute.
pub(crate) fn declared_tests(code: &[Token]) -> Vec<String> {
    let mut names = Vec::new();
    for at in (0..code.len()).filter(|&at| is_test_attribute(code, at)) {
        let item = after_attributes(code, at);
        let end = end_of_item(code, item);
        if let [.., keyword, name, last] = &code[item..end]
            && keyword.is_word("mod")
            && last.is_mark(";")
        {
            names.push(name.text.clone());
        }
    }
    names
}

fn is_test_attribute(code: &[Token], at: usize) -> bool {
    let reads = |words: &[&str]| {
        words.iter().enumerate().all(|(ahead, word)| {
            code.get(at + ahead).is_some_and(|token| token.is_word(word) || token.is_mark(word))
        })
    };
    reads(&["#", "[", "cfg", "(", "test", ")"])
        || reads(&["#", "[", "cfg", "(", "all", "(", "test", ","])
}

/// The first token that belongs to no attribute, from an attribute on.
fn after_attributes(code: &[Token], mut at: usize) -> usize {
    while is_mark(code, at, "#") && is_mark(code, at + 1, "[") {
        let mut depth = 0;
        while at < code.len() {
            depth += i32::from(code[at].is_mark("[")) - i32::from(code[at].is_mark("]"));
            at += 1;
            if depth == 0 && code[at - 1].is_mark("]") {
                break;
            }
        }
    }
    at
}

/// The place behind what begins at `at`: its `;`, its block, or the `,` of a field or an arm.
fn end_of_item(code: &[Token], mut at: usize) -> usize {
    const ITEMS: &str = "pub fn mod use impl struct enum const static type trait unsafe async \
                         extern let";
    let is_item =
        code.get(at).is_some_and(|token| ITEMS.split(' ').any(|word| token.is_word(word)));
    let mut depth = 0_i32;
    while let Some(token) = code.get(at) {
        let is = |marks: &[&str]| marks.iter().any(|mark| token.is_mark(mark));
        if depth == 0 && is(&["}", ")", "]"]) {
            return at; // the end of what holds it
        }
        depth += i32::from(is(&["{", "(", "["])) - i32::from(is(&["}", ")", "]"]));
        at += 1;
        if depth == 0 && (is(&[";", "}"]) || (is(&[","]) && !is_item)) {
            break;
        }
    }
    at
}
