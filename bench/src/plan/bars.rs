//! The bars: what the figures have to be.

/// A figure and its bound.
pub struct Bar {
    pub what: String,
    pub figure: Figure,
    pub bound: Bound,
}

pub enum Figure {
    /// The median over the rounds of one side's figure divided by another's.
    Ratio { group: String, top: String, under: String, metric: &'static str },
    /// The median of a side's figure.
    Median { group: String, side: String, metric: &'static str },
    /// The largest of a side's figures.
    Worst { group: String, side: String, metric: &'static str },
}

#[derive(Clone, Copy, Debug)]
pub enum Bound {
    AtLeast(f64),
    AtMost(f64),
}

use Bound::{AtLeast, AtMost};

fn ratio(what: &str, group: &str, (top, under): (&str, &str), bound: Bound) -> Bar {
    let figure =
        Figure::Ratio { group: group.into(), top: top.into(), under: under.into(), metric: "rate" };
    Bar { what: what.into(), figure, bound }
}

pub fn bars() -> Vec<Bar> {
    vec![
        ratio("end to end, batch 1024", "end-to-end", ("ours 1024", "floor 1024"), AtLeast(0.70)),
        ratio("end to end, batch 64", "end-to-end", ("ours 64", "floor 64"), AtLeast(0.60)),
    ]
}
