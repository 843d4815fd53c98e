//! Prefilled databases: made once, closed, and copied for each run.

use super::process;
use crate::Outcome;
use crate::plan::{Fill, Program};
use std::fs;
use std::path::{Path, PathBuf};

pub struct Fills {
    directory: PathBuf,
    made: Vec<Made>,
    next: usize,
}

struct Made {
    fill: Fill,
    /// Or why it could not be made.
    path: Result<PathBuf, String>,
}

impl Fills {
    pub fn new(directory: PathBuf) -> Outcome<Self> {
        fs::create_dir_all(&directory)?;
        Ok(Self { directory, made: Vec::new(), next: 0 })
    }

    /// Copies it, synced: what is still to be written would be written during the measurement.
    pub fn copy(&mut self, fill: &Fill, to: &Path) -> Outcome<()> {
        let same = |made: &&Made| made.fill.who == fill.who && made.fill.steps == fill.steps;
        if self.made.iter().find(same).is_none() {
            let path = match self.failed(fill) {
                Some(why) => Err(why),
                None => self.make(fill).map_err(|error| error.to_string()),
            };
            self.made.push(Made { fill: fill.clone(), path });
        }
        let made = self.made.iter().find(same).ok_or("it was just made")?;
        copy(made.path.as_ref().map_err(Clone::clone)?, to)
    }

    /// Whoever did not manage a smaller one is not waited for again.
    fn failed(&self, fill: &Fill) -> Option<String> {
        let failed = self.made.iter().find(|made| {
            let first = |fill: &Fill| fill.steps.first().map(|step| step.case);
            made.path.is_err() && made.fill.who == fill.who && first(&made.fill) == first(fill)
        });
        failed.and_then(|made| made.path.clone().err())
    }

    fn make(&mut self, fill: &Fill) -> Outcome<PathBuf> {
        eprintln!("        filling: {} {:?}", fill.who, fill.steps);
        self.next += 1;
        let path = self.directory.join(self.next.to_string());
        fs::create_dir(&path)?;
        let done = self.begin_with(fill, &path)?;
        for (index, step) in fill.steps.iter().enumerate() {
            let count = if index == 0 { step.count - done } else { step.count };
            let mut program = fill.program.clone();
            match &mut program {
                Program::Own { case, .. } | Program::Peer { case, .. } => *case = step.case,
            }
            let more = ["--count".into(), count.to_string()];
            let reading = process::reading(&program, &path, &more, fill.timeout)?;
            if let Some(why) = reading.cannot {
                return Err(why.into());
            }
        }
        Ok(path)
    }

    /// A smaller one of the same kind is a beginning; says how much is in it.
    fn begin_with(&self, fill: &Fill, path: &Path) -> Outcome<u64> {
        let [step] = &fill.steps[..] else { return Ok(0) };
        let smaller = self.made.iter().filter_map(|made| {
            let [other] = &made.fill.steps[..] else { return None };
            let fits = made.fill.who == fill.who && other.case == step.case;
            let path = made.path.as_ref().ok()?;
            (fits && other.count < step.count).then_some((other.count, path))
        });
        let Some((count, smaller)) = smaller.max_by_key(|(count, _)| *count) else { return Ok(0) };
        copy(smaller, path)?;
        Ok(count)
    }
}

fn copy(from: &Path, to: &Path) -> Outcome<()> {
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let to = to.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            fs::create_dir_all(&to)?;
            copy(&entry.path(), &to)?;
        } else {
            fs::copy(entry.path(), &to)?;
            fs::File::open(&to)?.sync_all()?;
        }
    }
    Ok(())
}
