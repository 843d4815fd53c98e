//! What a suite found, for people and for programs.

use serde::{Deserialize, Serialize};
use std::path::Path;
use std::{fmt, fs, io};

/// What was found of one transport.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
#[must_use = "a report that nobody reads fails nothing"]
pub struct Report {
    /// The transport's name.
    pub transport: String,
    /// Each check, in the order they were made.
    pub checks: Vec<Check>,
    /// How long all of it took, in milliseconds.
    pub took_ms: u64,
}

/// One check, named by what it promises.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Check {
    /// The promise.
    pub name: String,
    /// What became of it.
    #[serde(flatten)]
    pub finding: Finding,
}

/// What became of a promise.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "finding", content = "why", rename_all = "lowercase")]
pub enum Finding {
    /// It was kept.
    Held,
    /// It was not, and this is what happened.
    Broken(String),
    /// It was not looked at, because of this.
    Skipped(String),
}

impl Report {
    /// Goes on only when nothing was broken.
    ///
    /// # Panics
    ///
    /// With the table, when something was.
    #[track_caller]
    pub fn assert(&self) {
        assert!(self.broken().next().is_none(), "{self}");
    }

    /// The names of the checks that were broken.
    pub fn broken(&self) -> impl Iterator<Item = &str> {
        let broken = self.checks.iter().filter(|check| matches!(check.finding, Finding::Broken(_)));
        broken.map(|check| check.name.as_str())
    }

    /// What was found by the check of this name, if there is one.
    #[must_use]
    pub fn finding(&self, name: &str) -> Option<&Finding> {
        self.checks.iter().find(|check| check.name == name).map(|check| &check.finding)
    }

    /// Writes it as JSON.
    ///
    /// # Errors
    ///
    /// When the file cannot be written.
    pub fn write(&self, path: impl AsRef<Path>) -> io::Result<()> {
        let mut text = serde_json::to_string_pretty(self)?;
        text.push('\n');
        fs::write(path, text)
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let count = |is: fn(&Finding) -> bool| {
            self.checks.iter().filter(|check| is(&check.finding)).count()
        };
        let held = count(|finding| matches!(finding, Finding::Held));
        let broken = count(|finding| matches!(finding, Finding::Broken(_)));
        let skipped = count(|finding| matches!(finding, Finding::Skipped(_)));
        let Self { transport, took_ms, .. } = self;
        write!(f, "{transport}: {held} held, {broken} broken, {skipped} skipped, in {took_ms} ms")?;
        self.checks.iter().try_for_each(|check| write!(f, "\n{check}"))
    }
}

impl fmt::Display for Check {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = &self.name;
        match &self.finding {
            Finding::Held => write!(f, "  held     {name}"),
            Finding::Broken(why) => write!(f, "  BROKEN   {name}: {why}"),
            Finding::Skipped(why) => write!(f, "  skipped  {name}: {why}"),
        }
    }
}
