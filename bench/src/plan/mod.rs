//! What is measured, as data: groups of sides that run in turns, and the bars on their figures.

mod bars;
mod build;
mod own;
mod peers;

pub use bars::{Bar, Bound, COUNTED, Figure, bars};
pub use build::{Fill, Group, Program, Side};
pub use peers::{Peer, Setting};

/// How much is measured.
#[derive(Clone, Copy)]
pub struct Scale {
    pub quick: bool,
}

impl Scale {
    pub fn runs(self) -> usize {
        if self.quick { 3 } else { 5 }
    }

    /// The full size, or that of a quick run.
    pub fn pick<T>(self, full: T, quick: T) -> T {
        if self.quick { quick } else { full }
    }
}

/// Everything, in the order in which it runs.
pub fn plan(scale: Scale, found: &[Peer]) -> Vec<Group> {
    let mut groups = own::groups(scale);
    groups.extend(peers::groups(scale, found));
    for group in groups.iter_mut().filter(|group| group.runs == 0) {
        group.runs = scale.runs();
    }
    groups
}
