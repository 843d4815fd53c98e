//! The project's own files, as the house rules see them.
//!
//! Gives `layers.rs` and `tidy.rs` the files of the repository and turns Rust source into tokens,
//! each with its line. Comments are dropped and a string literal is one token, so that a rule never
//! mistakes prose for code. It judges nothing, and it is no compiler: it knows where a comment, a
//! string and a word end, and no more.

use std::fs;
use std::path::Path;

/// One text file, by its path from the root of the repository (with `/` on every system).
pub(crate) struct Source {
    pub(crate) path: String,
    pub(crate) text: String,
}

/// What a token is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// An identifier, a keyword or a number.
    Word,
    /// A string literal of any sort, without its quotes; each escape has become a blank.
    Text,
    /// `::`, or any other single character.
    Mark,
}

/// One token and the line it begins on.
#[derive(Clone, Debug)]
pub(crate) struct Token {
    pub(crate) kind: Kind,
    pub(crate) text: String,
    pub(crate) line: usize,
}

impl Token {
    pub(crate) fn is_word(&self, word: &str) -> bool {
        self.kind == Kind::Word && self.text == word
    }

    pub(crate) fn is_mark(&self, mark: &str) -> bool {
        self.kind == Kind::Mark && self.text == mark
    }
}

/// Every file below `folder` whose name ends in one of `endings`, sorted by path. An empty ending
/// stands for a name without a dot, and an empty folder for the root, whose folders stay closed.
/// A folder that does not exist has no files.
pub(crate) fn files(folder: &str, endings: &[&str]) -> Vec<Source> {
    let mut found = Vec::new();
    collect(folder, endings, &mut found);
    found.sort_by(|a, b| a.path.cmp(&b.path));
    found
}

fn collect(folder: &str, endings: &[&str], found: &mut Vec<Source>) {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let Ok(entries) = fs::read_dir(root.join(folder)) else { return };
    for entry in entries {
        let entry = entry.expect("a folder of the repository can be listed");
        let name = entry.file_name().to_string_lossy().into_owned();
        let path = if folder.is_empty() { name.clone() } else { format!("{folder}/{name}") };
        let file = root.join(&path);
        if file.is_dir() {
            if !folder.is_empty() && name != "target" {
                collect(&path, endings, found);
            }
            continue;
        }
        let ending = name.rsplit_once('.').map_or("", |(_, ending)| ending);
        if endings.contains(&ending) {
            let bytes = fs::read(&file).unwrap_or_else(|error| panic!("{path}: {error}"));
            found.push(Source { path, text: String::from_utf8_lossy(&bytes).into_owned() });
        }
    }
}

/// The tokens of a Rust source.
pub(crate) fn tokens(source: &str) -> Vec<Token> {
    let mut lexer = Lexer { chars: source.chars().collect(), at: 0, line: 1, tokens: Vec::new() };
    while lexer.at < lexer.chars.len() {
        lexer.next();
    }
    lexer.tokens
}

struct Lexer {
    chars: Vec<char>,
    at: usize,
    line: usize,
    tokens: Vec<Token>,
}

impl Lexer {
    fn next(&mut self) {
        let c = self.peek(0);
        match (c, self.peek(1)) {
            _ if c.is_whitespace() => {
                self.take();
            }
            ('/', '/') => self.line_comment(),
            ('/', '*') => self.block_comment(),
            ('"', _) => self.text(self.line, None),
            ('\'', _) => self.quote(),
            (':', ':') => {
                self.push(Kind::Mark, "::".to_owned(), self.line);
                self.at += 2;
            }
            _ if is_word(c) => self.word(),
            _ => {
                let line = self.line;
                let mark = self.take().to_string();
                self.push(Kind::Mark, mark, line);
            }
        }
    }

    fn peek(&self, ahead: usize) -> char {
        self.chars.get(self.at + ahead).copied().unwrap_or('\0')
    }

    fn take(&mut self) -> char {
        let c = self.peek(0);
        self.at += 1;
        if c == '\n' {
            self.line += 1;
        }
        c
    }

    fn push(&mut self, kind: Kind, text: String, line: usize) {
        self.tokens.push(Token { kind, text, line });
    }

    fn line_comment(&mut self) {
        while self.at < self.chars.len() && self.peek(0) != '\n' {
            self.at += 1;
        }
    }

    fn block_comment(&mut self) {
        let mut depth = 0;
        while self.at < self.chars.len() {
            match (self.peek(0), self.peek(1)) {
                ('/', '*') => {
                    depth += 1;
                    self.at += 2;
                }
                ('*', '/') => {
                    depth -= 1;
                    self.at += 2;
                    if depth == 0 {
                        return;
                    }
                }
                _ => {
                    self.take();
                }
            }
        }
    }

    /// A string literal from its opening quote; `hashes` is the number of `#` of a raw one.
    fn text(&mut self, line: usize, hashes: Option<usize>) {
        self.take();
        let mut text = String::new();
        while self.at < self.chars.len() {
            match (self.take(), hashes) {
                ('\\', None) => {
                    self.take();
                    text.push(' ');
                }
                ('"', None) => break,
                ('"', Some(count)) if (0..count).all(|ahead| self.peek(ahead) == '#') => {
                    self.at += count;
                    break;
                }
                (c, _) => text.push(c),
            }
        }
        self.push(Kind::Text, text, line);
    }

    /// A character literal or a lifetime: neither matters to any rule.
    fn quote(&mut self) {
        if self.peek(1) == '\\' {
            self.at += 3;
            while self.at < self.chars.len() && self.take() != '\'' {}
        } else if self.peek(2) == '\'' {
            self.take();
            self.take();
            self.take();
        } else {
            self.at += 1;
        }
    }

    fn word(&mut self) {
        let line = self.line;
        let mut word = String::new();
        while is_word(self.peek(0)) {
            word.push(self.take());
        }
        let raw = matches!(word.as_str(), "r" | "br" | "cr");
        let rest = &self.chars[self.at..];
        let hashes = rest.iter().take_while(|&&c| c == '#').count();
        if raw && self.peek(hashes) == '"' {
            self.at += hashes;
            self.text(line, Some(hashes));
        } else if matches!(word.as_str(), "b" | "c") && self.peek(0) == '"' {
            self.text(line, None);
        } else if word == "b" && self.peek(0) == '\'' {
            self.quote();
        } else if word == "r" && hashes == 1 && is_word(self.peek(1)) {
            self.at += 1; // a raw identifier: what follows is the word
        } else {
            self.push(Kind::Word, word, line);
        }
    }
}

fn is_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}
