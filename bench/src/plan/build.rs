//! The words in which the plan is written.

/// Sides that run in turns, round after round: their ratios are of figures of one round.
pub struct Group {
    pub name: String,
    pub title: String,
    /// What a reader of the table has to know.
    pub note: String,
    /// The figures of the table: names that [`crate::results::value`] knows.
    pub columns: Vec<&'static str>,
    pub sides: Vec<Side>,
    pub runs: usize,
}

/// One line of the table.
#[derive(Clone)]
pub struct Side {
    pub name: String,
    pub program: Program,
    /// The database it begins with; an empty directory otherwise.
    pub fill: Option<Fill>,
    /// The side that its figures are divided by.
    pub beside: Option<String>,
    /// Of a peer: whether what it acknowledged survives a power cut.
    pub durable: Option<bool>,
    /// How many seconds it takes, roughly.
    pub about: f64,
}

#[derive(Clone)]
pub enum Program {
    /// `measure CASE ...` of this program.
    Own { case: &'static str, arguments: Vec<String> },
    /// A program of `bench/peers`, by its command.
    Peer { command: Vec<String>, case: &'static str, arguments: Vec<String> },
}

/// A prefilled database: made once, and copied for each run.
#[derive(Clone)]
pub struct Fill {
    /// Who fills: `ours`, `floor`, or a peer and its setting.
    pub who: String,
    pub program: Program,
    pub steps: Vec<Step>,
    /// It may take so many seconds.
    pub timeout: u64,
}

/// `CASE --count COUNT`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    pub case: &'static str,
    pub count: u64,
}

pub fn group(name: &str, title: &str, columns: &[&'static str], sides: Vec<Side>) -> Group {
    Group {
        name: name.into(),
        title: title.into(),
        note: String::new(),
        columns: columns.into(),
        sides,
        runs: 0,
    }
}

impl Group {
    pub fn note(mut self, note: &str) -> Self {
        self.note = note.into();
        self
    }

    /// So often, whatever the scale says.
    pub fn runs(mut self, runs: usize) -> Self {
        self.runs = runs;
        self
    }
}

fn words(text: &str) -> Vec<String> {
    text.split_whitespace().map(Into::into).collect()
}

fn own(subject: &str, name: &str, case: &'static str, arguments: &str) -> Side {
    let mut arguments = words(arguments);
    arguments.extend(["--subject".into(), subject.into()]);
    let program = Program::Own { case, arguments };
    let name = format!("{subject} {name}").trim().to_owned();
    Side { name, program, fill: None, beside: None, durable: None, about: 2.0 }
}

pub fn ours(name: &str, case: &'static str, arguments: &str) -> Side {
    own("ours", name, case, arguments)
}

pub fn floor(name: &str, case: &'static str, arguments: &str) -> Side {
    own("floor", name, case, arguments)
}

/// Ours beside the floor, with the same arguments.
pub fn pair(name: &str, case: &'static str, arguments: &str) -> [Side; 2] {
    let floor = floor(name, case, arguments);
    [ours(name, case, arguments).beside(&floor.name), floor]
}

impl Side {
    pub fn beside(mut self, other: &str) -> Self {
        self.beside = Some(other.into());
        self
    }

    pub fn about(mut self, seconds: f64) -> Self {
        self.about = seconds;
        self
    }

    /// Begins with so many messages in the log.
    pub fn filled(mut self, count: u64) -> Self {
        let Program::Own { arguments, .. } = &self.program else { return self };
        let who = arguments.last().cloned().unwrap_or_default();
        let arguments = vec!["--subject".into(), who.clone()];
        let program = Program::Own { case: "fill", arguments };
        let steps = vec![Step { case: "fill", count }];
        self.fill = Some(Fill { who, program, steps, timeout: 300 });
        self
    }
}
