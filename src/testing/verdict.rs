//! What a crash test says.

use super::certificate::Certificate;
use super::network::Troubles;
use super::story::Story;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::path::Path;

/// With this in the environment, [`Verdict::assert_holds`] writes certificates.
const WRITE: &str = "SUREHAND_WRITE_CERTIFICATES";

/// What was tried.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Counts {
    /// Crashes, equal ones counted each.
    pub crashes: u64,
    /// Different states after a crash, each of which the programs started on.
    pub states: u64,
    /// Those of them that a crash while starting again left.
    pub recovery_states: u64,
    /// Power cuts with more in flight than all subsets can be tried of: telling ones were, and
    /// some by chance.
    pub sampled_cuts: u64,
    /// Runs with one fault each.
    pub faults: u64,
    /// Kinds of faults among them.
    pub fault_kinds: u64,
    /// Runs that failed of their fault.
    pub failed_runs: u64,
    /// Runs in the weather of one seed each.
    pub network_seeds: u64,
    /// Things that arrived over the network in them, were lost, or found nobody.
    pub network_events: u64,
    /// How often each kind of trouble happened in them.
    pub troubles: Troubles,
    /// A hash of all that happened in them: two tests that differ nowhere have the same.
    pub trace: u64,
    /// Promises broken.
    pub violations: u64,
    /// Parts of the work that were done before time was over, of `parts`.
    pub parts_done: u64,
    /// Parts that the work was divided into, each of them a sample of it.
    pub parts: u64,
}

impl Counts {
    /// Whether time was over before everything was tried.
    #[must_use]
    pub fn is_sample(&self) -> bool {
        self.parts_done < self.parts
    }
}

/// What a crash test says.
#[derive(Clone, Debug)]
#[must_use = "a verdict that nobody reads fails nothing"]
pub enum Verdict {
    /// Everything held after every crash.
    Survived(Box<Certificate>),
    /// A promise was broken: the simplest case of it.
    Lost(Box<Story>, Box<Certificate>),
    /// The test cannot tell.
    NotMeasured(String),
    /// The test tests nothing.
    HarnessBroken(String),
}

impl Verdict {
    /// Goes on only when everything held.
    ///
    /// # Panics
    ///
    /// With the story, when it did not.
    #[track_caller]
    pub fn assert_survived(self) -> Counts {
        match self {
            Self::Survived(certificate) => certificate.counts,
            other => panic!("{other}"),
        }
    }

    /// Goes on only when everything held, and as much was tried as the certificate in this file
    /// says. With `SUREHAND_WRITE_CERTIFICATES=1` the file is written instead. A run that ended
    /// because time was over is not held to the numbers.
    ///
    /// # Panics
    ///
    /// When a promise was broken, when less was tried or on another disk, when there is no such
    /// file, or when a sample is to be written to it.
    #[track_caller]
    pub fn assert_holds(self, path: impl AsRef<Path>) -> Counts {
        let path = path.as_ref();
        let Self::Survived(certificate) = self else { panic!("{self}") };
        let shown = path.display();
        if std::env::var_os(WRITE).is_some() {
            assert!(!certificate.counts.is_sample(), "a sample certifies nothing: {certificate}");
            certificate.write(path).unwrap_or_else(|error| panic!("{shown}: {error}"));
        }
        match certificate.less_than(path) {
            Ok(None) => certificate.counts,
            Ok(Some(less)) => panic!("less was tried than {shown} says: {less}"),
            Err(error) => panic!("{shown}: {error}; {WRITE}=1 writes it"),
        }
    }

    /// Goes on only when a promise was broken: for tests of tests.
    ///
    /// # Panics
    ///
    /// When everything held, or nothing was tested.
    #[track_caller]
    pub fn assert_lost(self) -> Counts {
        match self {
            Self::Lost(_, certificate) => certificate.counts,
            other => panic!("{other}"),
        }
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Survived(certificate) => write!(f, "survived: {certificate}"),
            Self::Lost(story, certificate) => write!(f, "{story}\n{}", certificate.counts),
            Self::NotMeasured(why) => write!(f, "not measured: {why}"),
            Self::HarnessBroken(why) => write!(f, "the test tests nothing: {why}"),
        }
    }
}

impl fmt::Display for Counts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { states, recovery_states, faults, fault_kinds, violations, .. } = self;
        let Self { network_seeds, network_events, .. } = self;
        write!(
            f,
            "{states} states ({recovery_states} of them left by crashes while starting again), \
             {faults} faults of {fault_kinds} kinds, {network_seeds} seeds of weather with \
             {network_events} network events, {violations} violations"
        )?;
        if self.sampled_cuts > 0 {
            let cuts = self.sampled_cuts;
            write!(f, "; sampled: what is lost at {cuts} power cuts with much in flight")?;
        }
        if self.is_sample() {
            let Self { parts_done, parts, .. } = self;
            write!(f, "; a sample: {parts_done} of {parts} parts of all there is")?;
        }
        Ok(())
    }
}

impl fmt::Display for Certificate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.counts.fmt(f)?;
        if !self.idle_faults.is_empty() {
            write!(f, "; struck nothing: {:?}", self.idle_faults)?;
        }
        if !self.idle_troubles.is_empty() {
            write!(f, "; never happened: {:?}", self.idle_troubles)?;
        }
        Ok(())
    }
}
