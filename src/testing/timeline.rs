//! What happened on each machine, side by side.

use super::disk::{Op, Platter};
use super::retrace::Leg;
use std::fmt::Write as _;

/// The page has room for so many letters beside the step's number.
const WIDTH: usize = 90;

/// Several steps of the same kind on the same file are one row.
struct Row {
    step: usize,
    machine: Option<String>,
    words: [String; 3],
    times: usize,
}

/// The machines, in the order in which they did something: a column for each.
pub(crate) fn columns<'a>(legs: impl IntoIterator<Item = &'a Leg>) -> Vec<&'a str> {
    let mut columns = Vec::new();
    for op in legs.into_iter().flat_map(|leg| &leg.record) {
        if let Some(machine) = op.machine().filter(|machine| !columns.contains(&&***machine)) {
            columns.push(&**machine);
        }
    }
    columns
}

/// Writes the last rows of a run that ends after this step.
pub(crate) fn tell(leg: &Leg, after: usize, rows: usize, columns: &[&str], text: &mut String) {
    let mut disks = leg.disks.clone();
    let done = &leg.record[..after.min(leg.record.len())];
    let mut all = Vec::new();
    for (op, step) in done.iter().zip(1..) {
        disks.apply(op);
        add(&mut all, step, op, &disks);
    }
    let wide = WIDTH / columns.len().max(1);
    // Writing to a String does not fail.
    let _ = write!(text, "   step  ");
    columns.iter().for_each(|column| {
        let _ = write!(text, "{column:<wide$}");
    });
    text.truncate(text.trim_end().len());
    let _ = writeln!(text);
    let skipped = all.len().saturating_sub(rows);
    for row in &all[skipped..] {
        let place = columns.iter().position(|column| Some(*column) == row.machine.as_deref());
        let words = row.words();
        let _ = match place {
            Some(place) => {
                writeln!(text, "  {:>5}  {:indent$}{words}", row.step, "", indent = place * wide)
            }
            None => writeln!(text, "  {:>5}  {:-^WIDTH$}", row.step, format!(" {words} ")),
        };
    }
}

fn add(rows: &mut Vec<Row>, step: usize, op: &Op, disks: &Platter) {
    if op.changes_nothing() {
        return;
    }
    let machine = op.machine().map(|machine| machine.to_string());
    let words = disks.tell(op);
    match rows.last_mut() {
        Some(last) if machine.is_some() && last.machine == machine && last.goes_on(&words) => {
            last.words[2] = words[2].clone();
            last.times += 1;
            last.step = step;
        }
        _ => rows.push(Row { step, machine, words, times: 1 }),
    }
}

impl Row {
    fn goes_on(&self, words: &[String; 3]) -> bool {
        self.words[0] == words[0] && self.words[1] == words[1] && !words[2].is_empty()
    }

    fn words(&self) -> String {
        let [verb, what, place] = &self.words;
        let times = if self.times > 1 { format!("{} times, last ", self.times) } else { "".into() };
        format!("{verb} {what} {times}{place}").trim().into()
    }
}
