//! Runs the plan: each measurement in a process of its own, the sides of a group in turns.

mod fills;
mod instructions;
mod process;
mod progress;

use crate::Outcome;
use crate::plan::{self, Fill, Group, Peer, Program, Scale, Side};
use crate::reading::Reading;
use crate::results::{GroupResult, Results, SideResult};
use crate::{machine, report};
use fills::Fills;
use progress::Progress;
use std::path::{Path, PathBuf};

#[derive(clap::Args)]
pub struct Arguments {
    /// Fewer and smaller: a few minutes.
    #[arg(long)]
    quick: bool,
    /// Only the groups whose name has this in it; then nothing is written.
    #[arg(long)]
    only: Option<String>,
    /// Rounds, instead of what the plan says: for trials.
    #[arg(long)]
    runs: Option<usize>,
    /// The peers that were built, as `bench/peers/build` lists them.
    #[arg(long)]
    peers: Option<PathBuf>,
    /// Where the results are written.
    #[arg(long, default_value = "bench")]
    out: PathBuf,
}

pub fn run(arguments: &Arguments) -> Outcome<()> {
    let scale = Scale { quick: arguments.quick };
    let began = crate::common::now();
    let scratch = tempfile::Builder::new().prefix("bench-").tempdir_in(target()?)?;
    let found = arguments.peers.as_deref().map_or(Ok(Vec::new()), peers)?;
    let mut groups = plan::plan(scale, &found);
    if let Some(only) = &arguments.only {
        groups.retain(|group| group.name.contains(only.as_str()));
    }
    for group in &mut groups {
        group.runs = arguments.runs.unwrap_or(group.runs);
    }
    let mut progress = Progress::over(&groups, scale);
    let mut fills = Fills::new(scratch.path().join("fills"))?;
    let mut results = Results {
        quick: arguments.quick,
        machine: machine::here(scratch.path()),
        peers: found,
        ..Results::default()
    };
    for group in &groups {
        let group = run_group(group, scratch.path(), &mut fills, &mut progress)?;
        results.groups.push(group);
    }
    if arguments.only.as_deref().is_none_or(|only| "instructions".contains(only)) {
        results.instructions = instructions::count(scratch.path());
    }
    results.seconds = began.elapsed().as_secs_f64();
    if arguments.only.is_some() {
        print!("{}{}", report::groups(&results), report::instructions(&results));
        return Ok(());
    }
    print!("{}", report::tables(&results));
    report::write(&results, &arguments.out)
}

fn run_group(
    group: &Group,
    scratch: &Path,
    fills: &mut Fills,
    progress: &mut Progress,
) -> Outcome<GroupResult> {
    let mut sides: Vec<_> = group.sides.iter().map(begun).collect();
    for round in 0..group.runs {
        for (side, result) in group.sides.iter().zip(&mut sides) {
            let reading = match result.cannot() {
                // What failed once is not waited for again.
                Some(why) => cannot(why),
                None if progress.is_late() => cannot("no time was left for it"),
                None => measure(side, scratch, fills)?,
            };
            progress.done(&group.name, side, round, &reading);
            result.readings.push(reading);
        }
    }
    Ok(GroupResult {
        name: group.name.clone(),
        title: group.title.clone(),
        note: group.note.clone(),
        columns: group.columns.iter().copied().map(Into::into).collect(),
        sides,
    })
}

fn begun(side: &Side) -> SideResult {
    let command = match &side.program {
        Program::Own { case, arguments } => format!("measure {case} {}", arguments.join(" ")),
        Program::Peer { case, arguments, .. } => format!("{case} {}", arguments.join(" ")),
    };
    let filled = |fill: &Fill| {
        let steps = fill.steps.iter().map(|step| format!("{} {}", step.case, step.count));
        steps.collect::<Vec<_>>().join(", ")
    };
    let before = side.fill.as_ref().map(|fill| format!(" after {}", filled(fill)));
    let command = command + &before.unwrap_or_default();
    SideResult {
        name: side.name.clone(),
        beside: side.beside.clone(),
        durable: side.durable,
        command,
        readings: vec![],
    }
}

fn measure(side: &Side, scratch: &Path, fills: &mut Fills) -> Outcome<Reading> {
    let directory = tempfile::Builder::new().prefix("run-").tempdir_in(scratch)?;
    if let Some(fill) = &side.fill
        && let Err(why) = fills.copy(fill, directory.path())
    {
        return Ok(cannot(&format!("it could not be filled: {why}")));
    }
    let timeout = (side.about * 4.0) as u64 + 30;
    let reading = process::reading(&side.program, directory.path(), &[], timeout);
    Ok(reading.unwrap_or_else(|why| cannot(&why.to_string())))
}

fn cannot(why: &str) -> Reading {
    Reading { cannot: Some(why.into()), ..Reading::default() }
}

/// What was built of the peers; each is asked what it is.
fn peers(list: &Path) -> Outcome<Vec<Peer>> {
    let mut found: Vec<Peer> = serde_json::from_str(&std::fs::read_to_string(list)?)?;
    for peer in found.iter_mut().filter(|peer| peer.absent.is_none()) {
        match process::describe(&peer.command) {
            Ok(described) => peer.described = Some(described),
            Err(why) => peer.absent = Some(why.to_string()),
        }
    }
    Ok(found)
}

/// Databases lie beside what was built: a temporary directory may be in memory.
pub fn target() -> Outcome<PathBuf> {
    let program = std::env::current_exe()?;
    let target = program.ancestors().nth(2).ok_or("this program is in no target directory")?;
    Ok(target.into())
}
