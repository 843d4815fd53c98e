use std::path::PathBuf;
use std::time::Duration;

use crate::Problem;

/// What a program was asked: `<program> <case> --directory D --setting S [--count N] ...`.
#[derive(Clone, Debug)]
pub struct Arguments {
    pub case: String,
    pub directory: PathBuf,
    pub setting: String,
    pub count: u64,
    pub callers: usize,
    pub batch: usize,
    pub time: Duration,
}

impl Arguments {
    /// Reads the arguments of this process.
    pub(crate) fn of_process() -> Result<Self, Problem> {
        let mut words = std::env::args().skip(1);
        let mut arguments = Self {
            case: words.next().ok_or("a case is needed, such as describe")?,
            directory: PathBuf::new(),
            setting: "default".to_owned(),
            count: 10_000,
            callers: 1,
            batch: 1,
            time: Duration::from_secs(10),
        };
        while let Some(name) = words.next() {
            let value = words.next().ok_or_else(|| format!("{name} needs a value"))?;
            match name.as_str() {
                "--directory" => arguments.directory = value.into(),
                "--setting" => arguments.setting = value,
                "--count" => arguments.count = value.parse()?,
                "--callers" => arguments.callers = value.parse()?,
                "--batch" => arguments.batch = value.parse()?,
                "--seconds" => arguments.time = Duration::try_from_secs_f64(value.parse()?)?,
                _ => return Err(format!("{name} is not an argument").into()),
            }
        }
        if arguments.callers == 0 || arguments.batch == 0 {
            return Err("--callers and --batch have to be at least 1".into());
        }
        if arguments.case != "describe" && !arguments.directory.is_dir() {
            return Err("--directory has to name a directory that exists".into());
        }
        Ok(arguments)
    }
}
