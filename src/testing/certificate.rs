//! What a test tried, as a file that a build can hold on to.

use super::disk::{Fault, Profile};
use super::network::Trouble;
use super::verdict::Counts;
use serde::{Deserialize, Serialize};
use std::path::Path;
use std::{fs, io};

/// What a test tried and found: a record that can be kept, and compared with the next run's.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Certificate {
    /// The test's name.
    pub test: String,
    /// `survived` or `lost`.
    pub verdict: String,
    /// What the disk promised.
    pub profile: Profile,
    /// The seed of ids and other chance.
    pub seed: u64,
    /// So many crashes in a row.
    pub depth: usize,
    /// What was tried.
    #[serde(flatten)]
    pub counts: Counts,
    /// Faults that were asked for and struck nothing.
    pub idle_faults: Vec<Fault>,
    /// Kinds of trouble that were asked for, and that no weather had.
    pub idle_troubles: Vec<Trouble>,
    /// The version of SQLite.
    pub sqlite: String,
    /// The version of this crate.
    pub surehand: String,
}

impl Certificate {
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

    /// Whether this run tried as much as the one that a file certifies: the first thing of which
    /// there is less. A sample is only held to be the same test.
    ///
    /// # Errors
    ///
    /// When the file cannot be read, or is no certificate.
    pub fn less_than(&self, path: impl AsRef<Path>) -> io::Result<Option<String>> {
        let held: Self = serde_json::from_slice(&fs::read(path)?)?;
        if (&held.test, held.profile) != (&self.test, self.profile) {
            return Ok(Some(format!("it is of {} on a disk {:?}", held.test, held.profile)));
        }
        if self.counts.is_sample() {
            return Ok(None);
        }
        // Whether memory can be refused depends on who used SQLite first.
        let has_memory = !self.idle_faults.contains(&Fault::Memory);
        let comparable = has_memory || held.idle_faults.contains(&Fault::Memory);
        let numbers = |certificate: &Self| {
            let counts = certificate.counts;
            [
                ("states", counts.states),
                ("states left by crashes while starting again", counts.recovery_states),
                ("faults", counts.faults),
                ("kinds of faults", counts.fault_kinds),
                ("seeds of weather", counts.network_seeds),
                ("crashes in a row", certificate.depth as u64),
            ]
        };
        let is_of_faults = |what: &str| what.ends_with("faults");
        let pairs = numbers(self).into_iter().zip(numbers(&held));
        let mut pairs = pairs.filter(|((what, _), _)| comparable || !is_of_faults(what));
        let less = pairs.find(|((_, now), (_, then))| now < then);
        Ok(less.map(|((what, now), (_, then))| format!("{now} {what}, and there were {then}")))
    }
}
