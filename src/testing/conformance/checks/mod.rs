//! What is looked at, each named by the promise it is.

mod answers;
mod content;
mod effects;
mod ending;
mod failures;
mod memory;
mod order;
mod prompt;
mod verdicts;

use super::stage::{Checked, Stage};

pub(super) type Make = fn(&mut Stage) -> Checked;

/// So many checks at the beginning hold for every other one.
pub(super) const GROUND: usize = 3;

pub(super) const ALL: &[(&str, Make)] = &[
    ("it is made, and can be dropped", ending::idle),
    ("a hello is answered", answers::hello),
    ("each message is answered by its own ticket", answers::tickets),
    ("deliver and hello return at once", prompt::returns),
    ("an answer follows its effect", effects::before_answers),
    ("what is slow is answered late", prompt::late),
    ("many requests are under way at once", prompt::many),
    ("messages of a key arrive in order", order::in_order),
    ("a request is applied in its order", order::as_requested),
    ("behind a failure its key waits", order::behind_a_failure),
    ("a failure comes back with its text and delay", failures::retried),
    ("a failure for good comes back as one", failures::permanent),
    ("a panic is a failure of its message", failures::panic),
    ("a failure is its own message's alone", failures::alone),
    ("a prepare step is its own message's", failures::prepared),
    ("payloads arrive unchanged", content::payloads),
    ("headers arrive unchanged", content::headers),
    ("topics, keys and content types arrive unchanged", content::names),
    ("places, attempts and times arrive unchanged", content::places),
    ("the largest request arrives whole", content::largest),
    ("topics() is what the consumer takes", memory::topics_are_right),
    ("remembers() is true to what it says", memory::is_honest),
    ("a duplicate is answered, and has no effect", memory::duplicates),
    ("a statement is merged, and lets the consumer forget", memory::statements),
    ("what an inbox says comes back as it is", verdicts::comes_back),
    ("who is not registered is fenced", verdicts::fenced),
    ("a store that went back in time is noticed", verdicts::rewound),
    ("no settler outlives a consumer that is gone", ending::consumer),
    ("no settler outlives its runtime", ending::runtime),
    ("dropped with requests under way, it neither hangs nor lies", ending::dropped),
];
