//! The command line: `--name value` and `--flag`, in any order.

use super::Outcome;
use std::str::FromStr;

/// What is left of the command line, and what to say when it is wrong.
pub(crate) struct Arguments {
    usage: &'static str,
    left: Vec<String>,
}

impl Arguments {
    pub(crate) fn new(usage: &'static str, left: impl Iterator<Item = String>) -> Self {
        Self { usage, left: left.collect() }
    }

    /// What is left of these, and some more.
    pub(crate) fn with(self, usage: &'static str, more: impl IntoIterator<Item = String>) -> Self {
        Self { usage, left: self.left.into_iter().chain(more).collect() }
    }

    pub(crate) fn flag(&mut self, name: &str) -> bool {
        let found = self.left.iter().position(|argument| argument == name);
        found.map(|at| self.left.remove(at)).is_some()
    }

    pub(crate) fn optional<T: FromStr>(&mut self, name: &str) -> Outcome<Option<T>> {
        let Some(at) = self.left.iter().position(|argument| argument == name) else {
            return Ok(None);
        };
        let value = self.left.drain(at..self.left.len().min(at + 2)).nth(1);
        let value = value.ok_or_else(|| self.wrong(&format!("{name} has no value")))?;
        let parsed = value.parse().ok();
        parsed.map(Some).ok_or_else(|| self.wrong(&format!("{name} cannot be {value:?}")).into())
    }

    pub(crate) fn required<T: FromStr>(&mut self, name: &str) -> Outcome<T> {
        let value = self.optional(name)?;
        value.ok_or_else(|| self.wrong(&format!("{name} is missing")).into())
    }

    /// Nothing may be left that nobody asked for.
    pub(crate) fn finish(self) -> Outcome<()> {
        match self.left.first() {
            None => Ok(()),
            Some(argument) => Err(self.wrong(&format!("{argument:?} is not understood")).into()),
        }
    }

    fn wrong(&self, what: &str) -> String {
        format!("{what}\nusage: {}", self.usage)
    }
}
